//! The 12 octets every message starts with (RFC 1035 §4.1.1).

use std::fmt;

/// Octets of a header.
pub(super) const HEADER: usize = 12;

/// QR, in the third octet: this is a response.
pub(super) const QR: u8 = 0x80;
/// OPCODE, in the third octet: 0 is QUERY.
pub(super) const OPCODE: u8 = 0x78;
/// TC, in the third octet: truncated.
pub(super) const TC: u8 = 0x02;
/// RD, in the third octet: recursion desired.
pub(super) const RD: u8 = 0x01;
/// RA, in the fourth octet: recursion available.
pub(super) const RA: u8 = 0x80;
/// CD, in the fourth octet: checking disabled.
pub(super) const CD: u8 = 0x10;

/// Where the counts stand: questions, answers, authority, additional.
pub(super) const QDCOUNT: usize = 4;
pub(super) const ANCOUNT: usize = 6;
pub(super) const NSCOUNT: usize = 8;
pub(super) const ARCOUNT: usize = 10;

/// Two octets, big-endian; `None` past the end.
pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

/// Four octets, big-endian; `None` past the end.
pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

/// Response code, the eight bits that EDNS adds included (RFC 6895 §2.3, RFC 6891 §6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// NOERROR.
    pub const NO_ERROR: Rcode = Rcode(0);
    /// FORMERR: the query does not parse.
    pub const FORM_ERR: Rcode = Rcode(1);
    /// SERVFAIL: no answer could be had.
    pub const SERV_FAIL: Rcode = Rcode(2);
    /// NXDOMAIN: the name does not exist.
    pub const NX_DOMAIN: Rcode = Rcode(3);
    /// NOTIMP: this kind of query is not served.
    pub const NOT_IMP: Rcode = Rcode(4);
    /// REFUSED: served, but not this.
    pub const REFUSED: Rcode = Rcode(5);
    /// BADVERS: an EDNS version above 0 (RFC 6891 §9).
    pub const BAD_VERS: Rcode = Rcode(16);
}

impl fmt::Display for Rcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NO_ERROR => "NOERROR",
            Self::FORM_ERR => "FORMERR",
            Self::SERV_FAIL => "SERVFAIL",
            Self::NX_DOMAIN => "NXDOMAIN",
            Self::NOT_IMP => "NOTIMP",
            Self::REFUSED => "REFUSED",
            Self::BAD_VERS => "BADVERS",
            Rcode(other) => return write!(formatter, "RCODE{other}"),
        };
        formatter.write_str(name)
    }
}
