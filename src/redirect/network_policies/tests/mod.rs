//! Policies as people write them, and what becomes of DNS.

mod cures;
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Cluster, Destination, Finding, Groups, Kind, Labels, NetworkPolicy, Pod, Service, findings};
use crate::redirect::Protocol;

pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The objects of a file of the repository.
pub(super) fn documents(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    text.split("---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

pub(super) fn read(object: &Value) -> NetworkPolicy {
    let kind = match object["kind"].as_str().unwrap() {
        "NetworkPolicy" => Kind::NetworkPolicy,
        "CiliumNetworkPolicy" => Kind::CiliumNetworkPolicy,
        "CiliumClusterwideNetworkPolicy" => Kind::CiliumClusterwideNetworkPolicy,
        other => panic!("{other}"),
    };
    NetworkPolicy::read(kind, object).unwrap()
}

/// Namespaces and their labels.
pub(super) fn namespaces() -> BTreeMap<String, Labels> {
    let named = |name: &str, more: &[(&str, &str)]| {
        let mut all = labels(more);
        all.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
        (name.to_owned(), all)
    };
    BTreeMap::from([
        named("app", &[("team", "web")]),
        named("data", &[("team", "data")]),
        named("kube-system", &[]),
        named("monitoring", &[]),
    ])
}

const PODS: [(&str, &str, &str, &str); 7] = [
    ("app", "web-1", "app", "web"),
    ("app", "web-2", "app", "web"),
    ("app", "batch-1", "app", "batch"),
    ("data", "db-0", "app", "db"),
    ("monitoring", "prometheus-0", "app", "prometheus"),
    ("kube-system", "coredns-1", "k8s-app", "kube-dns"),
    ("kube-system", "doorstep-1", "app.kubernetes.io/name", "doorstep"),
];

fn joined(namespace: &str, own: &Labels) -> Labels {
    let namespaces = namespaces();
    Pod { name: "", namespace, labels: own, namespace_labels: &namespaces[namespace], service_account: "default" }.joined()
}

fn destination(own: &[(&str, &str)], port: u16) -> Destination {
    let ports = vec![("dns".to_owned(), port, Protocol::Udp), ("dns-tcp".to_owned(), port, Protocol::Tcp)];
    Destination { labels: joined("kube-system", &labels(own)), ports }
}

/// What is wrong in a small cluster with these policies, whose DNS is answered at this port.
pub(super) fn assess(policies: &[NetworkPolicy], port: u16) -> Vec<Finding> {
    let mut groups = Groups::new(policies);
    let namespaces = namespaces();
    for (namespace, name, key, value) in PODS {
        let own = labels(&[(key, value), ("pod-template-hash", name)]);
        groups.add(&Pod { name, namespace, labels: &own, namespace_labels: &namespaces[namespace], service_account: "default" });
    }
    assess_groups(policies, groups, port)
}

pub(super) fn assess_groups(policies: &[NetworkPolicy], groups: Groups, port: u16) -> Vec<Finding> {
    judged(policies, groups, port, findings)
}

/// Judges in that cluster.
pub(super) fn judged<T>(policies: &[NetworkPolicy], groups: Groups, port: u16, judge: impl FnOnce(&Cluster<'_>) -> T) -> T {
    let selector = labels(&[("k8s-app", "kube-dns")]);
    let service = Service { name: "kube-dns".to_owned(), namespace: "kube-system".to_owned(), labels: selector.clone(), selector };
    judge(&Cluster {
        policies,
        groups: &groups.into_groups(),
        kube_dns: &destination(&[("k8s-app", "kube-dns")], port),
        agents: &destination(&[("app.kubernetes.io/name", "doorstep")], port),
        services: &[service],
    })
}

/// One line a finding.
pub(super) fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let harm = serde_json::to_value(finding.harm).unwrap();
        let protocols: Vec<String> = finding.protocols.iter().map(ToString::to_string).collect();
        let policies: Vec<String> = finding.policies.iter().map(ToString::to_string).collect();
        let known = if finding.acknowledged { " acknowledged" } else { "" };
        format!("{}{known} {} by {}: {}", harm.as_str().unwrap(), protocols.join("+"), policies.join(", "), finding.pods.join(" "))
    };
    findings.iter().map(|finding| line(finding).trim_end_matches([':', ' ']).to_owned()).collect()
}
