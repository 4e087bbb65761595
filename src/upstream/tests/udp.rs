//! Questions over UDP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::servers::{Manner, answer, is_slow, tcp, udp};
use super::*;

#[tokio::test]
async fn what_does_not_match_is_ignored_until_the_right_answer_comes() {
    let address = udp(|_, question| {
        let right = answer(question);
        let (mut id, mut name, mut query) = (right.clone(), right.clone(), right.clone());
        id[1] ^= 1;
        name[13] ^= 1;
        query[2] &= 0x7f;
        vec![id, name, query, vec![1, 2, 3], right]
    })
    .await;
    let rig = rig(&[Server::Udp(address)]);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    assert_eq!(rig.metrics.snapshot().mismatched, 4);
}

#[tokio::test]
async fn a_wrong_question_alone_is_a_time_out() {
    let address = udp(|_, question| {
        let mut wrong = answer(question);
        wrong[13] ^= 1;
        vec![wrong]
    })
    .await;
    assert_eq!(rig(&[Server::Udp(address)]).ask("x", Lane::Elastic).await, Err(FailureClass::QueryTimeout));
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again_with_the_same_id() {
    let address = udp(|number, question| if number == 0 { vec![] } else { vec![answer(question)] }).await;
    let start = Instant::now();
    assert_eq!(rig(&[Server::Udp(address)]).ask("x", Lane::Elastic).await, Ok(()));
    assert!(start.elapsed() >= MS(120), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_datagram_lost_twice_is_sent_a_third_time_and_no_more() {
    let address = udp(|number, question| if number < 2 { vec![] } else { vec![answer(question)] }).await;
    assert_eq!(rig(&[Server::Udp(address)]).ask("x", Lane::Elastic).await, Ok(()));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let mute = udp(move |_, _| {
        counted.fetch_add(1, SeqCst);
        vec![]
    })
    .await;
    assert_eq!(rig(&[Server::Udp(mute)]).ask("x", Lane::Elastic).await, Err(FailureClass::QueryTimeout));
    assert_eq!(count.load(SeqCst), 3, "RFC 9520 §3.1");
}

#[tokio::test]
async fn with_as_many_in_flight_as_there_may_be_a_question_waits_and_the_lanes_do_not_stand_in_each_others_way() {
    let address = udp(|_, question| if is_slow(question) { vec![] } else { vec![answer(question)] }).await;
    let rig = rig_with(&[Server::Udp(address)], Timing { exchange: MS(3_000), ..quick() }, Bounds::new(64, 8));
    assert!(rig.ask_all(&labels(100), Lane::Cluster).await.iter().all(Result::is_ok), "eight at a time");
    assert!(rig.ask_all(&labels(100), Lane::Elastic).await.iter().all(Result::is_ok), "and as many here");
    let slow: Vec<String> = (0..9).map(|index| format!("slow{index}")).collect();
    let start = Instant::now();
    let cluster = async {
        tokio::time::sleep(MS(100)).await;
        assert!(rig.ask_all(&labels(100), Lane::Cluster).await.iter().all(Result::is_ok));
        start.elapsed()
    };
    let (outcomes, after) = tokio::join!(rig.ask_all(&slow, Lane::Elastic), cluster);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(FailureClass::Overload)).count(), 1, "{outcomes:?}");
    assert!(after < MS(1_500), "{after:?}: dead names of others kept the cluster's waiting");
}

#[tokio::test]
async fn a_slow_name_of_a_server_that_answers_others_is_waited_for_and_no_fault() {
    let serve = |mark: Arc<AtomicUsize>| {
        udp(move |_, question| {
            let slow = question[13..].starts_with(b"slow");
            mark.fetch_add(usize::from(slow), SeqCst);
            if slow { vec![] } else { vec![answer(question)] }
        })
    };
    let slow_asked = Arc::new(AtomicUsize::new(0));
    let servers = [Server::Udp(serve(slow_asked.clone()).await), Server::Udp(serve(slow_asked.clone()).await)];
    let rig = rig_with(&servers, Timing { exchange: MS(1_500), patience: MS(800), ..quick() }, Bounds::default());
    let others = async {
        // Several at a time: where the slow one waits must have some of them.
        while rig.ask_all(&labels(8), Lane::Elastic).await.iter().all(Result::is_ok) {
            tokio::time::sleep(MS(5)).await;
        }
    };
    tokio::select! {
        outcome = rig.ask("slow", Lane::Elastic) => assert_eq!(outcome, Err(FailureClass::QueryTimeout)),
        () = others => panic!("the others are answered"),
    }
    assert_eq!(slow_asked.load(SeqCst), 3, "of one server alone");
    assert!(rig.group.asked().endpoints.iter().all(|endpoint| !endpoint.standing().is_failing()));
}

#[tokio::test]
async fn a_truncated_answer_is_fetched_over_tcp() {
    let server = tcp(Manner::Serial).await;
    let socket = UdpSocket::bind(server.address).await.unwrap();
    super::servers::udp_on(socket, |_, question| {
        let mut truncated = answer(question);
        truncated[2] |= 2;
        vec![truncated]
    });
    let rig = rig(&[Server::Udp(server.address)]);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    assert_eq!(server.asked.load(SeqCst), 1);
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_refused_at_once() {
    let address = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(rig(&[Server::Udp(address)]).ask("x", Lane::Elastic).await, Err(FailureClass::DialRefused), "no wait for a time-out");
}

#[tokio::test]
async fn a_silent_server_is_left_for_another() {
    let silent = udp(|_, _| vec![]).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let good = udp(move |_, question| {
        counted.fetch_add(1, SeqCst);
        vec![answer(question)]
    })
    .await;
    let rig = rig(&[Server::Udp(silent), Server::Udp(good)]);
    for _ in 0..10 {
        assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    }
    assert_eq!(count.load(SeqCst), 10);
}

#[tokio::test]
async fn every_question_has_its_own_port_and_id_and_an_opt() {
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let kept = seen.clone();
    let address = udp(move |_, question| {
        kept.lock().push((question[..2].to_vec(), question[11]));
        vec![answer(question)]
    })
    .await;
    let rig = rig(&[Server::Udp(address)]);
    assert!(rig.ask_all(&labels(20), Lane::Elastic).await.iter().all(Result::is_ok));
    let seen = seen.lock();
    assert!(seen.iter().all(|(_, additional)| *additional == 1));
    assert!(seen.iter().any(|(id, _)| *id != seen[0].0));
}
