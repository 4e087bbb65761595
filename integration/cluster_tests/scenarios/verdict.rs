//! Agents that do not get through to their upstream, alone or with everybody.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::failures::note;
use crate::harness::{Ask, Asking, Cluster, NODES, Outcome, holds, throughout, within};

/// A miss after 5 s at most, 15 s of attempts, 15 s that agents draw from, a question that is given up, a second look 5 s later; and the kubelet.
const LEFT: Duration = Duration::from_secs(75);
/// Until an agent has its upstream again and the kubelet knows.
const BACK: Duration = Duration::from_secs(20);

/// The path of one node is cut, and mended.
pub(super) fn one_node(cluster: &Cluster) {
    let policy = with_the_service_alone(cluster);
    let [cut, sound] = NODES;
    let load = Load::start(cluster, 80);
    let address = cluster.system(&["get", "service", "kube-dns-upstream", "--output", "jsonpath={.spec.clusterIP}"]);
    cluster.expect(cluster.command(["cut", cut, &address]));
    let after = left(cluster, &[cut], Instant::now());
    cluster.note(&format!("| a node's path to the upstream cut | not ready after | {:.1} s |", after.as_secs_f32()));
    assert!(cluster.agent(sound).ready, "the other node noticed");
    expect_stood_in(cluster, cut);
    cluster.expect(cluster.command(["mend", cut]));
    within(BACK, "the agent is back", || {
        let agent = cluster.agent(cut);
        holds(agent.ready, || pending(cluster, cut))
    });
    let [here, there] = load.outcomes();
    note(cluster, "a node's path to the upstream cut, and mended", &here, "its node");
    note(cluster, "meanwhile", &there, "another node");
    expect_nothing_lost(&here);
    expect_nothing_lost(&there);
    assert!(here.answered_by("coredns-") > 0, "nobody stood in: {here:?}");
    assert!(there.all_by("doorstep-"), "the other node noticed: {there:?}");
    cluster.apply_kustomization("manifests/base");
    assert_eq!(cluster.live(), policy, "one node without a way takes nothing from the others");
}

/// CoreDNS is away for everybody: nobody would answer whom agents left.
pub(super) fn coredns_away(cluster: &Cluster) {
    cluster.live();
    let looks = NODES.map(|node| looks(cluster, node));
    let load = Load::start(cluster, 55);
    cluster.system(&["scale", "deployment/coredns", "--replicas", "0"]);
    throughout(Duration::from_secs(42), "agents are ready", || {
        holds(cluster.agents().iter().all(|agent| agent.ready), || NODES.map(|node| pending(cluster, node)).concat())
    });
    for (node, before) in NODES.iter().zip(looks) {
        assert!(self::looks(cluster, node) > before, "{node}: stays without having looked");
    }
    cluster.system(&["scale", "deployment/coredns", "--replicas", "1"]);
    cluster.system(&["rollout", "status", "deployment/coredns", "--timeout", "60s"]);
    for (node, outcome) in NODES.iter().zip(load.outcomes()) {
        note(cluster, "CoreDNS at 0 replicas for 40 s", &outcome, node);
        expect_hardly_anything_lost(&outcome);
        assert_eq!(outcome.answered_by("doorstep-") + outcome.lost(), outcome.asked(), "{node}: {outcome:?}");
    }
    cluster.live();
}

/// The agents' Service is deleted, and made anew at another address.
pub(super) fn service_deleted(cluster: &Cluster) {
    with_the_service_alone(cluster);
    // What agents know by then they go on telling.
    NODES.iter().flat_map(|node| [Ask::from_pod_of(node), missing(node)]).for_each(|ask| drop(ask.for_seconds(1).outcome(cluster)));
    let hits = NODES.map(|node| Ask::from_pod_of(node).for_seconds(95).start(cluster));
    cluster.system(&["delete", "service", "kube-dns-upstream"]);
    let began = Instant::now();
    // A connection that stands outlives its Service, and goes on being used until nobody has asked for 8 s.
    sleep(Duration::from_secs(10));
    let misses = Load::start(cluster, 70);
    let [first, second] = NODES.map(|node| left(cluster, &[node], began));
    let last = first.max(second);
    cluster.note(&format!("| `kubectl delete service kube-dns-upstream` | all agents not ready after | {:.1} s |", last.as_secs_f32()));
    NODES.iter().for_each(|node| expect_stood_in(cluster, node));
    cluster.apply_kustomization("manifests/base");
    within(BACK, "agents are back", || {
        holds(cluster.agents().iter().all(|agent| agent.ready), || NODES.map(|node| pending(cluster, node)).concat())
    });
    let hits = hits.map(Asking::outcome);
    for ((node, hits), misses) in NODES.iter().zip(hits).zip(misses.outcomes()) {
        let outcome = Outcome::sum([hits, misses]);
        note(cluster, "the Service `kube-dns-upstream` deleted, and made anew", &outcome, node);
        expect_hardly_anything_lost(&outcome);
        assert!(outcome.answered_by("coredns-") > 0, "nobody stood in: {outcome:?}");
    }
    cluster.live();
}

