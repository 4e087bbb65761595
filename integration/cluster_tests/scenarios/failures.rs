//! Agents that go, under load.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Ask, Cluster, NODES, Outcome};

/// The kernel throws it out: nobody can drain.
pub(super) fn killed(cluster: &Cluster) {
    let [here, there] = under_load(cluster, 20, |cluster| cluster.signal(&cluster.agent(NODES[0]), "KILL"));
    note(cluster, "`kill -9` of an agent", &here, "its node");
    note(cluster, "", &there, "another node");
    assert!(here.answered_by("coredns-") > 0, "nobody stood in: {here:?}");
    assert!(here.answered_by("doorstep-") > 0, "it did not come back: {here:?}");
    assert!(here.lost() < here.asked() / 4, "lost long after the kubelet has seen it: {here:?}");
    assert_eq!(there.lost(), 0, "{there:?}");
    assert!(there.all_by("doorstep-"), "the other node noticed: {there:?}");
    cluster.live();
}

/// What a drain of its node does.
pub(super) fn deleted(cluster: &Cluster) {
    let [here, there] = under_load(cluster, 25, |cluster| {
        cluster.system(&["delete", "pod", &cluster.agent(NODES[0]).name, "--wait=false"]);
    });
    note(cluster, "`kubectl delete pod`", &here, "its node");
    assert_eq!(here.lost(), 0, "{here:?}");
    assert_eq!(there.lost(), 0, "{there:?}");
    cluster.live();
}

/// Every agent replaced, node after node.
pub(super) fn rolled_out(cluster: &Cluster) {
    let policy = cluster.live();
    let outcomes = under_load(cluster, 60, |cluster| {
        cluster.system(&["rollout", "restart", "daemonset/doorstep"]);
    });
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, "`kubectl rollout restart`", outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
        assert!(outcome.answered().keys().filter(|who| who.starts_with("doorstep-")).count() > 1, "not rolled out: {outcome:?}");
    }
    assert_eq!(cluster.live(), policy, "a rollout is no reason to make the policy anew");
}

/// Asks from pods of both nodes, and does it a second after they have begun.
pub(super) fn under_load(cluster: &Cluster, seconds: u32, act: impl FnOnce(&Cluster)) -> [Outcome; 2] {
    let asking = NODES.map(|node| Ask::from_pod_of(node).for_seconds(seconds).start(cluster));
    sleep(Duration::from_secs(1));
    act(cluster);
    asking.map(crate::harness::Asking::outcome)
}

/// What there is to tell of it.
pub(super) fn note(cluster: &Cluster, case: &str, outcome: &Outcome, whose: &str) {
    cluster.note(&outcome.row(case, whose));
}
