//! What people do with the redirect.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::failures::{note, under_load};
use crate::harness::{Agent, Cluster, NODES, Outcome, holds, throughout, within};

/// Both ways, under load.
pub(super) fn off_and_on(cluster: &Cluster) {
    let first = cluster.live();
    let outcomes = under_load(cluster, 20, |cluster| {
        cluster.switch("off");
        cluster.expect_no_policy();
        // Cilium is given the time to notice.
        sleep(Duration::from_secs(3));
        cluster.switch("on");
    });
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, "switched off, and on again", outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
        assert!(outcome.answered_by("coredns-") > 0, "never off: {outcome:?}");
    }
    assert_ne!(cluster.live(), first);
}

/// The break-glass holds over restarts, says so, and is taken back.
pub(super) fn deleted_by_hand(cluster: &Cluster) {
    let first = cluster.live();
    let [here, there] = under_load(cluster, 10, |cluster| {
        cluster.system(&["delete", "clrp", "doorstep"]);
    });
    note(cluster, "`kubectl delete clrp doorstep`", &here, NODES[0]);
    assert_eq!(here.lost() + there.lost(), 0, "{here:?} {there:?}");
    let hold = within(Duration::from_secs(30), "a hold", || match cluster.data("doorstep-redirect-state")["hold"].as_str() {
        Some(hold) => Ok(hold.to_owned()),
        None => Err(cluster.why()),
    });
    assert!(hold.contains("deleted by hand"), "{hold}");
    cluster.system(&["rollout", "restart", "daemonset/doorstep"]);
    throughout(Duration::from_secs(5), "it stays gone", || cluster.policy().map_or(Ok(()), Err));
    cluster.system(&["rollout", "status", "daemonset/doorstep", "--timeout", "120s"]);
    throughout(Duration::from_secs(10), "it stays gone over restarts", || cluster.policy().map_or(Ok(()), Err));
    expect_told(cluster);
    cluster.resume("tested");
    assert_ne!(cluster.live(), first);
}

/// By `/status`, and by an Event, with the cure.
fn expect_told(cluster: &Cluster) {
    within(Duration::from_secs(20), "every agent says it is held", || {
        let pages: Vec<Value> =
            cluster.agents().iter().map(|agent| serde_json::from_str(&cluster.page(agent, "status")).unwrap()).collect();
        let held = pages.iter().all(|page| page["redirect"]["standing"] == "held" && page["redirect"]["cures"][0].is_string());
        holds(held, || cluster.why())
    });
    let events = cluster.system(&["get", "events.events.k8s.io", "--output", "jsonpath={range .items[*]}{.note}{\"\\n\"}{end}"]);
    assert!(events.lines().any(|note| note.contains("deleted by hand") && note.contains("doorstep.dev/resume")), "{events}");
}

/// Within the time that the operator gave, each node's queries go over to CoreDNS at a moment of their own.
pub(super) fn drained(cluster: &Cluster) {
    cluster.live();
    let begun = Instant::now();
    let said = cluster.expect(cluster.doorstep(&["redirect", "drain", "--over", "90s"]));
    assert!(said.contains("one by one within 1m 30s"), "{said}");
    let (left, outcomes) = scope(|scope| {
        // Watched all the while: who leaves last is away for a moment only before the policy goes.
        let leaving = scope.spawn(|| left_until_the_policy_goes(cluster, begun));
        let mut outcomes = [const { Vec::new() }; NODES.len()];
        while !leaving.is_finished() {
            outcomes.iter_mut().zip(under_load(cluster, 10, |_| ())).for_each(|(all, outcome)| all.push(outcome));
        }
        (leaving.join(), outcomes)
    });
    // Before anything is judged: the scenarios that follow want the redirect.
    cluster.switch("on");
    let left = left.unwrap_or_else(|failed| resume_unwind(failed));
    assert_eq!(left.len(), NODES.len(), "the policy went before the agents had left: {left:?}");
    for (node, outcomes) in NODES.iter().zip(outcomes) {
        let outcome = Outcome::sum(outcomes);
        note(cluster, "drained", &outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
        assert!(outcome.answered_by("coredns-") > 0, "never drained: {outcome:?}");
    }
    cluster.live();
}

/// The nodes whose agents said that they leave.
fn left_until_the_policy_goes(cluster: &Cluster, begun: Instant) -> BTreeSet<String> {
    let mut left = BTreeSet::new();
    let leaves = |agent: &Agent| {
        let page: Value = serde_json::from_str(&cluster.page(agent, "status")).unwrap();
        page["pending"]
            .as_array()
            .is_some_and(|pending| pending.iter().any(|held| held.as_str().is_some_and(|held| held.contains("draining"))))
    };
    let agents = cluster.agents();
    while cluster.policy().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(120), "not drained: {}", cluster.why());
        left.extend(agents.iter().filter(|agent| leaves(agent)).map(|agent| agent.node.clone()));
        sleep(Duration::from_millis(200));
    }
    assert!(begun.elapsed() >= Duration::from_secs(90), "drained before its time");
    left
}
