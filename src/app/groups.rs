//! Upstream groups made from the configuration. A group that a reload leaves as it was keeps its connections, health and counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Queries;
use crate::resolve::Snapshot;
use crate::rules::Ruleset;
use crate::upstream::{Bounds, Group, GroupConfig, Metrics};

/// Makes snapshots, and remembers what of the last one can be used again. A cheap handle.
#[derive(Clone)]
pub(super) struct Groups(Arc<Memory>);

struct Memory {
    /// The process' own, shared by all groups, old and new.
    bounds: Arc<Bounds>,
    /// By name; a group that comes back goes on counting where it stopped.
    metrics: Mutex<BTreeMap<String, Arc<Metrics>>>,
    last: Mutex<Vec<(GroupConfig, Arc<Group>)>>,
}

impl Groups {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Memory { bounds: Arc::new(bounds), metrics: Mutex::default(), last: Mutex::default() }))
    }

    /// The snapshot that `queries` ask for. `previous`: the rules in force, whose zones keep their epochs where nothing changed.
    pub(super) fn snapshot(&self, queries: &Queries, previous: Option<&Ruleset>) -> Snapshot {
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

    /// Each group's name and counts, those of groups that are gone included: a counter never goes backwards.
    pub(super) fn metrics(&self) -> Vec<(String, Arc<Metrics>)> {
        self.0.metrics.lock().iter().map(|(name, metrics)| (name.clone(), Arc::clone(metrics))).collect()
    }

    fn open(&self, config: &GroupConfig) -> Arc<Group> {
        let metrics = Arc::clone(self.0.metrics.lock().entry(config.name.clone()).or_default());
        Group::new(config.clone(), Arc::clone(&self.0.bounds), metrics)
    }
}
