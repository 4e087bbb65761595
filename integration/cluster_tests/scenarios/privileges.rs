//! What the manifests grant, against what agents asked for in all scenarios before.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Cluster, NODES, OURS, calls};

/// Group, resource, verb, and the name where the grant is bound to one.
type Grant = (String, String, String, String);

/// Both ways.
pub(super) fn granted_and_used(cluster: &Cluster) {
    // More often than there are agents: one of them says the same Event twice.
    for _ in 0..=NODES.len() {
        cluster.live();
        cluster.switch("off");
        cluster.expect_no_policy();
        cluster.switch("on");
    }
    cluster.live();
    let calls = calls(cluster);
    let refused: BTreeSet<_> = calls.iter().filter(|call| call.status == 403).collect();
    assert!(refused.is_empty(), "asked for and not granted: {refused:?}");
    let granted = granted(cluster);
    assert!(granted.len() > 10, "{granted:?}");
    let used = |(group, resource, verb, name): &&Grant| {
        calls
            .iter()
            .any(|call| (&call.group, &call.resource, &call.verb) == (group, resource, verb) && (name.is_empty() || call.name == *name))
    };
    let unused: Vec<_> = granted.iter().filter(|grant| !used(grant)).collect();
    assert!(unused.is_empty(), "granted and never used: {unused:#?}");
}

fn granted(cluster: &Cluster) -> BTreeSet<Grant> {
    let roles = [cluster.list("roles", OURS), cluster.list("clusterroles", OURS)];
    let rules = roles.into_iter().flatten().flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default());
    rules.flat_map(|rule| grants(&rule)).collect()
}

fn grants(rule: &Value) -> Vec<Grant> {
    let texts =
        |key: &str| -> Vec<String> { rule[key].as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect() };
    let names = if rule["resourceNames"].is_array() { texts("resourceNames") } else { vec![String::new()] };
    let mut grants = Vec::new();
    for group in texts("apiGroups") {
        for resource in texts("resources") {
            for verb in texts("verbs") {
                grants.extend(names.iter().map(|name| (group.clone(), resource.clone(), verb.clone(), name.clone())));
            }
        }
    }
    grants
}
