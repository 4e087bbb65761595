//! Our own questions to our own listeners, and to servers themselves: the way into readiness, and out of it.
//!
//! A listener is up when it has answered us; the upstream, when a cluster name has come back through it. One external name is asked
//! too: a query over TCP makes CoreDNS ask its own upstream over TCP, and where that resolver takes no TCP every external name fails
//! although CoreDNS itself is well.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::redirect::Protocol;
use crate::wire::{Answer, AnswerError, Key, Name, Rcode, SentOpt, class, encode_upstream_query, rtype};

/// How long a listener may take, or a server with a name of the cluster: they answer from memory.
const LISTENER_PATIENCE: Duration = Duration::from_secs(1);
/// How long the upstream may take: one exchange's deadline and a little.
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(5);

/// The Service that every cluster has, below the cluster's domain.
pub(super) const KUBERNETES: &str = "kubernetes.default.svc";

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

impl Heard {
    /// Whether somebody knew an answer. SERVFAIL is what a server says that knows none, and what we say where none is heard.
    pub(super) fn is_answer(self) -> bool {
        match self {
            Self::Answer => true,
            Self::Rcode(rcode) => rcode != Rcode::SERV_FAIL,
            Self::Nothing => false,
        }
    }
}

/// Whether UDP and TCP on `address` answer `id.server. CH TXT`; else which does not.
pub(super) async fn ask_listener(address: SocketAddr) -> Result<(), String> {
    let question = key("id.server.", rtype::TXT, class::CHAOS);
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
    over_udp(reachable(listener), &address_of(name), UPSTREAM_PATIENCE).await
}

/// Asks for the root's name servers, an external name that every resolver knows, through `listener`.
pub(super) async fn ask_external(listener: SocketAddr) -> Heard {
    over_udp(reachable(listener), &key(".", rtype::NS, class::IN), UPSTREAM_PATIENCE).await
}

/// Asks a server itself for a name of the cluster.
pub(super) async fn ask_server(server: SocketAddr, protocol: Protocol, name: &str) -> Heard {
    match protocol {
        Protocol::Udp => over_udp(server, &address_of(name), LISTENER_PATIENCE).await,
        Protocol::Tcp => over_tcp(server, &address_of(name)).await,
    }
}

/// A label that nobody has asked for: no cache knows the name.
pub(super) fn path_label(nonce: u64) -> String {
    format!("doorstep-path-{nonce:016x}")
}

/// The question for an A record of `name`.
pub(super) fn address_of(name: &str) -> Key {
    key(name, rtype::A, class::IN)
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
    let id = rand::random();
    match timeout(patience, udp(server, &encode_upstream_query(question, id, SentOpt::Absent))).await {
        Ok(Ok(message)) => read(&message, id, question),
        Ok(Err(_)) | Err(_) => Heard::Nothing,
    }
}

async fn over_tcp(server: SocketAddr, question: &Key) -> Heard {
    let id = rand::random();
    match timeout(LISTENER_PATIENCE, tcp(server, &encode_upstream_query(question, id, SentOpt::Absent))).await {
        Ok(Ok(message)) => read(&message, id, question),
        Ok(Err(_)) | Err(_) => Heard::Nothing,
    }
}

/// One datagram there and the first one back, from a socket of its own.
///
/// # Errors
/// What the network says; without an answer it waits for ever.
pub(super) async fn udp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut message = vec![0; 4096];
    let length = socket.recv(&mut message).await?;
    message.truncate(length);
    Ok(message)
}

/// One message there and one back, over a connection of its own.
///
/// # Errors
/// What the network says, or a connection closed before its answer; without an answer it waits for ever.
pub(super) async fn tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).expect("a query with one question has less than 300 octets");
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

fn read(message: &[u8], id: u16, question: &Key) -> Heard {
    match Answer::from_upstream(message, id, question) {
        // A truncated answer is an answer: whoever wants the rest comes again over TCP.
        Ok(_) | Err(AnswerError::Truncated) => Heard::Answer,
        Err(AnswerError::Rcode(rcode)) => Heard::Rcode(rcode),
        Err(AnswerError::Malformed | AnswerError::Mismatch) => Heard::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::config::File;
    use crate::resolve::LoopGuard;

    #[test]
    fn every_name_below_the_longest_domain_that_may_be_configured_is_a_name() {
        let label = |length| "a".repeat(length);
        let domain = |last| [label(55), label(55), label(55), label(last)].join(".");
        assert!(File::parse(&format!("cluster_domain: {}", domain(55))).is_err(), "an octet more than there may be");
        assert!(File::parse(&format!("cluster_domain: {}", domain(54))).is_ok());
        for first in [LoopGuard::default().begin(NonZeroU64::MAX), path_label(u64::MAX), KUBERNETES.to_owned()] {
            address_of(&format!("{first}.{}.", domain(54)));
        }
    }
}
