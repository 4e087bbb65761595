//! Another configuration, while queries come and wait.

use super::*;

const CORP: &str = "www.corp.example";
const OTHER: &str = "www.example";

fn corp_zone() -> Config {
    let zone =
        ZoneConfig { name: name("corp.example"), group: GROUPS[1].to_owned(), cluster: false, profile: crate::cache::Profile::EXTERNAL };
    config(vec![zone], vec![])
}

#[tokio::test]
async fn a_zone_that_asks_elsewhere_forgets_what_it_knew_and_the_others_do_not() {
    let rig = Rig::new(Says::Addresses { ttl: 300, last: 1 }).await;
    for name in [CORP, OTHER] {
        assert_eq!(rig.ask(&ask(name)).await, address(1, 300, false));
    }
    rig.reload(&corp_zone());
    assert_eq!(rig.ask(&ask(CORP)).await, address(99, 300, false));
    assert!(rig.ask(&ask(OTHER)).await.from_memory);
    rig.reload(&config(vec![], vec![]));
    assert_eq!(rig.ask(&ask(CORP)).await.data, ["192.0.2.1"], "what corp said is not what the default says");
    rig.reload(&corp_zone());
    assert_eq!(rig.ask(&ask(CORP)).await, address(99, 300, false));
    assert!(rig.ask(&ask(OTHER)).await.from_memory);
}

#[tokio::test]
async fn what_another_upstream_said_is_not_served_stale_either() {
    let rig = Rig::new(Says::Addresses { ttl: 300, last: 1 }).await;
    rig.ask(&ask(CORP)).await;
    rig.corp.say(Says::Rcode(2));
    rig.reload(&corp_zone());
    assert_eq!(rig.ask(&ask(CORP)).await, empty(Rcode::SERV_FAIL, None, Some(0), false));
}

#[tokio::test]
async fn a_reload_that_changes_nothing_forgets_nothing() {
    let rig = Rig::with(Says::Addresses { ttl: 300, last: 1 }, corp_zone(), Limits::default()).await;
    for name in [CORP, OTHER] {
        rig.ask(&ask(name)).await;
    }
    rig.reload(&corp_zone());
    for name in [CORP, OTHER] {
        assert!(rig.ask(&ask(name)).await.from_memory);
    }
}

#[tokio::test]
async fn who_asks_after_the_reload_is_not_told_what_was_asked_before() {
    let rig = Rig::new(Says::Addresses { ttl: 300, last: 1 }).await;
    rig.upstream.hold();
    let mut waits = Vec::new();
    for (port, reloads) in [(1, true), (2, false)] {
        let (pending, resolver) = (rig.miss(&Ask { port, ..ask(CORP) }), rig.resolver.clone());
        waits.push(tokio::spawn(async move { resolver.look_up(0, pending).await.unwrap() }));
        while rig.resolver.waiting().0 < usize::from(port) {
            tokio::task::yield_now().await;
        }
        if reloads {
            rig.upstream.until_asked(1).await;
            rig.reload(&corp_zone());
        }
    }
    assert_eq!(rig.resolver.waiting(), (2, 1), "both wait for one exchange");
    rig.upstream.release();
    let mut said = Vec::new();
    for wait in waits {
        said.push(Seen::read(&ask(CORP), &wait.await.unwrap(), false).data);
    }
    assert_eq!(said, [["192.0.2.1"], ["192.0.2.99"]]);
    assert_eq!(rig.ask(&ask(CORP)).await.data, ["192.0.2.99"]);
}
