//! What never leaves the node.

use super::*;

const CHAOS: u16 = 3;

#[tokio::test]
async fn rules_and_special_names_are_answered_without_asking() {
    let rules = vec![
        RuleConfig { suffix: name("ads.example"), answer: RuleAnswer::NxDomain },
        RuleConfig {
            suffix: name("gate.example"),
            answer: RuleAnswer::Addresses { addresses: vec!["192.0.2.7".parse().unwrap()], ttl: 45 },
        },
    ];
    let rig = Rig::with(Says::Addresses { ttl: 60, last: 1 }, config(vec![], rules), Limits::default()).await;
    assert_eq!(rig.ask(&ask("x.Ads.example")).await, empty(Rcode::NX_DOMAIN, Some(30), None, true));
    assert_eq!(rig.ask(&ask("gate.example")).await, address(7, 45, true));
    assert_eq!(rig.ask(&Ask { qtype: 28, ..ask("gate.example") }).await, empty(Rcode::NO_ERROR, Some(30), None, true));
    assert_eq!(rig.ask(&ask("localhost")).await.data, ["127.0.0.1"]);
    assert_eq!(rig.ask(&ask("hidden.onion")).await.rcode, Rcode::NX_DOMAIN);
    assert_eq!(rig.ask(&Ask { flags: [0, 0], ..ask("gate.example") }).await, address(7, 45, true), "RD or not");
    assert_eq!(rig.upstream.asked(), 0);
    assert_eq!((rig.count(Outcome::RuleNoError), rig.count(Outcome::RuleNxDomain)), (4, 2));
}

#[tokio::test]
async fn chaos_asks_who_we_are_and_nothing_else() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    let chaos = |name| Ask { qtype: TXT, qclass: CHAOS, ..ask(name) };
    for (name, text) in [("ID.server", "pod-1"), ("hostname.bind", "pod-1"), ("version.bind", "1.2.3"), ("version.server", "1.2.3")] {
        assert_eq!(rig.ask(&chaos(name)).await.data, [text]);
    }
    for other in [chaos("www.example"), chaos("localhost"), Ask { qtype: A, ..chaos("id.server") }] {
        assert_eq!(rig.ask(&other).await, empty(Rcode::REFUSED, None, None, true));
    }
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::Identity), rig.count(Outcome::Refused)), (0, 4, 3));
}

#[tokio::test]
async fn what_is_no_query_is_refused_or_left_alone() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    for (qtype, rcode, outcome) in
        [(252, Rcode::REFUSED, Outcome::Refused), (254, Rcode::NOT_IMP, Outcome::NotImp), (128, Rcode::FORM_ERR, Outcome::FormErr)]
    {
        assert_eq!(rig.ask(&Ask { qtype, ..ask("www.example") }).await.rcode, rcode);
        assert_eq!(rig.count(outcome), 1);
    }
    assert!(matches!(rig.walk(&Ask { flags: [0x81, 0x80], ..ask("www.example") }).0, Walk::Silence));
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::Silence)), (0, 1));
}

#[tokio::test]
async fn outcomes_are_counted_by_the_way_they_came() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    rig.ask(&ask("localhost")).await;
    rig.ask(&Ask { tcp: true, ..ask("localhost") }).await;
    rig.ask(&Ask { tcp: true, ..ask("localhost") }).await;
    let over = |tcp, ipv6| rig.resolver.counters().over(tcp, ipv6, |outcome| outcome == Outcome::RuleNoError);
    assert_eq!((over(false, false), over(true, false), over(false, true), over(true, true)), (1, 2, 0, 0));
}

#[tokio::test]
async fn a_probe_that_comes_back_is_a_forwarding_loop() {
    let rig = Rig::new(Says::NxDomain { ttl: 0 }).await;
    let label = rig.resolver.loop_guard().begin(0xD00D.try_into().unwrap());
    let probe = ask(format!("{label}.cluster.local").leak());
    assert_eq!(rig.ask(&probe).await.rcode, Rcode::NX_DOMAIN);
    assert!(!rig.resolver.loop_guard().looping());
    let returned = rig.ask(&Ask { port: 2, ..probe }).await;
    assert_eq!((returned.rcode, rig.upstream.asked()), (Rcode::SERV_FAIL, 1));
    assert!(rig.resolver.loop_guard().looping());
}
