//! The pods behind an upstream Service, and an upstream whose own upstream takes no TCP.

use std::net::{SocketAddr, UdpSocket};
use std::thread::{scope, spawn};

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, eventually, seconds};

/// Asks for this many names that nobody asked for before, in pairs: those that were not answered.
fn ask_new_names(doorstep: &Doorstep, label: &str, count: usize) -> Vec<String> {
    let ask = |part: usize| {
        let client = doorstep.udp();
        let ask = |number| {
            let reply = client.try_ask(&a(&format!("{label}-{part}-{number}.shop.svc.cluster.local.")));
            reply.as_ref().is_none_or(|reply| reply.addresses().len() != 1).then(|| format!("{reply:?}"))
        };
        (0..count / 2).filter_map(ask).collect::<Vec<_>>()
    };
    scope(|scope| {
        let clients = [scope.spawn(move || ask(0)), scope.spawn(move || ask(1))];
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn endpoints(doorstep: &Doorstep) -> usize {
    doorstep.status()["upstreams"][0]["endpoints"].as_array().unwrap().len()
}

#[test]
fn pods_behind_a_service_are_asked_and_one_that_dies_or_hangs_costs_no_query() {
    let stage = Stage::alone();
    let (service, mut pods) = CoreDns::start_with_pods(&stage, 2);
    let yaml = format!("upstreams:\n  default: {{ servers: [\"{}\"], endpoints: {} }}\n", service.tcp(), CoreDns::PODS);
    let file = stage.file("doorstep.yaml", &yaml);
    let doorstep = Doorstep::with(&["--config", file.to_str().unwrap()]).ready();
    eventually("the pods are found", seconds(10), || endpoints(&doorstep) == 2);

    assert_eq!(ask_new_names(&doorstep, "well", 1_000), [""; 0]);
    for pod in &pods {
        assert!(pod.asked_below("shop.svc.cluster.local.") > 0, "all share what is asked");
    }

    pods[0].stop();
    assert_eq!(ask_new_names(&doorstep, "dead", 1_000), [""; 0]);
    pods[1].freeze();
    assert_eq!(ask_new_names(&doorstep, "hung", 1_000), [""; 0]);
    assert!(doorstep.metric("doorstep_upstream_hedged_total") >= 1.0, "nobody waits for one that hangs");
}

/// Answers whatever it is asked over UDP, and takes no TCP, as long as the test runs.
fn without_tcp() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    spawn(move || {
        let mut query = [0; 1_232];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            // One address for the qname, whatever else the query had.
            let end = 12 + query[12..length].iter().position(|octet| *octet == 0).unwrap() + 5;
            let mut reply = query[..end].to_vec();
            reply[2] |= 0x80;
            reply[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 99]);
            drop(socket.send_to(&reply, client));
        }
    });
    address
}

#[test]
fn where_external_names_fail_over_tcp_alone_they_go_over_udp_and_everybody_is_told() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start_before(&stage, without_tcp());
    let doorstep = Doorstep::before(&coredns);
    let reply = doorstep.ask(&a("www.away.example."));
    assert_eq!((reply.rcode(), reply.addresses().len()), (Rcode::NoError, 1));
    assert_eq!(doorstep.status()["upstreams"][0]["external_over"], "udp");
    doorstep.says("set `prefer_udp` in CoreDNS' forward block");
    assert_eq!(doorstep.ask(&a("web.shop.svc.cluster.local.")).addresses().len(), 1);
    let over = |transport: &str, name: &str| coredns.asked_over(transport, name);
    assert_eq!((over("udp", "www.away.example."), over("tcp", "web.shop.svc.cluster.local.")), (1, 1));
}
