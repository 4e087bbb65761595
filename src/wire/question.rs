//! What is asked: the key under which answers are cached and coalesced.

use std::borrow::Cow;

use hickory_proto::rr::RecordType;

use super::header::{CD, HEADER, RD};
use super::name::FoldedName;
use super::rtype::OPT;

/// The payload size we offer, to clients and upstream (RFC 9715 §3, DNS flag day 2020).
pub(super) const PAYLOAD: u16 = 1232;

/// Octets of an OPT without options (RFC 6891 §6.1.2).
const OPT_LENGTH: usize = 11;
/// The padding option: its code, the octets of code and length, and what queries are a multiple of (RFC 7830 §3, RFC 8467 §4.1).
const PADDING: u16 = 12;
const PADDING_HEAD: usize = 4;
const BLOCK: usize = 128;

/// Everything that tells one cached answer from another: folded qname, qtype, qclass, DO and CD (RFC 4035 §3.2, RFC 6840 §5.9).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Folded qname.
    pub name: FoldedName,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// DO: DNSSEC records wanted (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// CD: checking disabled.
    pub checking_disabled: bool,
}

/// What OPT a query of ours carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentOpt {
    /// None.
    Absent,
    /// One without options.
    Bare,
    /// One that fills the query up to a multiple of 128 octets (RFC 7830, RFC 8467 §4.1): for encrypted transports alone.
    Padded,
}

/// A query for an upstream: RD=1, CD from the key, folded qname; OPT, if any, with payload 1232 and DO from the key.
/// At most 384 octets.
pub fn encode_upstream_query(key: &Key, id: u16, opt: SentOpt) -> Vec<u8> {
    let name = key.name.as_wire();
    let least = HEADER + name.len() + 4 + if opt == SentOpt::Absent { 0 } else { OPT_LENGTH };
    let padding = (opt == SentOpt::Padded).then(|| (least + PADDING_HEAD).next_multiple_of(BLOCK) - least);
    let mut message = Vec::with_capacity(least + padding.unwrap_or_default());
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&[RD, if key.checking_disabled { CD } else { 0 }]);
    message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(opt != SentOpt::Absent)]);
    message.extend_from_slice(name);
    message.extend_from_slice(&key.qtype.to_be_bytes());
    message.extend_from_slice(&key.qclass.to_be_bytes());
    if opt != SentOpt::Absent {
        let [high, low] = PAYLOAD.to_be_bytes();
        let dnssec_ok = if key.dnssec_ok { 0x80 } else { 0 };
        let options = padding.unwrap_or_default() as u16;
        message.extend_from_slice(&[0, 0, OPT as u8, high, low, 0, 0, dnssec_ok, 0]);
        message.extend_from_slice(&options.to_be_bytes());
    }
    if let Some(padding) = padding {
        let octets = padding - PADDING_HEAD;
        message.extend_from_slice(&PADDING.to_be_bytes());
        message.extend_from_slice(&(octets as u16).to_be_bytes());
        message.resize(message.len() + octets, 0);
    }
    message
}

/// `A`, `AAAA`, `TYPE65280`: for logs.
pub fn qtype_text(qtype: u16) -> Cow<'static, str> {
    match RecordType::from(qtype) {
        RecordType::Unknown(code) => Cow::Owned(format!("TYPE{code}")),
        known => Cow::Owned(known.to_string()),
    }
}
