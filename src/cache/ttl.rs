//! Time as entries store it, and how long an answer lives.

use super::Profile;
use crate::wire::{Answer, Kind};
use std::time::{Duration, Instant};

/// Ticks in a second. Fine enough for the last tenth of a TTL of one second; 32 bits of them last eight years, after which
/// everything counts as expired.
const TICKS_PER_SECOND: u32 = 16;

const NANOSECONDS_PER_TICK: u32 = 1_000_000_000 / TICKS_PER_SECOND;

/// A point in time or a span, in ticks since the cache was born.
pub(super) type Ticks = u32;

/// The span, rounded down.
pub(super) fn span(duration: Duration) -> Ticks {
    let ticks = duration.as_secs().saturating_mul(u64::from(TICKS_PER_SECOND)) + u64::from(duration.subsec_nanos() / NANOSECONDS_PER_TICK);
    Ticks::try_from(ticks).unwrap_or(Ticks::MAX)
}

/// The point in time, rounded down.
pub(super) fn point(born: Instant, now: Instant) -> Ticks {
    span(now.saturating_duration_since(born))
}

/// Whole seconds of a live entry's rest, rounded down, but never 0: a client would not cache that at all (RFC 1035 §3.2.1).
pub(super) fn whole_seconds(rest: Ticks) -> u32 {
    (rest / TICKS_PER_SECOND).max(1)
}

/// The times of an answer to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The capped TTL.
    pub(super) ttl: Ticks,
    /// End of the TTL.
    pub(super) expires: Ticks,
    /// End of serve-stale.
    pub(super) stale_until: Ticks,
}

impl Life {
    /// `None` for an answer that is for its own transaction only (TTL 0: RFC 1035 §3.2.1).
    pub(super) fn of(answer: &Answer, profile: &Profile, now: Ticks) -> Option<Self> {
        let upstream = answer.ttl.saturating_mul(TICKS_PER_SECOND);
        let (ttl, stale) = match answer.kind {
            Kind::Positive => (upstream.min(span(profile.max_ttl)), span(profile.max_stale)),
            Kind::NoData | Kind::NxDomain if answer.has_soa => (upstream.min(span(profile.max_negative_ttl)), span(profile.max_stale)),
            // RFC 2308 §5: without an SOA it should not be cached. As long as a failure is remembered, it is, or a
            // broken zone costs an exchange a query (the spirit of RFC 9520 §3.2); it is never served stale.
            Kind::NoData | Kind::NxDomain => (span(profile.failure.0), 0),
        };
        let expires = now.saturating_add(ttl);
        (ttl > 0).then_some(Self { ttl, expires, stale_until: expires.saturating_add(stale) })
    }
}

/// How long failure number `failures` (from 1) in a row is remembered.
pub(super) fn failure_span((first, longest): (Duration, Duration), failures: u8) -> Ticks {
    let doublings = u32::from(failures.saturating_sub(1)).min(16);
    span(first).max(1).saturating_mul(1 << doublings).min(span(longest).max(1))
}
