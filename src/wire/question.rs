//! What is asked: the key under which answers are cached and coalesced.

use std::borrow::Cow;

use hickory_proto::rr::RecordType;

use super::header::{CD, RD};
use super::name::FoldedName;

/// QTYPE ANY (RFC 8482).
pub(super) const ANY: u16 = 255;

/// The payload size we offer, to clients and upstream (RFC 9715 §3, DNS flag day 2020).
pub(super) const PAYLOAD: u16 = 1232;

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

/// A query for an upstream: RD=1, CD from the key, folded qname; an OPT (payload 1232, DO from the key) only with `edns`.
/// At most 12 + 255 + 4 + 11 octets.
pub fn encode_upstream_query(key: &Key, id: u16, edns: bool) -> Vec<u8> {
    let name = key.name.as_wire();
    let mut message = Vec::with_capacity(12 + name.len() + 4 + 11);
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&[RD, if key.checking_disabled { CD } else { 0 }]);
    message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
    message.extend_from_slice(name);
    message.extend_from_slice(&key.qtype.to_be_bytes());
    message.extend_from_slice(&key.qclass.to_be_bytes());
    if edns {
        let [high, low] = PAYLOAD.to_be_bytes();
        let dnssec_ok = if key.dnssec_ok { 0x80 } else { 0 };
        message.extend_from_slice(&[0, 0, 41, high, low, 0, 0, dnssec_ok, 0, 0, 0]);
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
