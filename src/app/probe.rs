//! Our own questions to our own listeners: the way into readiness.
//!
//! A listener is up when it has answered us; the upstream, when a cluster name has come back through it. One external name is asked
//! too: a query over TCP makes CoreDNS ask its own upstream over TCP, and where that resolver takes no TCP every external name fails
//! although CoreDNS itself is well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::wire::{Answer, AnswerError, Key, Name, Rcode, encode_upstream_query};

/// How long a listener may take; it answers from memory.
const LISTENER_PATIENCE: Duration = Duration::from_secs(1);
/// How long the upstream may take: one exchange's deadline and a little.
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(5);

const TYPE_A: u16 = 1;
const TYPE_NS: u16 = 2;
const TYPE_TXT: u16 = 16;
const CLASS_IN: u16 = 1;
const CLASS_CHAOS: u16 = 3;

/// How a question of ours ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// An answer, NXDOMAIN included.
    Answer,
    /// A reply with another rcode.
    Rcode(Rcode),
    /// Nothing, or nothing that makes sense.
    Nothing,
}

/// Whether UDP and TCP on `address` answer `id.server. CH TXT`; else which does not.
pub(super) async fn ask_listener(address: SocketAddr) -> Result<(), String> {
    let question = key("id.server.", TYPE_TXT, CLASS_CHAOS);
    let target = reachable(address);
    if over_udp(target, &question, LISTENER_PATIENCE).await != Heard::Answer {
        return Err(format!("{address} does not answer over UDP"));
    }
    match over_tcp(target, &question).await {
        Heard::Answer => Ok(()),
        _ => Err(format!("{address} does not answer over TCP")),
    }
}

/// Asks for a name of the cluster through `listener`.
pub(super) async fn ask_name(listener: SocketAddr, name: &str) -> Heard {
    over_udp(reachable(listener), &key(name, TYPE_A, CLASS_IN), UPSTREAM_PATIENCE).await
}

/// Asks for the root's name servers: an external name that every resolver knows. `server` is our listener, or an upstream itself.
pub(super) async fn ask_external(server: SocketAddr) -> Heard {
    over_udp(reachable(server), &key(".", TYPE_NS, CLASS_IN), UPSTREAM_PATIENCE).await
}

fn key(name: &str, qtype: u16, qclass: u16) -> Key {
    let name = Name::parse(name).expect("probes ask for well-formed names");
    Key { name: (&name).into(), qtype, qclass, dnssec_ok: false, checking_disabled: false }
}

/// A socket bound to every address is reached over loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

async fn over_udp(server: SocketAddr, question: &Key, patience: Duration) -> Heard {
    let exchange = async {
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(server).await?;
        let id = rand::random();
        socket.send(&encode_upstream_query(question, id, false)).await?;
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).await?;
        std::io::Result::Ok(read(&message[..length], id, question))
    };
    timeout(patience, exchange).await.map_or(Heard::Nothing, |heard| heard.unwrap_or(Heard::Nothing))
}

async fn over_tcp(server: SocketAddr, question: &Key) -> Heard {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let id = rand::random();
        let query = encode_upstream_query(question, id, false);
        let length = u16::try_from(query.len()).expect("a query without options has at most 271 octets");
        stream.write_all(&[&length.to_be_bytes(), query.as_slice()].concat()).await?;
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        std::io::Result::Ok(read(&message, id, question))
    };
    timeout(LISTENER_PATIENCE, exchange).await.map_or(Heard::Nothing, |heard| heard.unwrap_or(Heard::Nothing))
}

fn read(message: &[u8], id: u16, question: &Key) -> Heard {
    match Answer::from_upstream(message, id, question) {
        // A truncated answer is an answer: whoever wants the rest comes again over TCP.
        Ok(_) | Err(AnswerError::Truncated) => Heard::Answer,
        Err(AnswerError::Rcode(rcode)) => Heard::Rcode(rcode),
        Err(AnswerError::Malformed | AnswerError::Mismatch) => Heard::Nothing,
    }
}
