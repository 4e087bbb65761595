//! What goes right, and what one question may not do to another.

use std::sync::atomic::Ordering::SeqCst;

use tokio::time::{Instant, sleep};

use super::servers::{Manner, SLOW, tcp};
use super::*;

#[tokio::test]
async fn the_cluster_lane_pipelines_on_two_connections() {
    let server = tcp(Manner::Concurrent).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    assert!(rig.ask_all(&labels(150), Lane::Cluster).await.iter().all(Result::is_ok));
    assert!(server.accepted.load(SeqCst) <= 2, "{}", server.accepted.load(SeqCst));
    assert_eq!(server.asked.load(SeqCst), 150);
}

#[tokio::test]
async fn answers_out_of_order_find_their_questions() {
    let server = tcp(Manner::Concurrent).await;
    let rig = rig_with(&[Server::Tcp(server.address)], Timing { silence: MS(800), ..quick() }, Bounds::default());
    let slow = rig.ask("slow", Lane::Cluster);
    let fast = async {
        sleep(MS(20)).await;
        let start = Instant::now();
        assert!(rig.ask_all(&labels(50), Lane::Cluster).await.iter().all(Result::is_ok));
        assert!(start.elapsed() < SLOW / 2);
    };
    let (slow, ()) = tokio::join!(slow, fast);
    assert_eq!(slow, Ok(()));
}

#[tokio::test]
async fn in_the_elastic_lane_a_slow_name_delays_nobody_and_is_asked_once() {
    let server = tcp(Manner::Serial).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    assert_eq!(rig.ask("warm", Lane::Elastic).await, Ok(()));
    let slow = rig.ask("slow", Lane::Elastic);
    let fast = async {
        sleep(MS(5)).await;
        let start = Instant::now();
        assert!(rig.ask_all(&labels(40), Lane::Elastic).await.iter().all(Result::is_ok));
        assert!(start.elapsed() < SLOW / 2, "{:?}", start.elapsed());
    };
    assert_eq!(tokio::join!(slow, fast).0, Ok(()));
    assert_eq!(server.asked.load(SeqCst), 42, "neither retried nor hedged");
}

/// Asks two names of one lane, of which the second overtakes the first.
async fn overtake(rig: &Rig, lane: Lane) {
    let second = async {
        sleep(MS(5)).await;
        rig.ask("x", lane).await
    };
    tokio::select! {
        first = rig.ask("slow", lane) => panic!("{first:?} was first"),
        second = second => assert_eq!(second, Ok(())),
    }
}

#[tokio::test]
async fn where_the_server_answers_out_of_order_external_names_share_a_connection() {
    let server = tcp(Manner::Concurrent).await;
    let rig = rig_with(&[Server::Tcp(server.address)], Timing { silence: MS(250), young_head: MS(250), ..quick() }, Bounds::new(4, 0));
    overtake(&rig, Lane::Cluster).await;
    overtake(&rig, Lane::Elastic).await;
    assert!(rig.ask_all(&labels(50), Lane::Elastic).await.iter().all(Result::is_ok));
    assert_eq!(server.accepted.load(SeqCst), 2, "one in each lane");
}

#[tokio::test]
async fn a_shared_connection_that_says_nothing_while_a_question_waits_is_closed_with_it() {
    let server = tcp(Manner::Mixed).await;
    let rig = rig_with(
        &[Server::Tcp(server.address)],
        Timing { idle: MS(60_000), silence: MS(250), young_head: MS(250), ..quick() },
        Bounds::default(),
    );
    overtake(&rig, Lane::Cluster).await;
    overtake(&rig, Lane::Elastic).await;
    assert_eq!(rig.ask("slow", Lane::Elastic).await, Err(FailureClass::QueryTimeout));
    sleep(MS(50)).await;
    assert_eq!(server.accepted.load(SeqCst), 2);
    assert_eq!(rig.metrics.snapshot().connections, 0);
}

#[tokio::test]
async fn a_name_that_is_never_answered_is_no_fault_of_a_server_that_answers_others() {
    let server = tcp(Manner::Mixed).await;
    let deaf = servers::udp(|_, question| if servers::is_slow(question) { vec![] } else { vec![servers::answer(question)] }).await;
    for server_asked in [Server::Tcp(server.address), Server::Udp(deaf)] {
        let rig = rig(&[server_asked]);
        let others = async {
            for _ in 0..6 {
                assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
                sleep(MS(100)).await;
            }
        };
        assert_eq!(tokio::join!(rig.ask("slow", Lane::Elastic), others).0, Err(FailureClass::QueryTimeout));
        assert!(!rig.group.is_out(), "one dead name is no outage");
        assert!(!rig.group.asked().endpoints[0].standing().is_failing());
        let attempts: u64 = rig.metrics.snapshot().attempts.iter().map(|(_, _, count)| count).sum();
        assert_eq!(attempts, 7, "nothing is asked once the time is up");
    }
}

