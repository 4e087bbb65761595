//! Misses, hits, and how answers age.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, aaaa, txt};

const WEB: &str = "web.shop.svc.cluster.local.";
const NOBODY: &str = "nobody.shop.svc.cluster.local.";

#[test]
fn a_name_is_asked_upstream_once_and_then_answered_from_memory() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let client = doorstep.udp();
    for _ in 0..3 {
        let reply = client.ask(&a(WEB));
        assert_eq!(reply.rcode(), Rcode::NoError);
        assert_eq!(reply.addresses(), ["10.96.1.1".parse::<std::net::IpAddr>().unwrap()]);
    }
    assert_eq!(coredns.asked(WEB), 1);
    assert_eq!(client.ask(&aaaa(WEB)).addresses().len(), 1);
    assert_eq!(coredns.asked(WEB), 2, "another type is another question");
    assert!(doorstep.metric("coredns_cache_hits_total{type=\"success\"") >= 2.0);
}

#[test]
fn an_answer_from_memory_has_aged() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    assert_eq!(doorstep.ask(&a(WEB)).ttl(), Some(30));
    assert_eq!(doorstep.ask(&txt(WEB)).negative_ttl(), Some(5), "the SOA's minimum");
    sleep(Duration::from_millis(2_100));
    let ttl = doorstep.ask(&a(WEB)).ttl().unwrap();
    assert!((20..=28).contains(&ttl), "{ttl}");
    assert!(doorstep.ask(&txt(WEB)).negative_ttl().unwrap() <= 3);
    assert_eq!(coredns.asked(WEB), 2);
}

#[test]
fn an_answer_past_its_ttl_is_asked_anew() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    doorstep.ask(&a("brief.shop.svc.cluster.local."));
    sleep(Duration::from_millis(1_200));
    let reply = doorstep.ask(&a("brief.shop.svc.cluster.local.").edns(1232));
    assert_eq!((reply.ttl(), reply.ede()), (Some(1), None));
    assert_eq!(coredns.asked("brief.shop.svc.cluster.local."), 2);
}

#[test]
fn a_name_that_does_not_exist_is_remembered() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for question in [a(NOBODY), a(NOBODY), aaaa(NOBODY), aaaa(NOBODY)] {
        let reply = doorstep.ask(&question);
        assert_eq!(reply.rcode(), Rcode::NXDomain);
        assert!(reply.negative_ttl().is_some_and(|ttl| ttl <= 5), "{reply:?}");
    }
    assert_eq!(coredns.asked(NOBODY), 1, "RFC 2308 §5: for every type");
}

#[test]
fn a_type_that_a_name_lacks_is_remembered_apart_from_those_it_has() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for _ in 0..2 {
        let reply = doorstep.ask(&txt(WEB));
        assert_eq!((reply.rcode(), reply.answers().len()), (Rcode::NoError, 0));
        assert!(reply.negative_ttl().is_some());
    }
    assert_eq!(coredns.asked(WEB), 1);
    assert_eq!(doorstep.ask(&a(WEB)).addresses().len(), 1);
}

#[test]
fn every_client_gets_its_question_back_in_its_own_case() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for name in ["wEb.Shop.sVc.CLUSTER.local.", "WEB.SHOP.SVC.CLUSTER.LOCAL.", WEB] {
        // That the question is echoed octet by octet, the client itself checks.
        let reply = doorstep.ask(&a(name));
        assert_eq!(reply.answers()[0].name.to_ascii(), name, "the owner that pointed to the question follows it");
    }
    assert_eq!(coredns.asked(WEB), 1);
}
