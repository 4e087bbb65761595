//! Every way in: UDP and TCP, IPv4 and IPv6.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{CoreDns, Doorstep, Question, Reply, Stage, Tcp, Udp, a};

const WEB: &str = "web.shop.svc.cluster.local.";

#[test]
fn both_families_and_both_transports_answer_alike() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for address in [doorstep.address(), doorstep.address6()] {
        for _ in 0..2 {
            assert_eq!(Udp::to(address).ask(&a(WEB)).addresses().len(), 1);
            assert_eq!(Tcp::to(address).ask(&a(WEB)).addresses().len(), 1);
        }
    }
    assert_eq!(coredns.asked(WEB), 1);
    for labels in
        ["{proto=\"udp\",family=\"1\"", "{proto=\"udp\",family=\"2\"", "{proto=\"tcp\",family=\"1\"", "{proto=\"tcp\",family=\"2\""]
    {
        assert!(doorstep.metric(&format!("coredns_dns_requests_total{labels}")) >= 2.0, "{labels}");
    }
}

#[test]
fn on_one_connection_a_slow_name_does_not_hold_back_a_fast_one() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let questions: Vec<Question> = std::iter::once(a("first.slow.test.")).chain((0..99).map(|_| a(WEB))).collect();
    let mut client = doorstep.tcp();
    client.send(&questions.iter().flat_map(Question::framed).collect::<Vec<u8>>());
    let order: Vec<u16> = questions.iter().map(|_| client.receive().id()).collect();
    assert_eq!(order.last(), Some(&questions[0].id), "the slow one comes last");
    let mut ids = order;
    ids.sort_unstable();
    let mut asked: Vec<u16> = questions.iter().map(|question| question.id).collect();
    asked.sort_unstable();
    assert_eq!(ids, asked, "each is answered once");
}

#[test]
fn a_client_that_writes_octet_by_octet_is_understood() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let question = a(WEB);
    let mut client = doorstep.tcp();
    for octet in question.framed() {
        client.send(&[octet]);
        sleep(Duration::from_millis(2));
    }
    assert_eq!(client.receive().id(), question.id);
}

#[test]
fn a_client_that_has_said_all_it_will_is_still_answered_and_then_let_go() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let question = a("last.slow.test.");
    let mut client = doorstep.tcp();
    client.send(&question.framed());
    client.finish();
    assert_eq!(client.receive().addresses().len(), 1);
    assert_eq!(client.end(), Ok(()), "a FIN, no reset");
}

#[test]
fn a_query_sent_twice_while_it_waits_is_answered_once() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let (client, question) = (doorstep.udp(), a("again.slow.test."));
    client.send(&question.encode());
    sleep(Duration::from_millis(200));
    client.send(&question.encode());
    Reply::to(&question, client.receive(Duration::from_secs(5)).unwrap());
    assert!(client.receive(Duration::from_millis(300)).is_none(), "a second reply");
    assert_eq!(doorstep.metric("doorstep_retransmissions_total"), 1.0);
}
