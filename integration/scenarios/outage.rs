//! The upstream is gone, and comes back.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a};

const BRIEF: &str = "brief.shop.svc.cluster.local.";
const NOBODY: &str = "nobody.shop.svc.cluster.local.";
const OUTSIDE: &str = "brief.outside.example.";

const STALE_ANSWER: u16 = 3;
const NO_REACHABLE_AUTHORITY: u16 = 22;
const NETWORK_ERROR: u16 = 23;

#[test]
fn expired_answers_serve_while_the_upstream_is_gone_and_fresh_ones_as_soon_as_it_is_back() {
    let stage = Stage::beside_others();
    let mut coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for name in [BRIEF, OUTSIDE] {
        assert_eq!(doorstep.ask(&a(name)).ttl(), Some(1));
    }
    coredns.stop();
    sleep(Duration::from_millis(1_300));
    for _ in 0..2 {
        for name in [BRIEF, OUTSIDE] {
            let reply = doorstep.ask(&a(name).edns(1232));
            assert_eq!((reply.rcode(), reply.ede(), reply.addresses().len()), (Rcode::NoError, Some(STALE_ANSWER), 1), "{name}");
            assert_eq!(reply.ttl(), Some(30), "RFC 8767 §5.11");
        }
    }
    let unknown = doorstep.ask(&a("cart.shop.svc.cluster.local.").edns(1232));
    assert_eq!(unknown.rcode(), Rcode::ServFail);
    assert!(matches!(unknown.ede(), Some(NO_REACHABLE_AUTHORITY | NETWORK_ERROR)), "{unknown:?}");
    assert_eq!(doorstep.readiness().0, 200, "serving stale beats handing the load to a CoreDNS that is down");
    assert!(doorstep.metric("coredns_cache_served_stale_total") >= 4.0);

    coredns.run();
    assert_eq!(doorstep.ask(&a("api.shop.svc.cluster.local.")).rcode(), Rcode::NoError, "the first question after the outage");
    for name in [BRIEF, OUTSIDE] {
        let fresh = doorstep.ask(&a(name).edns(1232));
        assert_eq!((fresh.ede(), fresh.ttl()), (None, Some(1)), "{name}");
    }
    assert_eq!(doorstep.ask(&a("cart.shop.svc.cluster.local.")).addresses().len(), 1, "no failure is remembered past the outage");
}

#[test]
fn an_expired_nxdomain_serves_too() {
    let stage = Stage::beside_others();
    let mut coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    doorstep.ask(&a(NOBODY));
    coredns.stop();
    sleep(Duration::from_millis(5_300));
    let reply = doorstep.ask(&a(NOBODY).edns(1232));
    assert_eq!((reply.rcode(), reply.ede()), (Rcode::NXDomain, Some(19)), "RFC 8914 §4.20");
}

#[test]
fn an_upstream_that_is_gone_is_not_asked_again_for_each_client() {
    let stage = Stage::beside_others();
    let mut coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    coredns.stop();
    let attempts = || doorstep.metric("coredns_cache_misses_total");
    let before = attempts();
    for _ in 0..100 {
        assert_eq!(doorstep.ask(&a("cart.shop.svc.cluster.local.")).rcode(), Rcode::ServFail);
    }
    let asked = attempts() - before;
    assert!((1.0..=10.0).contains(&asked), "RFC 9520 §3.2: {asked} of 100 went upstream");
}
