//! Who answers.

use crate::harness::{Ask, Cluster, NODES};

/// UDP and TCP, IPv4 and IPv6, pods and hosts.
pub(super) fn of_the_same_node(cluster: &Cluster) {
    cluster.live();
    for node in NODES {
        let agent = cluster.ready_agent(node).name;
        for from in [Ask::from_pod_of(node), Ask::from_host(node)] {
            for ask in [from.clone(), from.clone().over_tcp(), from.clone().over_ipv6(), from.over_ipv6().over_tcp()] {
                let outcome = ask.outcome(cluster);
                assert!(outcome.all_by(&agent), "{ask:?}: expected all from {agent}: {outcome:?}");
            }
        }
    }
}

/// A question type that nothing else here asks.
pub(super) fn second_ask_is_a_hit(cluster: &Cluster) {
    cluster.live();
    let ask = Ask { name: "_dns._udp.kube-dns.kube-system.svc.cluster.local.", qtype: "SRV", ..Ask::from_pod_of(NODES[0]) };
    let before = cluster.coredns_queries("SRV");
    assert_eq!(ask.clone().at_rate(1).outcome(cluster).lost(), 0);
    assert_eq!(cluster.coredns_queries("SRV"), before + 1, "a miss is asked of CoreDNS once");
    assert_eq!(ask.outcome(cluster).answered_by("doorstep-"), 200);
    assert_eq!(cluster.coredns_queries("SRV"), before + 1, "a hit is not");
}
