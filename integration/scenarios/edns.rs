//! EDNS is spoken from hop to hop and never remembered.

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, txt};

/// TSIG knows the same number as BADSIG (RFC 6895 §2.3).
const BADVERS: u16 = 16;

const WEB: &str = "web.shop.svc.cluster.local.";

#[test]
fn clients_with_and_without_edns_share_an_entry_and_each_gets_what_it_speaks() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for _ in 0..2 {
        assert!(doorstep.ask(&a(WEB).edns(1232)).has_edns());
        assert!(!doorstep.ask(&a(WEB)).has_edns());
    }
    assert_eq!(coredns.asked(WEB), 1);
}

#[test]
fn whoever_asks_is_told_who_answered() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for _ in 0..2 {
        assert_eq!(doorstep.ask(&a(WEB).edns(1232).nsid()).nsid().as_deref(), Some("doorstep-test"));
    }
    assert_eq!(doorstep.ask(&a(WEB).edns(1232)).nsid(), None);
    assert_eq!(doorstep.ask(&txt("id.server.").chaos()).text().as_deref(), Some("doorstep-test"));
    assert_eq!(doorstep.ask(&txt("nobody.server.").chaos()).rcode(), Rcode::Refused);
}

#[test]
fn a_version_of_edns_to_come_gets_badvers_and_no_answer() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    let reply = doorstep.ask(&a(WEB).edns(1232).version(1));
    assert_eq!((u16::from(reply.rcode()), reply.answers().len()), (BADVERS, 0));
    assert_eq!(coredns.asked(WEB), 0);
}

#[test]
fn those_who_want_dnssec_records_are_answered_apart_from_those_who_do_not() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    for _ in 0..2 {
        assert!(!doorstep.ask(&a(WEB).edns(1232)).dnssec_ok());
        assert!(doorstep.ask(&a(WEB).edns(1232).dnssec_ok()).dnssec_ok());
    }
    assert_eq!(coredns.asked(WEB), 2);
}
