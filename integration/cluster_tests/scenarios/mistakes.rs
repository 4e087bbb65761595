//! What goes wrong by hand: a policy that stands already is taken back, and none is created until it is put right.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::failures::note;
use crate::harness::{Ask, Asking, Cluster, NODES, OURS, holds, throughout, within};

/// A gate that all agents find shut is looked at by one of them every 10 s or so.
const LOOKED: Duration = Duration::from_secs(150);

struct Mistake {
    /// As the table of losses names it.
    what: &'static str,
    /// The gate that shuts.
    gate: &'static str,
    make: fn(&Cluster),
    undo: fn(&Cluster),
    /// Who answers once the policy is gone.
    then: &'static str,
}

/// The pods call their ports otherwise than the Service does.
pub(super) fn port_names(cluster: &Cluster) {
    taken_back_and_refused(
        cluster,
        &Mistake {
            what: "pods whose ports have other names",
            gate: "ports",
            make: |cluster| name_ports(cluster, "udp-53", "tcp-53"),
            undo: |cluster| name_ports(cluster, "dns", "dns-tcp"),
            then: "coredns-",
        },
    );
}

/// The pods do not say what they listen on.
pub(super) fn undeclared_ports(cluster: &Cluster) {
    taken_back_and_refused(
        cluster,
        &Mistake {
            what: "pods that declare no port for DNS",
            gate: "ports",
            make: |cluster| edit(cluster, &format!(r#"{{"op":"remove","path":"{PORT}"}},{{"op":"remove","path":"{PORT}"}}"#)),
            undo: |cluster| {
                let port = |name, protocol| {
                    let value = format!(r#"{{"name":"{name}","containerPort":53,"protocol":"{protocol}"}}"#);
                    format!(r#"{{"op":"add","path":"{PORT}","value":{value}}}"#)
                };
                edit(cluster, &format!("{},{}", port("dns-tcp", "TCP"), port("dns", "UDP")));
            },
            then: "coredns-",
        },
    );
}

/// The Service has two families, the agents answer one: a node's own trouble, which takes nothing from the others.
pub(super) fn one_family(cluster: &Cluster) {
    let policy = cluster.live();
    let asking = NODES.map(|node| Ask::from_pod_of(node).over_ipv6().for_seconds(30).start(cluster));
    cluster.system(&["set", "env", "daemonset/doorstep", "DOORSTEP_LISTEN=0.0.0.0:53"]);
    let unready = |cluster: &Cluster, count| {
        within(Duration::from_secs(40), "agents that are not ready for want of IPv6", || {
            let agents = cluster.agents().into_iter().filter(|agent| cluster.runs(agent));
            let pages = agents.map(|agent| cluster.page(&agent, "status")).filter(|page| page.contains("\"families: "));
            holds(pages.count() == count, || cluster.why())
        });
    };
    unready(cluster, 1);
    for (node, outcome) in NODES.iter().zip(asking.map(Asking::outcome)) {
        note(cluster, "a rollout to agents without IPv6, asked over IPv6", &outcome, node);
        assert_eq!(outcome.lost(), 0, "{node}: {outcome:?}");
        assert!(outcome.all_by("doorstep-"), "{node}: {outcome:?}");
    }
    assert_eq!(cluster.policy(), Some(policy), "the old agents go on");
    cluster.system(&["delete", "pods", "--selector", OURS]);
    unready(cluster, NODES.len());
    sleep(Duration::from_secs(2));
    for node in NODES {
        let outcome = Ask::from_pod_of(node).over_ipv6().outcome(cluster);
        assert!(outcome.all_by("coredns-"), "{node}: {outcome:?}");
    }
    cluster.switch("off");
    cluster.expect_no_policy();
    cluster.switch("on");
    throughout(Duration::from_secs(8), "no policy from agents without IPv6", || cluster.policy().map_or(Ok(()), Err));
    cluster.system(&["set", "env", "daemonset/doorstep", "DOORSTEP_LISTEN-"]);
    cluster.live();
}

/// Somebody has a policy for the Service already, or makes one.
pub(super) fn second_policy(cluster: &Cluster) {
    taken_back_and_refused(
        cluster,
        &Mistake {
            what: "a second policy for the Service",
            gate: "rival",
            make: |cluster| {
                let ours = cluster.expect(cluster.doorstep(&["render", "policy"]));
                let (_, spec) = ours.split_once("\nspec:").unwrap();
                cluster.apply(&format!(
                    "apiVersion: cilium.io/v2\nkind: CiliumLocalRedirectPolicy\nmetadata: {{name: zz-rival, namespace: kube-system}}\nspec:{spec}"
                ));
            },
            undo: |cluster| drop(cluster.system(&["delete", "clrp", "zz-rival"])),
            // By the other policy; agents may delete none but their own.
            then: "doorstep-",
        },
    );
}

/// The first port of the agents' container.
const PORT: &str = "/spec/template/spec/containers/0/ports/0";

fn name_ports(cluster: &Cluster, udp: &str, tcp: &str) {
    let second = PORT.replace("ports/0", "ports/1");
    edit(
        cluster,
        &format!(r#"{{"op":"replace","path":"{PORT}/name","value":"{udp}"}},{{"op":"replace","path":"{second}/name","value":"{tcp}"}}"#),
    );
}

fn edit(cluster: &Cluster, operations: &str) {
    cluster.system(&["patch", "daemonset", "doorstep", "--type", "json", "--patch", &format!("[{operations}]")]);
}

fn taken_back_and_refused(cluster: &Cluster, mistake: &Mistake) {
    cluster.live();
    taken_back(cluster, mistake);
    settle(cluster);
    cluster.resume(mistake.what);
    refused(cluster, mistake);
    (mistake.undo)(cluster);
    settle(cluster);
    within(LOOKED, "a policy", || cluster.policy().ok_or_else(|| cluster.why()));
    cluster.live();
}

/// The policy goes by a hold that names the gate, and clients are answered from then on.
fn taken_back(cluster: &Cluster, mistake: &Mistake) {
    let asking = NODES.map(|node| Ask::from_pod_of(node).for_seconds(40).start(cluster));
    sleep(Duration::from_secs(1));
    let begun = Instant::now();
    (mistake.make)(cluster);
    within(LOOKED, "a hold", || {
        let state = cluster.data("doorstep-redirect-state");
        holds(state["hold"].as_str().unwrap_or_default().contains(&format!("\"reason\":\"{}: ", mistake.gate)), || cluster.why())
    });
    cluster.expect_no_policy();
    cluster.note(&format!("| {} | policy taken back after | {:.1} s |", mistake.what, begun.elapsed().as_secs_f32()));
    // Cilium follows within a moment.
    sleep(Duration::from_secs(2));
    for node in NODES {
        let after = Ask::from_pod_of(node).outcome(cluster);
        assert!(after.all_by(mistake.then), "{}: {after:?}", mistake.what);
    }
    for (node, outcome) in NODES.iter().zip(asking.map(Asking::outcome)) {
        note(cluster, mistake.what, &outcome, node);
        assert!(outcome.lost() < outcome.asked() / 2, "{}: {outcome:?}", mistake.what);
    }
}

/// No policy comes, and agents name the gate.
fn refused(cluster: &Cluster, mistake: &Mistake) {
    within(LOOKED, "the gate's reason", || {
        let told = cluster.agents().iter().any(|agent| cluster.reasons(agent).iter().any(|reason| reason.starts_with(mistake.gate)));
        holds(told, || cluster.why())
    });
    throughout(Duration::from_secs(8), mistake.what, || cluster.policy().map_or(Ok(()), Err));
}

/// Waits until every agent is of the newest template.
fn settle(cluster: &Cluster) {
    cluster.system(&["rollout", "status", "daemonset/doorstep", "--timeout", "120s"]);
}
