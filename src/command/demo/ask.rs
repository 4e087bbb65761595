//! The demo's stub resolver: one UDP query with NSID asked, timed, put into words.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};

/// INFO-CODE names that the demo may meet (RFC 8914 §4).
const EXTENDED_ERRORS: [(u16, &str); 4] =
    [(3, "Stale Answer"), (15, "Blocked"), (19, "Stale NXDOMAIN Answer"), (22, "No Reachable Authority")];

/// One reply.
pub(super) struct Reply {
    /// NOERROR, NXDOMAIN, …
    pub(super) rcode: String,
    /// `ttl rdata` of each answer record.
    pub(super) answers: Vec<String>,
    /// What NSID said.
    pub(super) nsid: String,
    /// The extended error, if there was one.
    pub(super) extended_error: Option<&'static str>,
    /// From send to receive.
    pub(super) took: Duration,
}

/// Asks `server` for an A record of `name`.
///
/// # Errors
/// No reply within 5 s, or one that does not parse.
pub(super) fn ask(server: SocketAddr, name: &str) -> Result<Reply, String> {
    let query = encode(name)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let exchange = || -> std::io::Result<(Vec<u8>, Duration)> {
        socket.connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut buffer = [0; 1500];
        let sent = now();
        socket.send(&query)?;
        let length = socket.recv(&mut buffer)?;
        Ok((buffer[..length].to_vec(), sent.elapsed()))
    };
    let (reply, took) = exchange().map_err(|error| format!("no reply from {server}: {error}"))?;
    let message = Message::from_vec(&reply).map_err(|error| error.to_string())?;
    Ok(describe(&message, took))
}

fn encode(name: &str) -> Result<Vec<u8>, String> {
    let name = Name::from_ascii(name).map_err(|error| error.to_string())?;
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, RecordType::A));
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_version(0);
    edns.options_mut().insert(EdnsOption::Unknown(u16::from(EdnsCode::NSID), Vec::new()));
    message.set_edns(edns);
    message.to_vec().map_err(|error| error.to_string())
}

fn describe(message: &Message, took: Duration) -> Reply {
    let option = |code: u16| -> Option<Vec<u8>> {
        let options = message.edns.as_ref()?.options();
        options.as_ref().iter().find(|(found, _)| u16::from(*found) == code).and_then(|(_, option)| Vec::try_from(option).ok())
    };
    let extended_error = option(15).and_then(|octets| {
        let code = u16::from_be_bytes([*octets.first()?, *octets.get(1)?]);
        EXTENDED_ERRORS.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
    });
    Reply {
        rcode: rcode_text(message),
        answers: message.answers.iter().map(|record| format!("{} (TTL {} s)", record.data, record.ttl)).collect(),
        nsid: option(u16::from(EdnsCode::NSID)).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default(),
        extended_error,
        took,
    }
}

fn rcode_text(message: &Message) -> String {
    match message.metadata.response_code {
        hickory_proto::op::ResponseCode::NoError => "NOERROR".to_owned(),
        hickory_proto::op::ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        other => other.to_string(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the demo times what it shows")]
fn now() -> Instant {
    Instant::now()
}
