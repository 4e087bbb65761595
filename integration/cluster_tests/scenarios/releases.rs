//! Other releases of Cilium, each the real one in its place.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::failures::{note, under_load};
use crate::harness::{Cluster, NODES, OTHER_CILIUMS, Outcome, holds, throughout, within};

/// The one that the cluster starts with.
const SOUND: &str = "1.19.5";
/// One that goes on sending to agents that are not ready, and the newest that is known.
const HARMFUL: &str = OTHER_CILIUMS[0];
const NEWEST: &str = OTHER_CILIUMS[1];
/// For one of the agents to look.
const LOOKED: Duration = Duration::from_secs(150);

/// A redirect that stood when Cilium became harmful is taken back, and not created again until Cilium is sound.
pub(super) fn downgraded(cluster: &Cluster) {
    cluster.live();
    let begun = Instant::now();
    let mut taken_after = None;
    let mut outcomes = [const { Vec::new() }; NODES.len()];
    let mut load = |act: &dyn Fn(&Cluster)| {
        let now = under_load(cluster, 20, act);
        outcomes.iter_mut().zip(now).for_each(|(all, outcome)| all.push(outcome));
    };
    load(&|cluster| swap(cluster, HARMFUL));
    while taken_after.is_none() {
        assert!(begun.elapsed() < LOOKED, "no hold: {}", cluster.why());
        load(&|_| ());
        taken_after = cluster.policy().is_none().then(|| begun.elapsed());
    }
    let taken_after = taken_after.unwrap().as_secs();
    cluster.note(&format!("| Cilium {SOUND} became {HARMFUL} | policy taken back within | {taken_after} s |"));
    for (node, outcomes) in NODES.iter().zip(outcomes) {
        let outcome = Outcome::sum(outcomes);
        note(cluster, &format!("Cilium {SOUND} became {HARMFUL}"), &outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
    }
    let hold = cluster.data("doorstep-redirect-state")["hold"].as_str().unwrap_or_default().to_owned();
    assert!(hold.contains("Cilium 1.18.4 goes on sending to an agent that is not ready"), "{hold}");
    cluster.resume("while-harmful");
    within(LOOKED, "the reason", || {
        let told = cluster.agents().iter().any(|agent| cluster.reasons(agent).iter().any(|reason| reason.starts_with("cilium: ")));
        holds(told, || cluster.why())
    });
    throughout(Duration::from_secs(10), "no policy while Cilium is harmful", || cluster.policy().map_or(Ok(()), Err));
}

/// What accepting it means: an agent that dies, or never becomes ready, keeps its node's queries.
pub(super) fn accepted(cluster: &Cluster) {
    if !cluster.system(&["get", "daemonset", "cilium", "--output", "yaml"]).contains(HARMFUL) {
        cluster.live();
        swap(cluster, HARMFUL);
    }
    configure(cluster, &format!("redirect: {{accept_cilium: {HARMFUL}}}\n"));
    cluster.live();
    let [here, there] = under_load(cluster, 20, |cluster| cluster.signal(&cluster.agent(NODES[0]), "KILL"));
    note(cluster, &format!("`kill -9` of an agent, Cilium {HARMFUL}"), &here, "its node");
    assert!(here.lost() > 0 && here.answered_by("coredns-") == 0, "nobody stands in for it: {here:?}");
    assert_eq!(there.lost(), 0, "{there:?}");
    let [here, there] = under_load(cluster, 25, |cluster| {
        cluster.system(&["delete", "pod", &cluster.agent(NODES[0]).name, "--wait=false"]);
    });
    note(cluster, &format!("`kubectl delete pod`, Cilium {HARMFUL}"), &here, "its node");
    assert_eq!(there.lost(), 0, "{there:?}");
    cluster.live();
    never_ready(cluster);
    configure(cluster, "");
    swap(cluster, SOUND);
    cluster.resume("sound-again");
    within(LOOKED, "a policy", || cluster.policy().ok_or_else(|| cluster.why()));
    cluster.live();
}

/// A rollout to agents that cannot reach their upstream goes no further than the first node; what that costs there.
fn never_ready(cluster: &Cluster) {
    let outcomes = under_load(cluster, 30, |cluster| {
        cluster.system(&["set", "env", "daemonset/doorstep", "DOORSTEP_UPSTREAM=tcp://127.0.0.1:9"]);
    });
    let stuck = cluster.agents().into_iter().filter(|agent| !agent.ready).count();
    assert_eq!(stuck, 1, "a rollout goes no further than the first pod that is not ready: {:?}", cluster.agents());
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, &format!("a second pod that is never ready, Cilium {HARMFUL}, {} SERVFAIL", outcome.failed()), outcome, node);
    }
    assert!(outcomes.iter().any(|outcome| outcome.failed() > 0), "it gets no queries: {outcomes:?}");
    cluster.system(&["set", "env", "daemonset/doorstep", "DOORSTEP_UPSTREAM-"]);
    cluster.live();
}

/// Nothing changes for the better Cilium, and agents come and go without loss.
pub(super) fn upgraded(cluster: &Cluster) {
    let policy = cluster.live();
    let outcomes = under_load(cluster, 30, |cluster| swap(cluster, NEWEST));
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, &format!("Cilium {SOUND} became {NEWEST}"), outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
    }
    let [here, there] = under_load(cluster, 25, |cluster| {
        cluster.system(&["delete", "pod", &cluster.agent(NODES[0]).name, "--wait=false"]);
    });
    note(cluster, &format!("`kubectl delete pod`, Cilium {NEWEST}"), &here, "its node");
    assert_eq!(here.lost() + there.lost(), 0, "{here:?} {there:?}");
    assert_eq!(cluster.live(), policy, "a sound Cilium takes nothing");
    swap(cluster, SOUND);
    cluster.live();
}

/// The running Cilium of every node, and what DaemonSet cilium says it is.
fn swap(cluster: &Cluster, version: &str) {
    cluster.expect(cluster.command(["cilium", version]));
}

/// Adds to the configuration file of the base, and has agents start with it.
fn configure(cluster: &Cluster, more: &str) {
    let file = format!("cluster_domain: cluster.local\ncache: {{ size: 32MiB }}\nlog: {{ format: json }}\n{more}");
    let patch = serde_json::json!({ "data": { "doorstep.yaml": file } }).to_string();
    cluster.system(&["patch", "configmap", "doorstep", "--type", "merge", "--patch", &patch]);
    cluster.system(&["rollout", "restart", "daemonset/doorstep"]);
    cluster.system(&["rollout", "status", "daemonset/doorstep", "--timeout", "120s"]);
    sleep(Duration::from_secs(1));
}
