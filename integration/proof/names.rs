//! Names that say their own answer, so that a wrong one is seen.

use std::net::Ipv4Addr;

/// Answered from the upstream's memory: doorstep pipelines them.
pub(crate) const CLUSTER: &str = "proof.svc.cluster.local.";
/// The same with a TTL of 1 s.
pub(crate) const BRIEF: &str = "brief.svc.cluster.local.";
/// Of the rest of the world, well served.
pub(crate) const OUTSIDE: &str = "proof.example.";
/// The same with a TTL of 1 s.
pub(crate) const BRIEF_OUTSIDE: &str = "brief.example.";
/// Each takes 2 s.
pub(crate) const SLOW: &str = "slow.example.";
/// Each takes longer than anybody waits.
pub(crate) const NEVER: &str = "never.example.";

/// The name of this number.
pub(crate) fn name(number: u32, zone: &str) -> String {
    let [_, high, middle, low] = number.to_be_bytes();
    format!("q-{high}-{middle}-{low}.{zone}")
}

/// What that name has for an address.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    let [_, high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(10, high, middle, low)
}

/// The address that a question's first label asks for; `None`: it is none of these names.
pub(crate) fn address_of(question: &[u8]) -> Option<Ipv4Addr> {
    let (length, rest) = question.split_first()?;
    let label = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
    let mut octets = label.strip_prefix("q-")?.split('-').map(|octet| octet.parse::<u8>().ok());
    Some(Ipv4Addr::new(10, octets.next()??, octets.next()??, octets.next()??))
}
