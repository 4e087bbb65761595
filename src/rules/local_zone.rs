//! Names answered at the node: by a rule, or because nobody else may be asked for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Decision, LocalContent, RuleAnswer};
use crate::wire::Name;
use crate::wire::rtype::{A, AAAA, ANY};

/// TTL in seconds where no rule says one: short, since the next reload may say otherwise.
const TTL: u32 = 30;

/// The names that stay at the node unless a rule or a zone claims them.
pub(super) fn built_in() -> impl Iterator<Item = (Name, RuleAnswer)> {
    // RFC 6761 §6.3, item 3.
    let loopback = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let names = [
        ("localhost", RuleAnswer::Addresses { addresses: loopback, ttl: TTL }),
        // RFC 6761 §6.4, RFC 7686 §2, RFC 9476 §2.
        ("invalid", RuleAnswer::NxDomain),
        ("onion", RuleAnswer::NxDomain),
        ("alt", RuleAnswer::NxDomain),
    ];
    names.into_iter().map(|(name, answer)| (Name::parse(name).expect("a plain label is a domain name"), answer))
}

/// One suffix and its answer.
pub(super) struct LocalZone {
    /// Octets of the suffix.
    length: u8,
    answer: RuleAnswer,
}

impl LocalZone {
    pub(super) fn new(suffix: &Name, answer: RuleAnswer) -> Self {
        // A name has at most 255 octets (RFC 1035 §2.3.4).
        Self { length: suffix.as_wire().len() as u8, answer }
    }

    pub(super) fn decide(&self, qtype: u16) -> Decision<'_> {
        let zone = self.length;
        match &self.answer {
            RuleAnswer::NxDomain => Decision::Local { content: LocalContent::NxDomain { zone }, ttl: TTL },
            RuleAnswer::Addresses { addresses, ttl } if addresses.iter().any(|address| is_asked(address, qtype)) => {
                Decision::Local { content: LocalContent::Addresses { all: addresses }, ttl: *ttl }
            }
            RuleAnswer::NoData | RuleAnswer::Addresses { .. } => Decision::Local { content: LocalContent::NoData { zone }, ttl: TTL },
        }
    }
}

fn is_asked(address: &IpAddr, qtype: u16) -> bool {
    qtype == ANY || qtype == if address.is_ipv4() { A } else { AAAA }
}
