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
    last: Mutex<Vec<Known>>,
    /// What the last snapshot was asked for.
    asked: Mutex<Option<Queries>>,
    /// The Service `kube-dns-upstream`, where the API server has told of it.
    found: Mutex<Option<IpAddr>>,
}

/// A group of the last snapshot.
struct Known {
    /// As the configuration has it: while it stays the same, what the group said does too.
    asked: GroupConfig,
    /// With the address of the Service `kube-dns-upstream` as it was known: while it stays the same, so does the group.
    made: GroupConfig,
    group: Arc<Group>,
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

    /// The snapshot that `queries` ask for. `previous`: the rules in force, whose zones keep their epochs where nothing changed. A Service
    /// that was made anew at another address is the same upstream: what it said stays known.
    pub(super) fn snapshot(&self, queries: &Queries, previous: Option<&Ruleset>) -> Snapshot {
        *self.0.asked.lock() = Some(queries.clone());
        let mut last = self.0.last.lock();
        let changed: Vec<&str> = queries
            .groups
            .iter()
            .filter(|asked| last.iter().all(|known| known.asked != **asked))
            .map(|asked| asked.name.as_str())
            .collect();
        let names: Vec<&str> = queries.groups.iter().map(|config| config.name.as_str()).collect();
        let rules = Ruleset::new(&queries.rules, &names, &changed, previous);
        let made = self.with_found(queries);
        let kept = |made: &GroupConfig| last.iter().find(|known| known.made == *made).map(|known| Arc::clone(&known.group));
        let known = |(asked, made): (&GroupConfig, GroupConfig)| {
            let group = kept(&made).unwrap_or_else(|| self.open(&made));
            Known { asked: asked.clone(), made, group }
        };
        let next: Vec<Known> = queries.groups.iter().zip(made).map(known).collect();
        let groups = next.iter().map(|known| Arc::clone(&known.group)).collect();
        *last = next;
        Snapshot { rules, groups }
    }

    /// The groups as they are made: the first at the Service, where that is asked for and found.
    fn with_found(&self, queries: &Queries) -> Vec<GroupConfig> {
        let mut groups = queries.groups.clone();
        if let (true, Some(address), Some(default)) = (queries.upstream_service, *self.0.found.lock(), groups.first_mut()) {
            default.servers = vec![Server::Tcp(SocketAddr::new(address, DNS_PORT))];
        }
        groups
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;
    use crate::upstream::{Timing, Trust};
    use crate::wire::Name;

    /// As the file has it that names no upstream, or this one.
    fn queries(servers: &[&str]) -> Queries {
        let servers: Vec<Server> = servers.iter().map(|server| Server::Tcp(server.parse().unwrap())).collect();
        let upstream_service = servers.is_empty();
        let default =
            GroupConfig { name: "default".to_owned(), servers, endpoints: None, trust: Trust::default(), timing: Timing::default() };
        let rules = rules::Config { zones: Vec::new(), rules: Vec::new(), cluster_domain: Name::parse("cluster.local").unwrap() };
        Queries { groups: vec![default], upstream_service, rules, rotate: true }
    }

    fn epoch(snapshot: &Snapshot) -> u32 {
        snapshot.rules.zone(&(&Name::parse("a.svc.cluster.local").unwrap()).into()).epoch
    }

    #[test]
    fn a_service_made_anew_elsewhere_is_asked_there_and_what_it_said_stays_known() {
        let groups = Groups::new(Bounds::default());
        let first = groups.snapshot(&queries(&[]), None);
        let found = groups.found("10.96.0.20".parse().unwrap(), &first.rules).unwrap();
        assert!(groups.found("10.96.0.20".parse().unwrap(), &found.rules).is_none(), "nothing new");
        let moved = groups.found("10.96.0.21".parse().unwrap(), &found.rules).unwrap();
        assert_eq!(moved.groups[0].servers(), [Server::Tcp("10.96.0.21:53".parse().unwrap())]);
        assert_eq!((epoch(&found), epoch(&moved)), (epoch(&first), epoch(&first)));
        assert_ne!(moved.groups[0].outage_epoch(), found.groups[0].outage_epoch(), "what failed there may not fail here");
    }

    #[test]
    fn what_another_upstream_said_is_forgotten_and_one_that_stays_keeps_its_group() {
        let groups = Groups::new(Bounds::default());
        let service = groups.snapshot(&queries(&[]), None);
        let named = groups.snapshot(&queries(&["192.0.2.1:53"]), Some(&service.rules));
        assert_ne!(epoch(&named), epoch(&service));
        let again = groups.snapshot(&queries(&["192.0.2.1:53"]), Some(&named.rules));
        assert_eq!(epoch(&again), epoch(&named));
        assert!(Arc::ptr_eq(&again.groups[0], &named.groups[0]));
        assert!(groups.found("10.96.0.20".parse().unwrap(), &again.rules).is_none(), "the Service is not asked");
    }
}
