//! What is remembered, for how long, and for whom.

use super::*;

const EXTERNAL: &str = "www.example";
const CLUSTER: &str = "web.shop.svc.cluster.local";

#[tokio::test]
async fn the_second_to_ask_is_answered_from_memory_with_an_aged_ttl() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    assert_eq!(rig.ask(&ask("wWw.Example")).await, address(1, 60, false));
    jump(9.5).await;
    assert_eq!(rig.ask(&ask("www.eXample")).await, address(1, 50, true));
    assert_eq!(rig.upstream.asked(), 1);
    assert_eq!((rig.count(Outcome::Waiting), rig.count(Outcome::MissPositive), rig.count(Outcome::HitPositive)), (1, 1, 1));
}

#[tokio::test]
async fn negative_answers_are_remembered_and_their_soa_ages() {
    for (says, rcode, outcome) in [
        (Says::NxDomain { ttl: 100 }, Rcode::NX_DOMAIN, Outcome::HitNxDomain),
        (Says::NoData { ttl: 100 }, Rcode::NO_ERROR, Outcome::HitNoData),
    ] {
        let rig = Rig::new(says).await;
        assert_eq!(rig.ask(&ask(EXTERNAL)).await, empty(rcode, Some(100), None, false));
        jump(39.5).await;
        assert_eq!(rig.ask(&ask(EXTERNAL)).await, empty(rcode, Some(60), None, true));
        assert_eq!((rig.upstream.asked(), rig.count(outcome)), (1, 1));
    }
}

#[tokio::test]
async fn the_expansions_of_a_search_path_are_asked_upstream_once_for_both_families() {
    let rig = Rig::new(Says::NxDomain { ttl: 5 }).await;
    let expansions = ["www.example.shop.svc.cluster.local", "www.example.svc.cluster.local", "www.example.cluster.local"];
    for name in expansions {
        assert_eq!(rig.ask(&ask(name)).await, empty(Rcode::NX_DOMAIN, Some(5), None, false));
        for qtype in [28, TXT, A] {
            assert_eq!(rig.ask(&Ask { qtype, ..ask(name) }).await, empty(Rcode::NX_DOMAIN, Some(5), None, true));
        }
    }
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::HitNxDomain)), (3, 9));
}

#[tokio::test]
async fn each_zone_caps_ttls_by_its_profile() {
    for (says, in_cluster, outside) in [
        (Says::Addresses { ttl: 86_400, last: 1 }, 30, 3_600),
        (Says::NxDomain { ttl: 86_400 }, 5, 300),
        (Says::NoData { ttl: 86_400 }, 5, 300),
        (Says::ChainIntoCluster { ttl: 86_400 }, 30, 30),
    ] {
        let rig = Rig::new(says).await;
        for (name, cap) in [(CLUSTER, in_cluster), (EXTERNAL, outside)] {
            assert_eq!(rig.ask(&ask(name)).await.ttl, Some(cap), "fresh: {name}");
            let hit = rig.ask(&ask(name)).await;
            assert!(hit.from_memory && hit.ttl.is_some_and(|ttl| ttl <= cap && ttl + 2 > cap), "{name}: {hit:?}");
        }
        assert_eq!(rig.upstream.asked(), 2);
    }
}

#[tokio::test]
async fn an_answer_with_ttl_0_is_for_those_who_wait_alone() {
    let rig = Rig::new(Says::Addresses { ttl: 0, last: 1 }).await;
    assert_eq!(rig.ask(&ask(EXTERNAL)).await, address(1, 0, false));
    assert_eq!(rig.ask(&ask(EXTERNAL)).await, address(1, 0, false));
    assert_eq!(rig.upstream.asked(), 2);
}

#[tokio::test]
async fn do_cd_type_and_class_part_what_is_remembered_and_nothing_else_does() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    let plain = ask(EXTERNAL);
    let different = [
        plain.clone(),
        Ask { edns: Some(true), ..plain.clone() },
        Ask { flags: [1, 0x10], ..plain.clone() },
        Ask { qtype: 65_280, ..plain.clone() },
        Ask { qclass: 4, ..plain.clone() },
    ];
    for (index, ask) in different.iter().enumerate() {
        assert!(!rig.ask(ask).await.from_memory);
        assert_eq!(rig.upstream.asked(), index + 1);
    }
    for same in [Ask { edns: None, ..plain.clone() }, Ask { flags: [1, 0x60], ..plain.clone() }, Ask { tcp: true, port: 1, ..plain }] {
        assert!(rig.ask(&same).await.from_memory);
    }
}

#[tokio::test]
async fn what_a_client_cannot_take_over_udp_it_gets_over_tcp_from_the_same_memory() {
    let rig = Rig::new(Says::Many(60)).await;
    let udp = Ask { edns: None, ..ask(EXTERNAL) };
    let few = rig.ask(&udp).await.data.len();
    assert!(few < 60 && few > 20, "as many as fit into 512 octets: {few}");
    assert_eq!(rig.ask(&Ask { tcp: true, ..udp }).await.data.len(), 60);
    assert_eq!(rig.upstream.asked(), 1);
    let (Walk::Reply(written), out) = rig.walk(&Ask { edns: None, ..ask(EXTERNAL) }) else { panic!("forgotten") };
    assert!(parse(&out[..written]).metadata.truncation);
}

#[tokio::test]
async fn without_rd_only_what_is_remembered_is_told() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    let not_desired = Ask { flags: [0, 0], ..ask(EXTERNAL) };
    assert_eq!(rig.ask(&not_desired).await, empty(Rcode::REFUSED, None, None, true));
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::Refused)), (0, 1));
    rig.ask(&ask(EXTERNAL)).await;
    assert_eq!(rig.ask(&not_desired).await.data, ["192.0.2.1"]);
}

#[tokio::test]
async fn without_rd_nothing_is_asked_upstream_for_a_popular_answer_about_to_expire_either() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    for _ in 0..4 {
        rig.ask(&ask(EXTERNAL)).await;
    }
    jump(55.0).await;
    assert!(matches!(rig.walk(&Ask { flags: [0, 0], ..ask(EXTERNAL) }).0, Walk::Reply(_)));
}

#[tokio::test]
async fn a_popular_answer_is_renewed_before_it_expires() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    for _ in 0..4 {
        rig.ask(&ask(EXTERNAL)).await;
    }
    rig.upstream.say(Says::Addresses { ttl: 60, last: 2 });
    jump(55.0).await;
    let (Walk::ReplyAndRenew(written, pending), out) = rig.walk(&ask(EXTERNAL)) else { panic!("not to be renewed") };
    assert_eq!(Seen::read(&ask(EXTERNAL), &out[..written], true).data, ["192.0.2.1"]);
    assert!(rig.resolver.look_up(0, pending).await.is_none());
    assert!(matches!(rig.walk(&ask(EXTERNAL)).0, Walk::Reply(_)), "told once");
    rig.upstream.until_asked(2).await;
    while rig.resolver.waiting() != (0, 0) {
        tokio::task::yield_now().await;
    }
    let renewed = rig.ask(&ask(EXTERNAL)).await;
    assert_eq!((renewed.data, renewed.from_memory), (vec!["192.0.2.2".to_owned()], true));
    assert!(renewed.ttl >= Some(58));
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::Prefetch)), (2, 1));
}
