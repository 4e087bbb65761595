//! A CoreDNS that was shrunk because the agents take its load away, and the load comes back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::failures::note;
use crate::harness::{Ask, Asking, Cluster, NODES, Outcome, within};

/// Queries a second from each node.
const RATE: u32 = 2000;
/// About a tenth of what CoreDNS needs to answer them all.
const LIMIT: &str = "cpu=20m";
/// A window of the drain, and all the time that is looked at without one.
const WINDOW: u32 = 30;

/// The same load, and the switch at once against the drain.
pub(super) fn off_against_drain(cluster: &Cluster) {
    cluster.live();
    cluster.system(&["set", "resources", "deployment/coredns", "--limits", LIMIT, "--requests", "cpu=1m"]);
    cluster.system(&["rollout", "status", "deployment/coredns", "--timeout", "180s"]);
    cluster.live();
    told(cluster, "on", || ask(cluster, &|_| ()));
    told(cluster, "`off`, the first half minute", || ask(cluster, &|cluster| cluster.switch("off")));
    back(cluster);
    let begun = Instant::now();
    cluster.switch("drain");
    let mut windows = Vec::new();
    while cluster.policy().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(400), "not drained: {}", cluster.why());
        let window = ask(cluster, &|_| ());
        told(cluster, &format!("`drain`, {} s on", begun.elapsed().as_secs()), || window.clone());
        windows.push(window);
    }
    let all = NODES.iter().enumerate().map(|(node, _)| Outcome::sum(windows.iter().map(|window| window[node].clone())));
    NODES.iter().zip(all).for_each(|(node, outcome)| note(cluster, "`drain`, all of it", &outcome, node));
    back(cluster);
    cluster.system(&["set", "resources", "deployment/coredns", "--limits", "cpu=1", "--requests", "cpu=100m"]);
}

fn ask(cluster: &Cluster, act: &dyn Fn(&Cluster)) -> [Outcome; 2] {
    let asking = NODES.map(|node| Ask::from_pod_of(node).at_rate(RATE).for_seconds(WINDOW).start(cluster));
    sleep(Duration::from_secs(1));
    act(cluster);
    asking.map(Asking::outcome)
}

fn told(cluster: &Cluster, when: &str, outcomes: impl FnOnce() -> [Outcome; 2]) {
    for (node, outcome) in NODES.iter().zip(outcomes()) {
        note(cluster, when, &outcome, node);
    }
}

fn back(cluster: &Cluster) {
    cluster.switch("on");
    within(Duration::from_secs(120), "a policy", || cluster.policy().ok_or_else(|| cluster.why()));
    cluster.live();
}
