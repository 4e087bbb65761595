//! Nodes with and without agents.

use std::time::Duration;

use super::failures::{note, under_load};
use crate::harness::{Cluster, NODES, OURS, holds, within};

/// The overlay for a rollout node pool by node pool, as it says it is used.
pub(super) fn node_pool_by_node_pool(cluster: &Cluster) {
    let policy = cluster.live();
    let [first, second] = NODES;
    cluster.kubectl(&["label", "nodes", first, second, "--overwrite", "doorstep.dev/node="]);
    cluster.apply_kustomization("manifests/overlays/node-pool");
    cluster.live();

    let outcomes = under_load(cluster, 45, |cluster| {
        cluster.kubectl(&["label", "nodes", second, "doorstep.dev/node-"]);
        within(Duration::from_secs(40), "one agent, and the other's pod gone", || {
            let pods = cluster.list("pods", OURS).len();
            holds(pods == 1, || format!("{pods} pods"))
        });
        let [with, without] = under_load(cluster, 5, |_| ());
        assert!(with.all_by("doorstep-"), "{with:?}");
        assert!(without.all_by("coredns-"), "{without:?}");
        cluster.kubectl(&["label", "nodes", second, "doorstep.dev/node="]);
        cluster.ready_agent(second);
    });
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, "a node pool loses its agents, and gets them again", outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
    }
    assert!(outcomes[0].all_by("doorstep-"), "{outcomes:?}");
    assert!(outcomes[1].answered_by("doorstep-") > 0 && outcomes[1].answered_by("coredns-") > 0, "{outcomes:?}");
    assert_eq!(cluster.policy(), Some(policy), "one policy for all nodes, with and without agents");
    cluster.install();
}
