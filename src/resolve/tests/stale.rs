//! Upstreams that fail, and what is served meanwhile.

use super::*;

const EXTERNAL: &str = "www.example";
const CLUSTER: &str = "web.shop.svc.cluster.local";

fn stale(last: u8, from_memory: bool) -> Seen {
    Seen { ede: Some(3), ..address(last, 30, from_memory) }
}

#[tokio::test]
async fn an_expired_answer_is_served_when_the_upstream_fails() {
    for name in [EXTERNAL, CLUSTER] {
        let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
        rig.ask(&ask(name)).await;
        rig.upstream.say(Says::Rcode(2));
        jump(21.0).await;
        assert_eq!(rig.ask(&ask(name)).await, stale(1, false), "after the attempt");
        assert_eq!(rig.ask(&ask(name)).await, stale(1, true), "at once, while the failure is remembered");
        assert_eq!((rig.upstream.asked(), rig.count(Outcome::RescuedPositive), rig.count(Outcome::StalePositive)), (2, 1, 1));
        rig.upstream.say(Says::Addresses { ttl: 20, last: 2 });
        jump(1.1).await;
        assert_eq!(rig.ask(&ask(name)).await, address(2, 20, false), "never stale when a fresh answer can be had");
    }
}

#[tokio::test]
async fn expired_negatives_are_served_too() {
    for (says, rcode, ede) in [(Says::NxDomain { ttl: 5 }, Rcode::NX_DOMAIN, 19), (Says::NoData { ttl: 5 }, Rcode::NO_ERROR, 3)] {
        let rig = Rig::new(says).await;
        rig.ask(&ask(EXTERNAL)).await;
        rig.upstream.say(Says::Rcode(2));
        jump(6.0).await;
        for from_memory in [false, true] {
            assert_eq!(rig.ask(&ask(EXTERNAL)).await, empty(rcode, Some(30), Some(ede), from_memory));
        }
    }
}

