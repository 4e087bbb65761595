//! Nodes whose data path is broken: redirected queries are dropped on the way to the agent, which itself is well.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::failures::note;
use crate::harness::{Ask, Cluster, NODES, holds, throughout, within};

/// An agent asks every 8 s at the latest, then three times within 5 s.
const NOTICED: Duration = Duration::from_secs(20);
/// A minute and a quarter aside, then ready.
const BACK: Duration = Duration::from_secs(90);

/// Steps aside there and there alone, and comes back once the node is mended.
pub(super) fn one_node(cluster: &Cluster) {
    let policy = cluster.live();
    let [broken, sound] = NODES;
    within(Duration::from_secs(90), "a proof on each node", || {
        let live = NODES.map(|node| cluster.page(&cluster.agent(node), "metrics"));
        holds(live.iter().all(|page| proven(page, "ipv4", 1) && proven(page, "ipv6", 1)), || live.concat())
    });
    break_path(cluster, broken);
    let began = Instant::now();
    let elsewhere = Ask::from_pod_of(sound).at_rate(20).for_seconds(100).start(cluster);
    within(NOTICED, "the agent steps aside", || {
        let agent = cluster.agent(broken);
        holds(!agent.ready, || format!("{agent:?}"))
    });
    cluster.note(&format!("| a node's data path broken | stepped aside after | {:.1} s |", began.elapsed().as_secs_f32()));
    // Cilium follows readiness within a moment.
    sleep(Duration::from_secs(2));
    let stood_in = Ask::from_pod_of(broken).for_seconds(5).outcome(cluster);
    note(cluster, "while its agent is aside", &stood_in, "its node");
    assert!(stood_in.all_by("coredns-"), "{stood_in:?}");
    let page = cluster.page(&cluster.agent(broken), "metrics");
    assert!(proven(&page, "ipv4", 0) && page.contains("doorstep_redirect_step_asides_total 1"), "{page}");
    mend_path(cluster, broken);
    within(BACK, "the agent is back", || {
        let agent = cluster.agent(broken);
        holds(agent.ready, || format!("{agent:?}"))
    });
    sleep(Duration::from_secs(2));
    let back = Ask::from_pod_of(broken).for_seconds(2).outcome(cluster);
    assert!(back.all_by("doorstep-"), "{back:?}");
    let elsewhere = elsewhere.outcome();
    note(cluster, "meanwhile", &elsewhere, "another node");
    assert!(elsewhere.all_by("doorstep-"), "{elsewhere:?}");
    assert_eq!(cluster.live(), policy, "one bad node takes nothing from the others");
}

/// The policy goes, and stays away until a person resumes.
pub(super) fn every_node(cluster: &Cluster) {
    cluster.live();
    cluster.switch("off");
    cluster.expect_no_policy();
    NODES.iter().for_each(|node| break_path(cluster, node));
    cluster.switch("on");
    within(Duration::from_secs(40), "a policy", || cluster.policy().ok_or_else(|| cluster.why()));
    let began = Instant::now();
    let asking = NODES.map(|node| Ask::from_pod_of(node).for_seconds(30).start(cluster));
    within(Duration::from_secs(40), "a hold", || {
        let data = cluster.data("doorstep-redirect-state");
        holds(data["hold"].as_str().unwrap_or_default().contains("2 of 2 agents"), || format!("{data} {}", cluster.why()))
    });
    cluster.expect_no_policy();
    cluster.note(&format!("| every node's data path broken | policy taken back after | {:.1} s |", began.elapsed().as_secs_f32()));
    for (node, asking) in NODES.iter().zip(asking) {
        let outcome = asking.outcome();
        note(cluster, "every node's data path broken", &outcome, node);
        assert!(outcome.lost() < outcome.asked() / 2, "lost long after the agents have stepped aside: {outcome:?}");
    }
    NODES.iter().for_each(|node| mend_path(cluster, node));
    throughout(Duration::from_secs(10), "held", || cluster.policy().map_or(Ok(()), Err));
    cluster.resume("mended");
    cluster.live();
}

/// Whether the page says so of UDP and TCP.
fn proven(page: &str, family: &str, live: u8) -> bool {
    let says = |protocol| page.contains(&format!("doorstep_redirect_live{{protocol=\"{protocol}\",family=\"{family}\"}} {live}\n"));
    says("udp") && says("tcp")
}

fn break_path(cluster: &Cluster, node: &str) {
    cluster.expect(cluster.command(["break", node]));
}

fn mend_path(cluster: &Cluster, node: &str) {
    cluster.expect(cluster.command(["mend", node]));
}
