//! The end.

use std::time::Duration;

use super::failures::{note, under_load};
use crate::harness::{Cluster, NODES, holds, within};

/// `kubectl delete -k`, under load.
pub(super) fn nothing_left(cluster: &Cluster) {
    cluster.live();
    let outcomes = under_load(cluster, 30, Cluster::uninstall);
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, "`kubectl delete -k`", outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
        assert!(outcome.answered_by("coredns-") > 0, "{outcome:?}");
    }
    within(Duration::from_secs(40), "nothing left", || {
        let left = cluster.leftovers();
        holds(left.is_empty() && cluster.policy().is_none(), || left)
    });
}
