//! Many clients, one question, one exchange.

use crate::harness::{CoreDns, Doorstep, Question, Reply, Stage, Udp, a, seconds};

#[test]
fn a_thousand_clients_that_ask_at_once_cost_the_upstream_one_query() {
    let stage = Stage::alone();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    // Answered after 2 s: all of them ask meanwhile.
    let clients: Vec<(Udp, Question)> =
        (0..1_000).map(|number| (doorstep.udp(), a(if number % 2 == 0 { "popular.slow.test." } else { "POPULAR.slow.TEST." }))).collect();
    for (client, question) in &clients {
        client.send(&question.encode());
    }
    for (number, (client, question)) in clients.iter().enumerate() {
        let octets = client.receive(seconds(5)).unwrap_or_else(|| panic!("client {number} has no reply"));
        assert_eq!(Reply::to(question, octets).addresses().len(), 1);
    }
    assert_eq!(coredns.asked("popular.slow.test."), 1);
    assert_eq!(doorstep.metric("doorstep_coalesced_total"), 999.0);
}
