//! Slow names are nobody else's trouble.

use std::time::{Duration, Instant};

use crate::harness::{CoreDns, Doorstep, Question, Stage, Udp, a, p99, seconds};

/// How long each of 400 names of the cluster takes that were never asked before.
fn cluster_names(doorstep: &Doorstep, round: &str) -> Vec<Duration> {
    let client = doorstep.udp();
    let ask = |number| {
        let begun = Instant::now();
        client.ask(&a(&format!("{round}-{number}.shop.svc.cluster.local.")));
        begun.elapsed()
    };
    (0..400).map(ask).collect()
}

#[test]
fn fifty_names_that_take_two_seconds_each_do_not_slow_the_cluster_down() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let before = p99(cluster_names(&doorstep, "before"));

    let slow: Vec<(Udp, Question)> = (0..50).map(|number| (doorstep.udp(), a(&format!("n{number}.slow.test.")))).collect();
    slow.iter().for_each(|(client, question)| client.send(&question.encode()));
    let begun = Instant::now();
    let during = p99(cluster_names(&doorstep, "during"));
    assert!(begun.elapsed() < seconds(2), "all of it was measured while the slow names were waiting");

    let bound = (before * 5).max(Duration::from_millis(25));
    assert!(during <= bound, "p99 {before:?} before, {during:?} during");
    for (client, question) in &slow {
        let octets = client.receive(seconds(4)).expect("a slow name is answered, too");
        assert_eq!(crate::harness::Reply::to(question, octets).addresses().len(), 1);
    }
}
