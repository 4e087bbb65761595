//! Whom a group asks now: the servers that were configured, and those found behind them. An exchange that has begun ends with whom it
//! began; a server that stays keeps its connections and health.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Server;
use super::discovery::{Discovery, Heard, Twin, beside};
use super::endpoint::Endpoint;
use super::group::Shared;

/// Servers of one group beyond which the rest is not used: one bit each.
pub(super) const MOST_SERVERS: usize = 64;

/// A group's servers, as they come and go.
pub(super) struct Members {
    configured: Vec<Server>,
    /// The configured ones first.
    all: ArcSwap<Vec<Arc<Endpoint>>>,
    twin: Option<Twin>,
    /// Servers found that are asked at most.
    most: usize,
    discovery: Mutex<Discovery>,
    /// This group's own order of addresses: agents differ in it.
    ranks: ahash::RandomState,
}

/// Whom one exchange asks.
pub(super) struct Asked<'a> {
    pub(super) endpoints: Arc<Vec<Arc<Endpoint>>>,
    /// How many of them, from the first on, are configured.
    configured: usize,
    pub(super) shared: &'a Shared,
}

impl Asked<'_> {
    /// Those found behind the others, by bit. When one of them has failed, it is the others' turn: what is configured answers even when all pods
    /// have moved.
    pub(super) fn found(&self) -> u64 {
        u64::MAX.checked_shl(self.configured as u32).unwrap_or(0)
    }
}

impl Members {
    /// `most`: servers beside the configured ones.
    pub(super) fn new(mut configured: Vec<Server>, twin: Option<Twin>, most: usize) -> Self {
        configured.truncate(MOST_SERVERS);
        let all: Vec<_> = configured.iter().cloned().map(Endpoint::new).map(Arc::new).collect();
        Self {
            most: most.min(MOST_SERVERS - configured.len()),
            all: ArcSwap::from_pointee(all),
            configured,
            twin,
            discovery: Mutex::default(),
            ranks: ahash::RandomState::new(),
        }
    }

    /// The configured ones.
    pub(super) fn configured(&self) -> &[Server] {
        &self.configured
    }

    /// Those found behind the configured ones.
    pub(super) fn found(&self) -> Vec<Server> {
        self.all.load().iter().skip(self.configured.len()).map(|endpoint| endpoint.server().clone()).collect()
    }

    /// All of them, for one exchange.
    pub(super) fn asked<'a>(&self, shared: &'a Shared) -> Asked<'a> {
        Asked { endpoints: self.all.load_full(), configured: self.configured.len(), shared }
    }

    /// Whether none of them is known to answer.
    pub(super) fn all_fail(&self) -> bool {
        self.all.load().iter().all(|endpoint| endpoint.standing().is_failing())
    }

    /// Before a question: what is to be looked for now, if anything. Too old addresses are forgotten on the way.
    pub(super) fn due(&self) -> Option<&Twin> {
        let twin = self.twin.as_ref().filter(|_| !self.configured.is_empty())?;
        let failing = || self.all.load().iter().skip(self.configured.len()).any(|endpoint| endpoint.standing().is_failing());
        let due = self.discovery.lock().glance(Instant::now().into_std(), failing);
        if due.forget {
            self.replace(&[]);
        }
        due.look.then_some(twin)
    }

    /// After a look. Whether other servers are asked from now on.
    pub(super) fn learn(&self, heard: &Heard) -> bool {
        let news = self.discovery.lock().learn(heard, Instant::now().into_std(), rand::random());
        match (heard, &self.twin) {
            (Heard::Addresses(addresses, _), Some(twin)) if news => {
                self.replace(&beside(&self.configured, twin, addresses, self.most, |address| self.ranks.hash_one(address)))
            }
            _ => false,
        }
    }

    /// Connections to a server that goes end when nobody waits on them.
    fn replace(&self, found: &[Server]) -> bool {
        let known = self.all.load_full();
        let (configured, before) = known.split_at(self.configured.len());
        let kept = |server: &Server| before.iter().find(|endpoint| endpoint.server() == server).cloned();
        let next = found.iter().map(|server| kept(server).unwrap_or_else(|| Arc::new(Endpoint::new(server.clone()))));
        let next: Vec<_> = configured.iter().cloned().chain(next).collect();
        let changed = before.len() != found.len() || !found.iter().all(|server| kept(server).is_some());
        if changed {
            self.all.store(Arc::new(next));
        }
        changed
    }
}
