//! What may be decided before any lookup: suffix rules, built-in local names, and which upstream group a zone goes to.
//!
//! Rules, zones and built-in names share one table of suffixes, and the longest that matches wins: a rule reaches down to the next
//! zone or rule that is configured below it. At the same name a rule goes before a zone, and both before what is built in.

mod config;
mod forward_zone;
mod local_zone;
mod suffix;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use config::{Config, RuleAnswer, RuleConfig, ZoneConfig};
pub use forward_zone::Zone;

use crate::wire::class::IN;
use crate::wire::{FoldedName, Name};
use forward_zone::ForwardZones;
use local_zone::LocalZone;
use suffix::SuffixMap;

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
#[derive(Debug, PartialEq, Eq)]
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
    /// Addresses, at least one of the family asked; ANY gets all (RFC 8482 §4.1 lets a server choose, and these are few).
    Addresses {
        /// In the configured order, both families.
        all: &'a [IpAddr],
    },
}

/// An immutable snapshot; a reload swaps it whole.
pub struct Ruleset {
    suffixes: SuffixMap<Apex>,
    locals: Vec<LocalZone>,
    zones: ForwardZones,
}

/// What begins at a name: indices of a local zone and of a forward zone.
#[derive(Default)]
struct Apex {
    local: Option<u32>,
    zone: Option<u32>,
}

impl Ruleset {
    /// `groups`: the upstream groups' names in the order of the snapshot, number 0 the default; `changed`: those of them whose servers
    /// differ from what `previous` was made for. Of two rules for one suffix, or two zones of one name, the last counts. A zone whose
    /// group is not among `groups` has no upstream.
    pub fn new(config: &Config, groups: &[&str], changed: &[&str], previous: Option<&Self>) -> Self {
        let zones = ForwardZones::new(config, groups, changed, previous.map(|previous| &previous.zones));
        let mut ruleset = Self { suffixes: SuffixMap::default(), locals: Vec::new(), zones };
        for (index, zone) in ruleset.zones.all().iter().enumerate() {
            // The root zone is where every search ends: no need to look for it.
            if zone.name.as_wire().len() > 1 {
                ruleset.suffixes.entry(&zone.name).zone = Some(index as u32);
            }
        }
        for rule in &config.rules {
            ruleset.add_local(&rule.suffix, rule.answer.clone());
        }
        for (name, answer) in local_zone::built_in() {
            let apex = ruleset.suffixes.entry(&name);
            if apex.local.is_none() && apex.zone.is_none() {
                ruleset.add_local(&name, answer);
            }
        }
        ruleset
    }

    fn add_local(&mut self, suffix: &Name, answer: RuleAnswer) {
        self.suffixes.entry(suffix).local = Some(self.locals.len() as u32);
        self.locals.push(LocalZone::new(suffix, answer));
    }

    /// The longest suffix wins; at the same name a rule before a zone. Rules are for class IN. Never allocates.
    #[inline]
    pub fn decide(&self, name: &FoldedName, qtype: u16, qclass: u16) -> Decision<'_> {
        let found = self.suffixes.longest(name, |apex| match (apex.local, apex.zone) {
            (Some(local), _) if qclass == IN => Some(self.locals[local as usize].decide(qtype)),
            (_, Some(zone)) => Some(Decision::Forward(self.zones.at(zone))),
            _ => None,
        });
        found.unwrap_or_else(|| Decision::Forward(self.zones.root()))
    }

    /// The zone a name lies in, whatever the rules say of it. Never allocates.
    pub fn zone(&self, name: &FoldedName) -> &Zone {
        self.suffixes.longest(name, |apex| apex.zone.map(|zone| self.zones.at(zone))).unwrap_or_else(|| self.zones.root())
    }

    /// All zones, built-in ones included, the root first.
    pub fn zones(&self) -> &[Zone] {
        self.zones.all()
    }
}
