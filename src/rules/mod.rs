//! What may be decided before any lookup: suffix rules, built-in local names, and which upstream group a zone goes to.

use std::net::IpAddr;

use crate::cache::Profile;
use crate::wire::{FoldedName, Name};

/// What happens to a name.
pub enum Decision<'a> {
    /// Answered at this node.
    Local {
        /// What the answer says.
        content: LocalContent<'a>,
        /// Its TTL in seconds.
        ttl: u32,
    },
    /// Looked up in this zone.
    Forward(&'a Zone),
}

/// What a rule answers.
pub enum LocalContent<'a> {
    /// NXDOMAIN; the SOA's owner is the last `zone` octets of the qname.
    NxDomain {
        /// Length in octets of the zone's wire name.
        zone: u8,
    },
    /// NODATA, with the same SOA.
    NoData {
        /// As above.
        zone: u8,
    },
    /// Addresses of the family asked; never empty.
    Addresses {
        /// In the configured order.
        all: &'a [IpAddr],
    },
}

/// A zone and where its misses go.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The zone's apex.
    pub name: Name,
    /// How its answers age.
    pub profile: Profile,
    /// Cluster lane (pipelined) or elastic lane.
    pub cluster: bool,
    /// Index of the upstream group.
    pub group: usize,
    /// See [`crate::cache::Epochs::zone`].
    pub epoch: u32,
}

/// An immutable snapshot; a reload swaps it whole.
pub struct Ruleset {}

impl Ruleset {
    /// The longest matching suffix wins among rules, then among zones; rules before zones. Never allocates.
    pub fn decide(&self, _name: &FoldedName, _qtype: u16, _qclass: u16) -> Decision<'_> {
        unimplemented!()
    }

    /// The zone a name lies in.
    pub fn zone(&self, _name: &FoldedName) -> &Zone {
        unimplemented!()
    }
}
