//! The API server away, and the API server left alone.

use std::thread::sleep;
use std::time::Duration;

use super::failures::{note, under_load};
use crate::harness::{Cluster, NODES, calls, calls_since, holds, within};

/// A minute, and back without a restart.
pub(super) fn api_server_away(cluster: &Cluster) {
    let (policy, away) = (cluster.live(), Duration::from_secs(60));
    let before = cluster.agents();
    let outcomes = under_load(cluster, 75, |cluster| {
        cluster.expect(cluster.command(["apiserver", "stop"]));
        sleep(away);
        cluster.expect(cluster.command(["apiserver", "start"]));
    });
    for (node, outcome) in NODES.iter().zip(&outcomes) {
        note(cluster, "API server away for a minute", outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
        // Later Kubernetes may have CoreDNS stand in, as is told below.
        assert!(outcome.all_by_within("doorstep-", away), "{node}: {outcome:?}");
    }
    // Kubernetes takes nodes it has not heard for its own reasons to be gone, and their pods not ready, until the kubelets have said more.
    within(Duration::from_secs(180), "the same agents, ready", || {
        let agents = cluster.agents();
        holds(agents == before, || format!("{agents:?}"))
    });
    assert_eq!(cluster.live(), policy);
    cluster.switch("off");
    cluster.expect_no_policy();
    cluster.switch("on");
    cluster.live();
}

/// Reads at most, and few.
pub(super) fn quiet(cluster: &Cluster) {
    cluster.live();
    let settled = |cluster: &Cluster| {
        within(Duration::from_secs(30), "every agent sees it live", || {
            let live = cluster.agents().iter().all(|agent| cluster.standing(agent) == "live");
            holds(live, || cluster.why())
        });
    };
    settled(cluster);
    sleep(Duration::from_secs(5));
    let before = calls(cluster).len();
    sleep(Duration::from_secs(60));
    let calls = calls_since(cluster, before);
    let writes: Vec<_> = calls.iter().filter(|call| call.is_write()).collect();
    assert!(writes.is_empty(), "{writes:?}");
    cluster.note(&format!("A quiet minute of {} agents: {} reads, no writes.", NODES.len(), calls.len()));
    assert!(calls.len() <= 40 * NODES.len(), "{} calls in a minute: {calls:?}", calls.len());
}
