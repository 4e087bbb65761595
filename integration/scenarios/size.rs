//! Answers that do not fit a datagram.

use crate::harness::{CoreDns, Doorstep, Stage, a};

/// 40 addresses: more than 512 octets, less than 1,232.
const MANY: &str = "many.shop.svc.cluster.local.";
/// 120 addresses: more than 1,232 octets.
const CROWD: &str = "crowd.shop.svc.cluster.local.";

#[test]
fn a_truncated_reply_holds_as_many_whole_records_as_fit_and_the_rest_is_had_over_tcp() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    // 16 octets each record, its owner compressed; 11 octets OPT.
    for (question, limit, all) in [(a(MANY), 512, 40), (a(CROWD).edns(1232), 1232, 120), (a(CROWD).edns(4096), 1232, 120)] {
        let reply = doorstep.ask(&question);
        assert!(reply.truncated());
        assert!((limit - 30..=limit).contains(&reply.len()), "{} octets where {limit} may be", reply.len());
        assert_eq!(reply.addresses().len(), reply.answers().len());
        assert!((limit / 20..all).contains(&reply.answers().len()), "{} records", reply.answers().len());
        let whole = doorstep.tcp().ask(&question);
        assert_eq!((whole.truncated(), whole.addresses().len()), (false, all));
    }
    assert_eq!(doorstep.ask(&a(MANY).edns(1232)).addresses().len(), 40, "it fits whoever offers more room");
    assert_eq!((coredns.asked(MANY), coredns.asked(CROWD)), (1, 1));
}

#[test]
fn an_offer_below_512_octets_counts_as_512() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let reply = doorstep.ask(&a(MANY).edns(100));
    assert!((480..=512).contains(&reply.len()), "{}", reply.len());
}

#[test]
fn an_answer_that_the_upstream_truncated_is_fetched_over_tcp_and_remembered_whole() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::with(&["--upstream", &coredns.udp()]).ready();
    for _ in 0..2 {
        assert_eq!(doorstep.tcp().ask(&a(CROWD)).addresses().len(), 120);
    }
    assert_eq!((coredns.asked_over("udp", CROWD), coredns.asked_over("tcp", CROWD)), (1, 1));
    doorstep.ask(&a("web.shop.svc.cluster.local."));
    assert_eq!(coredns.asked_over("udp", "web.shop.svc.cluster.local."), 1, "what fits needs no connection");
    assert_eq!(coredns.asked_over("tcp", "web.shop.svc.cluster.local."), 0);
}
