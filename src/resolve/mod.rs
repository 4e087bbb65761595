//! The spine: one query, one walk, through rules, cache, coalescing and upstream.
//!
//! `memory` is the first half, a plain call that answers from rules and cache; `lookup` is the second, the wait for an upstream.

mod counters;
mod identity;
mod lookup;
mod loop_guard;
mod memory;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwap;

pub use counters::{Counters, Outcome};
pub use identity::Identity;
pub use loop_guard::LoopGuard;
pub use memory::Walk;

use lookup::Settled;

use crate::cache::Cache;
use crate::coalesce::{Inflight, Limits};
use crate::rules::Ruleset;
use crate::upstream::{FailureClass, Group};
use crate::wire::OwnedQuery;

/// TTL of a stale answer, in seconds (RFC 8767 §5.11 recommends 30).
pub const STALE_TTL: u32 = 30;

/// The largest reply over UDP, whatever the client offers (RFC 9715 §3, DNS flag day 2020).
pub const UDP_CAP: u16 = 1232;

/// Idle time-out told to TCP clients that ask, in units of 100 ms (RFC 7828 §3.1): what the listener grants.
pub const KEEPALIVE: u16 = 100;

/// What a configuration decides about queries; a reload swaps it whole.
pub struct Snapshot {
    /// Local answers and zones.
    pub rules: Ruleset,
    /// Upstream groups, at the index the zones name.
    pub groups: Vec<Arc<Group>>,
}

/// Answers queries. Cheap to clone; shared by all workers.
#[derive(Clone)]
pub struct Resolver(Arc<Core>);

/// A query that waits for an upstream, or a refresh that nobody waits for.
pub struct Pending {
    query: OwnedQuery,
    client: Client,
    /// A stale answer was there when the wait began.
    stale: bool,
    /// The client has its answer; this only renews it (prefetch).
    refresh: bool,
}

/// Who asked, as far as the walk cares.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Address and port.
    pub address: std::net::SocketAddr,
    /// Came over TCP: replies may have 65,535 octets.
    pub tcp: bool,
}

struct Core {
    snapshot: ArcSwap<Snapshot>,
    cache: Cache,
    inflight: Inflight<Settled>,
    identity: Identity,
    loop_guard: LoopGuard,
    counters: Counters,
    rotates: AtomicBool,
}

impl Resolver {
    /// Joins the rooms. `workers`: how many indices [`Resolver::answer`] and [`Resolver::look_up`] will be called with.
    pub fn new(snapshot: Snapshot, cache: Cache, limits: Limits, identity: Identity, workers: usize) -> Self {
        Self(Arc::new(Core {
            snapshot: ArcSwap::from_pointee(snapshot),
            cache,
            inflight: Inflight::new(limits, Settled::Failure(FailureClass::Abandoned.into())),
            identity,
            loop_guard: LoopGuard::default(),
            counters: Counters::new(workers),
            rotates: AtomicBool::new(true),
        }))
    }

    /// Puts a new configuration in force; queries already under way finish with the old one.
    pub fn replace(&self, snapshot: Snapshot) {
        self.0.snapshot.store(Arc::new(snapshot));
    }

    /// Whether the addresses of a name take turns from now on; they do unless told otherwise.
    pub fn rotate(&self, rotates: bool) {
        self.0.rotates.store(rotates, Relaxed);
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// Queries that wait for an upstream now, and questions being asked now.
    pub fn waiting(&self) -> (usize, usize) {
        (self.0.inflight.waiting(), self.0.inflight.questions())
    }

    /// The cache, for its sizes.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// What was answered, and how.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Finds out whether our queries come back to us.
    pub fn loop_guard(&self) -> &LoopGuard {
        &self.0.loop_guard
    }
}
