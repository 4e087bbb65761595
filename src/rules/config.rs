//! What an operator says about names.

use std::net::IpAddr;

use crate::cache::Profile;
use crate::wire::Name;

/// Zones and rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Zones beside the built-in ones; one of the same name replaces the built-in one.
    pub zones: Vec<ZoneConfig>,
    /// Names answered at the node.
    pub rules: Vec<RuleConfig>,
    /// The cluster's domain, mostly `cluster.local.`.
    pub cluster_domain: Name,
}

/// A zone: its name and all below, up to the next zone.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneConfig {
    /// The apex.
    pub name: Name,
    /// Name of the upstream group that its misses go to.
    pub group: String,
    /// Answered from its upstream's memory, as cluster names are: questions are pipelined on few connections.
    pub cluster: bool,
    /// How its answers age.
    pub profile: Profile,
}

/// A name, and all below it that no longer rule or zone claims, answered at the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleConfig {
    /// The name.
    pub suffix: Name,
    /// What is answered.
    pub answer: RuleAnswer,
}

/// What a rule answers, in class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAnswer {
    /// NXDOMAIN, whatever the type.
    NxDomain,
    /// NODATA, whatever the type.
    NoData,
    /// The addresses of the family asked; NODATA where there is none of it, and for all other types but ANY.
    Addresses {
        /// In the order of the answer, which turns from query to query.
        addresses: Vec<IpAddr>,
        /// In seconds.
        ttl: u32,
    },
}
