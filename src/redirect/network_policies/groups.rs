//! Pods that no policy can tell apart are one group.

use std::collections::{BTreeMap, BTreeSet};

use super::policy::NetworkPolicy;
use super::selector::{Labels, NAMESPACE, NAMESPACE_LABELS, SERVICE_ACCOUNT};

/// Pods named for each group, and for each finding.
pub(super) const NAMED: usize = 5;

/// A pod, as far as policies tell pods apart.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// Its namespace's labels.
    pub namespace_labels: &'a Labels,
    /// Its service account.
    pub service_account: &'a str,
}

impl Pod<'_> {
    /// All labels that policies may ask for, in one space of keys as Cilium has them.
    pub fn joined(&self) -> Labels {
        self.all().map(|(key, value)| (key, value.to_owned())).collect()
    }

    fn all(&self) -> impl Iterator<Item = (String, &str)> {
        let own = self.labels.iter().map(|(key, value)| (key.clone(), value.as_str()));
        let namespace = self.namespace_labels.iter().map(|(key, value)| (format!("{NAMESPACE_LABELS}{key}"), value.as_str()));
        own.chain(namespace).chain([(NAMESPACE.to_owned(), self.namespace), (SERVICE_ACCOUNT.to_owned(), self.service_account)])
    }
}

/// Pods that no policy can tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub(super) labels: Labels,
    /// Some of them, as `namespace/name`.
    pub(super) named: Vec<String>,
    /// How many there are.
    pub(super) count: usize,
}

/// The groups of a cluster. It grows with what policies ask for, not with the number of pods.
#[derive(Clone, Debug)]
pub struct Groups {
    keys: BTreeSet<String>,
    groups: BTreeMap<Labels, Members>,
}

#[derive(Clone, Debug, Default)]
struct Members {
    named: Vec<String>,
    count: usize,
}

impl Groups {
    /// No pods yet; these policies tell them apart.
    pub fn new(policies: &[NetworkPolicy]) -> Self {
        let mut keys = BTreeSet::from([NAMESPACE.to_owned()]);
        for policy in policies {
            policy.keys(&mut keys);
        }
        Self { keys, groups: BTreeMap::new() }
    }

    /// Adds a pod.
    pub fn add(&mut self, pod: &Pod<'_>) {
        let labels: Labels = pod.all().filter(|(key, _)| self.keys.contains(key)).map(|(key, value)| (key, value.to_owned())).collect();
        let members = self.groups.entry(labels).or_default();
        members.count += 1;
        if members.named.len() < NAMED {
            members.named.push(format!("{}/{}", pod.namespace, pod.name));
        }
    }

    /// Where pods may not be read: for each rule the pods that have no label more than it asks for, and a pod without labels, in each of
    /// these namespaces (name and labels) that it is about. Pods of several policies by several labels are not among them.
    pub fn imagined(policies: &[NetworkPolicy], namespaces: &BTreeMap<String, Labels>) -> Self {
        let mut groups = Self::new(policies);
        for policy in policies {
            // Most policies are about one namespace, and clusters have thousands.
            let only = policy.reference.namespace.as_ref();
            let (first, all) = (only.and_then(|name| namespaces.get_key_value(name)), only.is_none().then_some(namespaces));
            for (namespace, labels) in first.into_iter().chain(all.into_iter().flatten()) {
                groups.imagine(policy, namespace, labels);
            }
        }
        for (namespace, labels) in namespaces {
            groups.add_imagined(&Labels::new(), namespace, labels);
        }
        groups
    }

    /// The most groups that [`Groups::imagined`] can make of these: a rule of the cluster's is about every namespace.
    pub fn most_imagined(policies: &[NetworkPolicy], namespaces: usize) -> usize {
        let of_policy = |policy: &NetworkPolicy| policy.rules.len() * if policy.reference.namespace.is_some() { 1 } else { namespaces };
        policies.iter().map(of_policy).sum::<usize>() + namespaces
    }

    fn imagine(&mut self, policy: &NetworkPolicy, namespace: &str, namespace_labels: &Labels) {
        for rule in &policy.rules {
            let labels = rule.subject.example();
            let pod = imagined_pod(&labels, namespace, namespace_labels);
            if rule.is_about(&pod.joined()) {
                self.add_imagined(&labels, namespace, namespace_labels);
            }
        }
    }

    fn add_imagined(&mut self, labels: &Labels, namespace: &str, namespace_labels: &Labels) {
        let pod = imagined_pod(labels, namespace, namespace_labels);
        if !self.holds(&pod.joined()) {
            self.add(&pod);
        }
    }

    /// All groups.
    pub fn into_groups(self) -> Vec<Group> {
        self.groups.into_iter().map(|(labels, Members { named, count })| Group { labels, named, count }).collect()
    }

    fn holds(&self, joined: &Labels) -> bool {
        let projected: Labels =
            joined.iter().filter(|(key, _)| self.keys.contains(*key)).map(|(key, value)| (key.clone(), value.clone())).collect();
        self.groups.contains_key(&projected)
    }
}

fn imagined_pod<'a>(labels: &'a Labels, namespace: &'a str, namespace_labels: &'a Labels) -> Pod<'a> {
    Pod { name: "*", namespace, labels, namespace_labels, service_account: "default" }
}

/// The namespaces that policies are in or select by name, for whoever may not read namespaces.
pub fn namespaces(policies: &[NetworkPolicy]) -> BTreeSet<String> {
    let own = policies.iter().filter_map(|policy| policy.reference.namespace.clone());
    own.chain(policies.iter().flat_map(|policy| &policy.rules).flat_map(|rule| rule.subject.namespaces())).collect()
}
