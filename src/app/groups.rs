//! Upstream groups made from the configuration. A group that a reload leaves as it was keeps its connections, health and counts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Queries;
use crate::resolve::Snapshot;
use crate::rules::Ruleset;
use crate::upstream::{Bounds, Group, GroupConfig, Metrics, Server};

/// Where the Service `kube-dns-upstream` answers.
const DNS_PORT: u16 = 53;

/// Makes snapshots, and remembers what of the last one can be used again. A cheap handle.
#[derive(Clone)]
pub(super) struct Groups(Arc<Memory>);

struct Memory {
    /// The process' own, shared by all groups, old and new.
    bounds: Arc<Bounds>,
    /// By name; a group that comes back goes on counting where it stopped.
    metrics: Mutex<BTreeMap<String, Arc<Metrics>>>,
    last: Mutex<Vec<(GroupConfig, Arc<Group>)>>,
    /// What the last snapshot was asked for.
    asked: Mutex<Option<Queries>>,
    /// The Service `kube-dns-upstream`, where the API server has told of it.
    found: Mutex<Option<IpAddr>>,
}

impl Groups {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Memory {
            bounds: Arc::new(bounds),
            metrics: Mutex::default(),
            last: Mutex::default(),
            asked: Mutex::default(),
            found: Mutex::default(),
        }))
    }

    /// The API server says that the Service `kube-dns-upstream` is at `address`. What follows of it, if anything does: a new snapshot.
    pub(super) fn found(&self, address: IpAddr, previous: &Ruleset) -> Option<Snapshot> {
        let changed = self.0.found.lock().replace(address) != Some(address);
        let asked = self.0.asked.lock().clone().filter(|asked| changed && asked.upstream_service)?;
        Some(self.snapshot(&asked, Some(previous)))
    }

    /// The snapshot that `queries` ask for. `previous`: the rules in force, whose zones keep their epochs where nothing changed.
    pub(super) fn snapshot(&self, queries: &Queries, previous: Option<&Ruleset>) -> Snapshot {
        *self.0.asked.lock() = Some(queries.clone());
        let queries = &self.with_found(queries.clone());
        let mut last = self.0.last.lock();
        let kept = |config: &GroupConfig| last.iter().find(|(known, _)| known == config).map(|(_, group)| Arc::clone(group));
        let next: Vec<(GroupConfig, Arc<Group>)> =
            queries.groups.iter().map(|config| (config.clone(), kept(config).unwrap_or_else(|| self.open(config)))).collect();
        let names: Vec<&str> = queries.groups.iter().map(|config| config.name.as_str()).collect();
        let changed: Vec<&str> = queries.groups.iter().filter(|config| kept(config).is_none()).map(|config| config.name.as_str()).collect();
        let rules = Ruleset::new(&queries.rules, &names, &changed, previous);
        let groups = next.iter().map(|(_, group)| Arc::clone(group)).collect();
        *last = next;
        Snapshot { rules, groups }
    }

    fn with_found(&self, mut queries: Queries) -> Queries {
        if let (true, Some(address), Some(default)) = (queries.upstream_service, *self.0.found.lock(), queries.groups.first_mut()) {
            default.servers = vec![Server::Tcp(SocketAddr::new(address, DNS_PORT))];
        }
        queries
    }

    /// Each group's name and counts, those of groups that are gone included: a counter never goes backwards.
    pub(super) fn metrics(&self) -> Vec<(String, Arc<Metrics>)> {
        self.0.metrics.lock().iter().map(|(name, metrics)| (name.clone(), Arc::clone(metrics))).collect()
    }

    fn open(&self, config: &GroupConfig) -> Arc<Group> {
        let metrics = Arc::clone(self.0.metrics.lock().entry(config.name.clone()).or_default());
        Group::new(config.clone(), Arc::clone(&self.0.bounds), metrics)
    }
}