#[tokio::test]
async fn what_exceeds_the_connections_goes_over_udp() {
    let server = tcp(Manner::Serial).await;
    let socket = tokio::net::UdpSocket::bind(server.address).await.unwrap();
    servers::udp_on(socket, |_, question| vec![servers::answer(question)]);
    let rig = rig_with(&[Server::Tcp(server.address)], quick(), Bounds::new(2, 512));
    let names: Vec<String> = (0..10).map(|index| format!("slow{index}")).collect();
    let start = Instant::now();
    assert!(rig.ask_all(&names, Lane::Elastic).await.iter().all(Result::is_ok));
    assert!(start.elapsed() < SLOW * 2);
    assert_eq!(server.accepted.load(SeqCst), 2);
    assert_eq!(rig.metrics.snapshot().overflow, 8);
}

#[tokio::test]
async fn with_everything_full_a_question_waits_for_a_connection_and_is_told_of_overload_when_none_comes_free() {
    let server = tcp(Manner::Serial).await;
    let timing = |exchange| Timing { young_head: MS(0), exchange, ..quick() };
    let names: Vec<String> = (0..3).map(|index| format!("slow{index}")).collect();
    let rig = rig_with(&[Server::Tcp(server.address)], timing(SLOW * 20), Bounds::new(1, 0));
    assert!(rig.ask_all(&names, Lane::Elastic).await.iter().all(Result::is_ok), "one after the other");
    assert_eq!(server.accepted.load(SeqCst), 1);
    // The second takes the first one's place, the third's half of an exchange is over by then.
    let rig = rig_with(&[Server::Tcp(server.address)], timing(SLOW * 3), Bounds::new(1, 0));
    let mut outcomes = rig.ask_all(&names, Lane::Elastic).await;
    outcomes.sort_by_key(Result::is_err);
    assert_eq!(outcomes, [Ok(()), Ok(()), Err(FailureClass::Overload)]);
}

/// So many names take their time, and each of them is answered; the connections of the cluster lane that this took.
async fn asked_at_once(names: usize, bounds: Bounds) -> usize {
    let server = tcp(Manner::Concurrent).await;
    // Who has no place waits for half an exchange.
    let timing = Timing { silence: MS(60_000), dial: MS(10_000), exchange: SLOW * 20, ..quick() };
    let names: Vec<String> = (0..names).map(|index| format!("slow{index}")).collect();
    let rig = rig_with(&[Server::Tcp(server.address)], timing, bounds);
    assert_eq!(rig.ask_all(&names, Lane::Cluster).await.iter().filter(|outcome| outcome.is_err()).count(), 0);
    server.accepted.load(SeqCst)
}

#[tokio::test]
async fn where_cluster_connections_are_full_each_place_that_comes_free_is_taken() {
    assert_eq!(asked_at_once(700, Bounds::new(1, 0)).await, 4, "of 128 questions each");
}

#[tokio::test]
async fn no_question_of_the_cluster_lane_dials_for_itself_where_a_server_has_all_the_connections_it_gets() {
    assert_eq!(asked_at_once(1_200, Bounds::new(64, 0)).await, 8);
}

#[tokio::test]
async fn a_question_waits_for_a_place_at_the_server_that_is_well_rather_than_ask_one_that_fails() {
    let (well, dead) = (tcp(Manner::Concurrent).await, Server::Tcp("127.0.0.1:1".parse().unwrap()));
    let timing = Timing { silence: MS(60_000), dial: MS(10_000), exchange: SLOW * 20, hedge: MS(60_000), ..quick() };
    let rig = rig_with(&[Server::Tcp(well.address), dead], timing, Bounds::new(1, 0));
    while !rig.group.asked().endpoints[1].standing().is_failing() {
        assert_eq!(rig.ask("x", Lane::Cluster).await, Ok(()));
    }
    let attempts = || rig.metrics.snapshot().attempts.iter().map(|(_, _, count)| count).sum::<u64>();
    let before = attempts();
    let names: Vec<String> = (0..700).map(|index| format!("slow{index}")).collect();
    assert_eq!(rig.ask_all(&names, Lane::Cluster).await.iter().filter(|outcome| outcome.is_err()).count(), 0);
    // One now and then finds out whether it still fails.
    assert!(attempts() - before < 720, "{}", attempts() - before);
}

