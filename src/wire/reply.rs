//! Writing replies into the caller's buffer: no allocation.
use super::{Echo, Ede, Image, Rcode};
use std::net::IpAddr;

/// What decides the form of a reply beyond its content.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    /// Largest message the way back takes: 65,535 over TCP; over UDP min(client's payload size or 512, the server's cap).
    pub limit: usize,
    /// Our NSID (RFC 5001), sent if asked for.
    pub nsid: &'a [u8],
    /// Extended error, sent only to clients with OPT (RFC 8914 §3), dropped first.
    pub ede: Option<Ede>,
    /// Which record of the trailing address run comes first (spreads clients; truncated replies show different parts).
    pub rotation: usize,
    /// edns-tcp-keepalive timeout in 100 ms units, sent over TCP if the client sent the option (RFC 7828 §3.3.2).
    pub keepalive: Option<u16>,
}

/// The size limit for a reply over UDP: what the client takes, never more than `cap` (1232: RFC 9715, DNS flag day 2020).
pub fn udp_limit(_echo: &Echo<'_>, _cap: u16) -> usize {
    unimplemented!()
}

/// Writes a cached or fresh answer; every TTL becomes `ttl`. Returns the length. `out` must hold `form.limit` octets.
pub fn write_answer(_out: &mut [u8], _echo: &Echo<'_>, _image: Image<'_>, _ttl: u32, _form: &Form<'_>) -> usize {
    unimplemented!()
}

/// Writes an empty reply with `rcode`.
pub fn write_error(_out: &mut [u8], _echo: &Echo<'_>, _rcode: Rcode, _form: &Form<'_>) -> usize {
    unimplemented!()
}

/// Content decided at this node, without any lookup.
#[derive(Clone, Copy)]
pub enum Local<'a> {
    /// NXDOMAIN with an SOA whose owner is the last `zone` octets of the qname.
    NxDomain {
        /// Length in octets of the zone's wire name: a suffix of the qname.
        zone: u8,
    },
    /// NOERROR without records, with the same SOA.
    NoData {
        /// As above.
        zone: u8,
    },
    /// Addresses of the family asked.
    Addresses(&'a [IpAddr]),
    /// One TXT record of one character-string (CHAOS id.server and the like); class copied from the question.
    Text(&'a [u8]),
}

/// Writes a local answer. Addresses that are not of the qtype asked are left out by the caller. Returns the length.
pub fn write_local(_out: &mut [u8], _echo: &Echo<'_>, _content: &Local<'_>, _ttl: u32, _form: &Form<'_>) -> usize {
    unimplemented!()
}