#[tokio::test]
async fn nothing_is_served_staler_than_its_zone_allows() {
    for (name, most) in [(CLUSTER, 300.0), (EXTERNAL, 86_400.0)] {
        let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
        rig.ask(&ask(name)).await;
        rig.upstream.say(Says::Rcode(2));
        jump(20.0 + most - 5.0).await;
        assert_eq!(rig.ask(&ask(name)).await, stale(1, false));
        jump(6.0).await;
        assert_eq!(rig.ask(&ask(name)).await.rcode, Rcode::SERV_FAIL);
    }
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason_and_remembered_for_a_moment() {
    for (says, rcode, outcomes) in [
        (Says::Rcode(2), Rcode::SERV_FAIL, [Outcome::MissFailure, Outcome::HitFailure]),
        (Says::Rcode(5), Rcode::REFUSED, [Outcome::MissRefused, Outcome::HitRefused]),
    ] {
        let rig = Rig::new(says).await;
        assert_eq!(rig.ask(&ask(EXTERNAL)).await, empty(rcode, None, Some(0), false));
        assert_eq!(rig.ask(&ask(EXTERNAL)).await, empty(rcode, None, Some(13), true));
        assert_eq!(outcomes.map(|outcome| rig.count(outcome)), [1, 1]);
        let asked = rig.upstream.asked();
        jump(1.1).await;
        assert!(!rig.ask(&ask(EXTERNAL)).await.from_memory);
        assert!(rig.upstream.asked() > asked);
    }
}

#[tokio::test(start_paused = true)]
async fn an_external_name_goes_stale_after_1_8_seconds_of_waiting() {
    let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
    tokio::time::resume();
    rig.ask(&ask(EXTERNAL)).await;
    rig.upstream.say(Says::Nothing);
    jump(21.0).await;
    tokio::time::pause();
    let asked = now();
    assert_eq!(rig.ask(&ask(EXTERNAL)).await, stale(1, false));
    assert!((1_800..=1_810).contains(&(now() - asked).as_millis()), "{:?}", now() - asked);
    assert_eq!(rig.count(Outcome::RescuedPositive), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_name_goes_stale_when_its_whole_group_is_silent() {
    let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
    tokio::time::resume();
    rig.ask(&ask(CLUSTER)).await;
    rig.upstream.say(Says::Nothing);
    jump(21.0).await;
    tokio::time::pause();
    let asked = now();
    assert_eq!(rig.ask(&ask(CLUSTER)).await, stale(1, false));
    assert!((1_000..=1_500).contains(&(now() - asked).as_millis()), "{:?}", now() - asked);
}

#[tokio::test]
async fn a_cluster_name_goes_stale_after_1_8_seconds_though_its_group_answers_others() {
    let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
    rig.ask(&ask(CLUSTER)).await;
    rig.upstream.say(Says::NothingOfCluster);
    jump(21.0).await;
    let (pending, resolver, asked) = (rig.miss(&ask(CLUSTER)), rig.resolver.clone(), now());
    let wait = tokio::spawn(async move { (resolver.look_up(0, pending).await.unwrap(), now()) });
    for other in ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example"] {
        assert!(!wait.is_finished(), "not before {:?}", now() - asked);
        assert_eq!(rig.ask(&ask(other)).await, address(1, 60, false), "the group is heard");
        jump(0.29).await;
    }
    let (reply, answered) = wait.await.unwrap();
    assert_eq!(Seen::read(&ask(CLUSTER), &reply, false), stale(1, false));
    assert!((1_800..2_200).contains(&(answered - asked).as_millis()), "{:?}", answered - asked);
}

#[tokio::test(start_paused = true)]
async fn behind_a_stale_answer_the_exchange_goes_on_and_renews_it() {
    let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
    tokio::time::resume();
    rig.ask(&ask(EXTERNAL)).await;
    rig.upstream.say(Says::Addresses { ttl: 20, last: 2 });
    rig.upstream.hold();
    jump(21.0).await;
    tokio::time::pause();
    assert_eq!(rig.ask(&ask(EXTERNAL)).await, stale(1, false));
    tokio::time::resume();
    rig.upstream.release();
    while rig.resolver.waiting() != (0, 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.ask(&ask(EXTERNAL)).await, address(2, 20, true));
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_the_first_to_ask_waits_and_the_others_hardly_do() {
    let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
    tokio::time::resume();
    for name in [CLUSTER, EXTERNAL] {
        rig.ask(&ask(name)).await;
    }
    rig.upstream.say(Says::Nothing);
    jump(21.0).await;
    tokio::time::pause();
    assert_eq!(rig.ask(&ask("new.example")).await.rcode, Rcode::SERV_FAIL);
    assert!(rig.groups[0].is_out());
    for name in [CLUSTER, EXTERNAL] {
        let asked = now();
        assert_eq!(rig.ask(&ask(name)).await, stale(1, false));
        assert!((50..=60).contains(&(now() - asked).as_millis()), "{name}: {:?}", now() - asked);
    }
    while rig.resolver.waiting() != (0, 0) {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    let asked = now();
    assert_eq!(rig.ask(&ask(EXTERNAL)).await, stale(1, false));
    assert!((now() - asked).as_millis() >= 1_800, "what was a minute ago says nothing of now");
}

#[tokio::test]
async fn an_upstream_that_was_out_a_moment_ago_is_heard_before_anything_stale_is_served() {
    let rig = Rig::new(Says::Addresses { ttl: 20, last: 1 }).await;
    rig.ask(&ask(CLUSTER)).await;
    rig.upstream.say(Says::Nothing);
    jump(21.0).await;
    tokio::time::pause();
    assert_eq!(rig.ask(&ask("new.example")).await.rcode, Rcode::SERV_FAIL);
    tokio::time::resume();
    rig.upstream.say(Says::Addresses { ttl: 20, last: 2 });
    assert!(rig.groups[0].out_lately(now()));
    assert_eq!(rig.ask(&ask(CLUSTER)).await, address(2, 20, false));
}

#[tokio::test(start_paused = true)]
async fn without_anything_stale_the_exchange_is_waited_for_to_its_end() {
    let rig = Rig::new(Says::Nothing).await;
    let asked = now();
    assert_eq!(rig.ask(&ask(EXTERNAL)).await, empty(Rcode::SERV_FAIL, None, Some(22), false));
    assert!((now() - asked).as_secs_f64() <= 4.1, "{:?}", now() - asked);
}

#[tokio::test]
async fn the_first_success_after_an_outage_forgets_the_failures() {
    let rig = Rig::new(Says::Nothing).await;
    tokio::time::pause();
    assert_eq!(rig.ask(&ask("a.example")).await.rcode, Rcode::SERV_FAIL);
    assert_eq!(rig.ask(&ask("b.example")).await.rcode, Rcode::SERV_FAIL);
    tokio::time::resume();
    assert!(rig.groups[0].is_out());
    rig.upstream.say(Says::Addresses { ttl: 20, last: 1 });
    assert!(rig.ask(&ask("b.example")).await.from_memory, "remembered");
    assert_eq!(rig.ask(&ask("c.example")).await.data, ["192.0.2.1"], "never failed");
    assert_eq!(rig.ask(&ask("b.example")).await, address(1, 20, false), "forgotten");
}
