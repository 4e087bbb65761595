//! Many clients, one exchange.

use super::*;

const EXTERNAL: &str = "www.example";

#[tokio::test]
async fn one_exchange_serves_all_who_ask_meanwhile_each_in_his_own_words() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    rig.upstream.hold();
    let asks = ["www.example", "WWW.example", "www.EXAMPLE"].map(ask);
    let mut waits = Vec::new();
    for (number, asked) in asks.iter().cycle().take(30).enumerate() {
        let asked = Ask { id: number as u16, port: 40_000 + number as u16, tcp: number % 2 == 0, ..asked.clone() };
        let (pending, resolver) = (rig.miss(&asked), rig.resolver.clone());
        waits.push((asked, tokio::spawn(async move { resolver.look_up(0, pending).await })));
    }
    rig.upstream.until_asked(1).await;
    assert_eq!(rig.resolver.waiting(), (30, 1));
    rig.upstream.release();
    for (asked, wait) in waits {
        let reply = wait.await.unwrap().unwrap();
        assert_eq!(Seen::read(&asked, &reply, false), address(1, 60, false));
    }
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::Coalesced), rig.count(Outcome::MissPositive)), (1, 29, 30));
    assert_eq!(rig.resolver.waiting(), (0, 0));
}

#[tokio::test]
async fn a_retransmission_joins_once() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    rig.upstream.hold();
    let (first, again) = (rig.miss(&ask(EXTERNAL)), rig.miss(&ask(EXTERNAL)));
    let resolver = rig.resolver.clone();
    let wait = tokio::spawn(async move { resolver.look_up(0, first).await });
    rig.upstream.until_asked(1).await;
    assert!(rig.resolver.look_up(0, again).await.is_none());
    rig.upstream.release();
    assert!(wait.await.unwrap().is_some());
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::Retransmission)), (1, 1));
}

#[tokio::test]
async fn an_exchange_outlives_the_client_that_asked_first() {
    let rig = Rig::new(Says::Addresses { ttl: 60, last: 1 }).await;
    rig.upstream.hold();
    let (pending, resolver) = (rig.miss(&ask(EXTERNAL)), rig.resolver.clone());
    let gone = tokio::spawn(async move { resolver.look_up(0, pending).await });
    rig.upstream.until_asked(1).await;
    gone.abort();
    assert!(gone.await.is_err());
    rig.upstream.release();
    assert_eq!(rig.ask(&Ask { port: 2, ..ask(EXTERNAL) }).await.data, ["192.0.2.1"]);
    assert_eq!(rig.upstream.asked(), 1);
}

#[tokio::test]
async fn too_many_waits_of_one_client_fail_at_once_and_are_not_remembered() {
    let limits = Limits { per_client: 1, total: 10 };
    let rig = Rig::with(Says::Addresses { ttl: 60, last: 1 }, config(vec![], vec![]), limits).await;
    rig.upstream.hold();
    let (pending, resolver) = (rig.miss(&ask("a.example")), rig.resolver.clone());
    let wait = tokio::spawn(async move { resolver.look_up(0, pending).await });
    rig.upstream.until_asked(1).await;
    assert_eq!(rig.ask(&ask("b.example")).await, empty(Rcode::SERV_FAIL, None, None, false));
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::Overload)), (1, 1));
    rig.upstream.release();
    wait.await.unwrap().unwrap();
    assert_eq!(rig.ask(&ask("b.example")).await, address(1, 60, false));
}

#[tokio::test]
async fn where_too_much_waits_an_expired_answer_is_better_than_none() {
    let limits = Limits { per_client: 1, total: 10 };
    let rig = Rig::with(Says::Addresses { ttl: 20, last: 1 }, config(vec![], vec![]), limits).await;
    rig.ask(&ask("b.example")).await;
    jump(21.0).await;
    rig.upstream.hold();
    let (pending, resolver) = (rig.miss(&ask("a.example")), rig.resolver.clone());
    let wait = tokio::spawn(async move { resolver.look_up(0, pending).await });
    rig.upstream.until_asked(2).await;
    assert_eq!(rig.ask(&ask("b.example")).await, Seen { ede: Some(3), ..address(1, 30, false) });
    assert_eq!((rig.upstream.asked(), rig.count(Outcome::RescuedPositive), rig.count(Outcome::Overload)), (2, 1, 0));
    rig.upstream.release();
    wait.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_makes_nobody_ask_again() {
    let rig = Rig::new(Says::Rcode(2)).await;
    rig.upstream.hold();
    let mut waits = Vec::new();
    for port in 1..=10 {
        let (pending, resolver) = (rig.miss(&Ask { port, ..ask(EXTERNAL) }), rig.resolver.clone());
        waits.push(tokio::spawn(async move { resolver.look_up(0, pending).await }));
    }
    rig.upstream.until_asked(1).await;
    rig.upstream.release();
    for wait in waits {
        assert_eq!(Seen::read(&ask(EXTERNAL), &wait.await.unwrap().unwrap(), false).rcode, Rcode::SERV_FAIL);
    }
    assert_eq!(rig.upstream.asked(), 1);
}
