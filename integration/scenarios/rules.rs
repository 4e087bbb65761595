//! What is answered at the node, and what goes elsewhere.

use std::net::IpAddr;

use crate::harness::{CoreDns, Doorstep, Rcode, Stage, a, aaaa, txt};

const RULES: &str = "\
rules:
  - { suffix: leak.example, answer: nxdomain }
  - { suffix: quiet.example, answer: nodata }
  - { suffix: static.example, answer: { a: [\"192.0.2.1\"], aaaa: [\"2001:db8::1\"], ttl: 60s } }
  - { suffix: quiet.leak.example, answer: nodata }
";

#[test]
fn suffix_rules_answer_at_the_node_and_the_longest_wins() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::configured(&stage, &coredns, RULES);
    for name in ["leak.example.", "a.b.LEAK.example."] {
        let reply = doorstep.ask(&a(name));
        assert_eq!(reply.rcode(), Rcode::NXDomain, "{name}");
        assert!(reply.negative_ttl().is_some(), "so that clients remember it");
    }
    for name in ["x.quiet.example.", "x.quiet.leak.example."] {
        let reply = doorstep.ask(&a(name));
        assert_eq!((reply.rcode(), reply.answers().len()), (Rcode::NoError, 0), "{name}");
    }
    let reply = doorstep.ask(&a("x.static.example."));
    assert_eq!((reply.addresses(), reply.ttl()), (vec!["192.0.2.1".parse::<IpAddr>().unwrap()], Some(60)));
    assert_eq!(doorstep.ask(&aaaa("static.example.")).addresses(), ["2001:db8::1".parse::<IpAddr>().unwrap()]);
    let other = doorstep.ask(&txt("static.example."));
    assert_eq!((other.rcode(), other.answers().len()), (Rcode::NoError, 0));
    for name in ["leak.example.", "quiet.example.", "static.example."] {
        assert_eq!(coredns.asked(name) + coredns.asked(&format!("x.{name}")), 0, "{name}");
    }
    assert_eq!(doorstep.ask(&a("noleak.example.")).rcode(), Rcode::NXDomain);
    assert_eq!(coredns.asked("noleak.example."), 1, "a suffix ends at a label");
    assert!(doorstep.metric("doorstep_rule_answers_total") >= 7.0);
}

#[test]
fn names_that_never_leave_a_host_are_answered_without_being_configured() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let doorstep = Doorstep::before(&coredns);
    assert_eq!(doorstep.ask(&a("localhost.")).addresses(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(doorstep.ask(&a("x.invalid.")).rcode(), Rcode::NXDomain);
    assert_eq!(coredns.asked("localhost.") + coredns.asked("x.invalid."), 0);
}

#[test]
fn a_zone_goes_to_the_upstream_it_names() {
    let stage = Stage::beside_others();
    let coredns = CoreDns::start(&stage);
    let other = CoreDns::start_other(&stage, "198.51.100.7");
    let yaml = format!("upstreams:\n  vpc: {{ servers: [\"{}\"] }}\nzones:\n  - {{ name: corp.example, upstream: vpc }}\n", other.udp());
    let doorstep = Doorstep::configured(&stage, &coredns, &yaml);
    for name in ["corp.example.", "git.corp.example."] {
        assert_eq!(doorstep.ask(&a(name)).addresses(), ["198.51.100.7".parse::<IpAddr>().unwrap()]);
        assert_eq!((coredns.asked(name), other.asked(name)), (0, 1));
    }
    doorstep.ask(&a("www.outside.example."));
    assert_eq!((coredns.asked("www.outside.example."), other.asked("www.outside.example.")), (1, 0));
}