#[tokio::test]
async fn a_question_that_waits_takes_the_place_of_a_connection_that_breaks() {
    let server = tcp(Manner::Mute).await;
    let timing = Timing { young_head: MS(0), exchange: MS(600), ..quick() };
    let rig = rig_with(&[Server::Tcp(server.address)], timing.clone(), Bounds::new(1, 0));
    let (first, second) = tokio::join!(rig.ask("first", Lane::Elastic), async {
        tokio::time::sleep(MS(400)).await;
        rig.ask("second", Lane::Elastic).await
    });
    assert_eq!((first, second), (Err(FailureClass::QueryTimeout), Err(FailureClass::QueryTimeout)), "both were asked");
    assert_eq!(server.asked.load(SeqCst), 2);
}

#[tokio::test]
async fn the_lanes_never_share_a_connection() {
    let server = tcp(Manner::Serial).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    assert_eq!(rig.ask("one", Lane::Elastic).await, Ok(()));
    assert_eq!(rig.ask("two", Lane::Cluster).await, Ok(()));
    assert_eq!(server.accepted.load(SeqCst), 2);
}

#[tokio::test]
async fn an_idle_connection_is_used_again_and_closed_in_time() {
    let server = tcp(Manner::Serial).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    for _ in 0..3 {
        assert_eq!(rig.ask("again", Lane::Elastic).await, Ok(()));
    }
    assert_eq!((server.accepted.load(SeqCst), rig.metrics.snapshot().connections), (1, 1));
    sleep(quick().idle + MS(100)).await;
    assert_eq!((server.open.load(SeqCst), rig.metrics.snapshot().connections), (0, 0));
}

#[tokio::test]
async fn a_retired_connection_takes_no_more() {
    let server = tcp(Manner::Serial).await;
    let rig = rig_with(&[Server::Tcp(server.address)], Timing { age: MS(1), ..quick() }, Bounds::default());
    for _ in 0..3 {
        assert_eq!(rig.ask("again", Lane::Elastic).await, Ok(()));
        sleep(MS(5)).await;
    }
    assert!(server.accepted.load(SeqCst) >= 2);
}

#[tokio::test]
async fn a_dropped_group_leaves_no_socket() {
    let server = tcp(Manner::Serial).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    let metrics = rig.metrics.clone();
    assert!(rig.ask_all(&labels(20), Lane::Elastic).await.iter().all(Result::is_ok));
    assert!(metrics.snapshot().connections > 0);
    let group = rig.group.clone();
    let last = tokio::spawn(async move { group.exchange(&key("slow"), Lane::Elastic).await.is_ok() });
    sleep(MS(20)).await;
    drop(rig);
    assert!(last.await.unwrap(), "what is in flight is still answered");
    sleep(MS(50)).await;
    assert_eq!((metrics.snapshot().connections, server.open.load(SeqCst)), (0, 0));
}

#[test]
fn runtimes_share_connections() {
    let build = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (build(), build());
    let server = first.block_on(tcp(Manner::Serial));
    let rig = rig(&[Server::Tcp(server.address)]);
    first.block_on(rig.ask("one", Lane::Elastic)).unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| second.block_on(rig.ask("two", Lane::Elastic)));
        first.block_on(sleep_until_joined(&other));
        assert_eq!(other.join().unwrap(), Ok(()));
    });
    assert_eq!(server.accepted.load(SeqCst), 1);
}

async fn sleep_until_joined<T>(thread: &std::thread::ScopedJoinHandle<'_, T>) {
    while !thread.is_finished() {
        sleep(MS(1)).await;
    }
}

#[tokio::test]
async fn without_room_for_a_connection_to_one_server_the_other_is_asked_over_the_one_there_is() {
    let (one, other) = (tcp(Manner::Serial).await, tcp(Manner::Serial).await);
    let timing = Timing { idle: MS(60_000), ..quick() };
    let rig = rig_with(&[Server::Tcp(one.address), Server::Tcp(other.address)], timing, Bounds::new(1, 0));
    for _ in 0..20 {
        assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    }
    assert_eq!(one.accepted.load(SeqCst) + other.accepted.load(SeqCst), 1);
}