/// Agents that know of CoreDNS' pods by nothing but the Service: its twin is not there. Returns the policy.
fn with_the_service_alone(cluster: &Cluster) -> String {
    cluster.live();
    cluster.system(&["delete", "service", "kube-dns-upstream-headless"]);
    cluster.system(&["rollout", "restart", "daemonset/doorstep"]);
    cluster.live()
}

/// For a name that is not there, a few times a second.
fn missing(node: &str) -> Ask<'static> {
    Ask { name: "no-such-name.default.svc.cluster.local.", ..Ask::from_pod_of(node) }.at_rate(5)
}

/// Queries from a pod of each node: 200 a second for a name that all know, and a few for one that is not there, which is not remembered
/// for longer than 5 s, so that agents go on asking their upstream.
struct Load([[Asking; 2]; 2]);

impl Load {
    fn start(cluster: &Cluster, seconds: u32) -> Self {
        let load = NODES.map(|node| {
            let asks = [Ask::from_pod_of(node), missing(node)];
            asks.map(|ask| ask.for_seconds(seconds).start(cluster))
        });
        sleep(Duration::from_secs(2));
        Self(load)
    }

    /// By node.
    fn outcomes(self) -> [Outcome; 2] {
        self.0.map(|asking| Outcome::sum(asking.map(Asking::outcome)))
    }
}

/// Waits until these nodes' agents have turned not ready for this very reason; how long that took since then.
fn left(cluster: &Cluster, nodes: &[&str], began: Instant) -> Duration {
    within(LEFT, "agents leave their clients to kube-dns", || {
        let waits: Vec<&&str> = nodes.iter().filter(|node| cluster.agent(node).ready).collect();
        holds(waits.is_empty(), || waits.iter().map(|node| cluster.page(&cluster.agent(node), "status")).collect())
    });
    let after = began.elapsed();
    for node in nodes {
        let pending = pending(cluster, node);
        assert!(pending.contains("upstream: this node does not get through to tcp://"), "{node}: {pending}");
    }
    after
}

/// Cilium follows readiness in its own time.
fn expect_stood_in(cluster: &Cluster, node: &str) {
    within(BACK, "kube-dns stands in", || {
        let outcome = Ask::from_pod_of(node).outcome(cluster);
        holds(outcome.all_by("coredns-"), || format!("{node}: {outcome:?}"))
    });
}

fn expect_nothing_lost(outcome: &Outcome) {
    assert_eq!((outcome.lost(), outcome.failed()), (0, 0), "{outcome:?}");
}

/// When a Service or its endpoints go, the nodes' kube-proxy forgets how queries were translated that wait just then, and their answers arrive
/// nowhere: a few at the moment itself.
fn expect_hardly_anything_lost(outcome: &Outcome) {
    assert_eq!(outcome.failed(), 0, "{outcome:?}");
    assert!(outcome.lost() * 500 < outcome.asked(), "{outcome:?}");
}

/// What the node's agent waits for.
fn pending(cluster: &Cluster, node: &str) -> String {
    let page: Value = serde_json::from_str(&cluster.page(&cluster.agent(node), "status")).unwrap();
    page["pending"].to_string()
}

/// How often the node's agent has looked for kube-dns' own pods.
fn looks(cluster: &Cluster, node: &str) -> u64 {
    let page = cluster.page(&cluster.agent(node), "metrics");
    let row = page.lines().find_map(|line| line.strip_prefix("doorstep_redirect_calls_total{call=\"endpoints\"} "));
    row.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no row of looks: {page}"))
}
