//! What a zone allows its answers, and what must be unchanged for them to be used.

use std::time::Duration;

/// How a zone's answers age. Durations count in sixteenths of a second, rounded down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Cap on a positive answer's TTL.
    pub max_ttl: Duration,
    /// Cap on a negative answer's TTL (RFC 2308 §5).
    pub max_negative_ttl: Duration,
    /// How long after expiry an answer may still be served (RFC 8767 §5, the maximum stale timer).
    pub max_stale: Duration,
    /// An NXDOMAIN answers for every type of its name (RFC 2308 §5), not for the type alone that was asked.
    pub nxdomain_for_name: bool,
    /// First and longest time a failure is remembered (RFC 9520 §3.2); doubles between.
    pub failure: (Duration, Duration),
}

impl Profile {
    /// Names of the cluster: they change with every rollout, so nothing lives long, and a name that is missing is about to exist.
    pub const CLUSTER: Self = Self {
        max_ttl: Duration::from_secs(30),
        max_negative_ttl: Duration::from_secs(5),
        max_stale: Duration::from_secs(5 * 60),
        nxdomain_for_name: true,
        failure: (Duration::from_secs(1), Duration::from_secs(5)),
    };

    /// Everything else, with the timers RFC 8767 §5 recommends.
    pub const EXTERNAL: Self = Self {
        max_ttl: Duration::from_secs(3600),
        max_negative_ttl: Duration::from_secs(300),
        max_stale: Duration::from_secs(24 * 3600),
        nxdomain_for_name: true,
        failure: (Duration::from_secs(1), Duration::from_secs(5)),
    };

    /// What both allow, for an answer that belongs to two zones.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            max_ttl: self.max_ttl.min(other.max_ttl),
            max_negative_ttl: self.max_negative_ttl.min(other.max_negative_ttl),
            max_stale: self.max_stale.min(other.max_stale),
            nxdomain_for_name: self.nxdomain_for_name && other.nxdomain_for_name,
            failure: (self.failure.0.min(other.failure.0), self.failure.1.min(other.failure.1)),
        }
    }
}

/// What must be unchanged for an entry to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// Changes when a reload changes the zone's upstream group, rewrite or profile: voids every entry.
    pub zone: u32,
    /// Changes at the first success of the upstream group after an outage: voids failures and failure marks.
    pub outage: u32,
}
