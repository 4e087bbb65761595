//! The pods behind an upstream Service.

use std::thread::scope;

use crate::harness::{CoreDns, Doorstep, Stage, a, eventually, seconds};

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
    pods[1].hang();
    assert_eq!(ask_new_names(&doorstep, "hung", 1_000), [""; 0]);
    assert!(doorstep.metric("doorstep_upstream_hedged_total") >= 1.0, "nobody waits for one that hangs");
}
