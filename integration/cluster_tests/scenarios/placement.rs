//! Nodes with and without agents.

use std::time::Duration;

use super::failures::{note, under_load};
use crate::harness::{Cluster, NODES, holds, within};

/// A rollout node pool by node pool is one of these at a time.
pub(super) fn node_without_agent(cluster: &Cluster) {
    let policy = cluster.live();
    place(cluster, "node1");
    within(Duration::from_secs(60), "one agent", || {
        let agents = cluster.agents();
        holds(agents.len() == 1 && agents[0].node == "node1" && agents[0].ready, || format!("{agents:?}"))
    });
    let [with, without] = under_load(cluster, 5, |_| ());
    assert!(with.all_by("doorstep-"), "{with:?}");
    assert!(without.all_by("coredns-"), "{without:?}");
    assert_eq!(cluster.policy(), Some(policy), "one policy for all nodes, with and without agents");

    let outcomes = under_load(cluster, 25, |cluster| {
        cluster.system(&["patch", "daemonset", "doorstep", "--patch", r#"{"spec":{"template":{"spec":{"affinity":null}}}}"#]);
        cluster.live();
    });
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, "the next node pool gets its agents", outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
    }
    assert!(outcomes[1].answered_by("doorstep-") > 0, "{outcomes:?}");
}

/// Agents on this node only, by affinity.
fn place(cluster: &Cluster, node: &str) {
    let patch = format!(
        r#"{{"spec":{{"template":{{"spec":{{"affinity":{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":[{{"matchExpressions":[{{"key":"kubernetes.io/hostname","operator":"In","values":["{node}"]}}]}}]}}}}}}}}}}}}}}"#
    );
    cluster.system(&["patch", "daemonset", "doorstep", "--patch", &patch]);
}
