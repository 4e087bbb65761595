//! What servers and networks do wrong over TCP.

use std::sync::atomic::Ordering::SeqCst;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::servers::{Manner, SLOW, tcp, tcp_on};
use super::*;
use crate::wire::Rcode;

/// A deadline that a busy machine does not come near.
const PATIENT: std::time::Duration = std::time::Duration::from_secs(10);

async fn one(manner: Manner, lane: Lane) -> Result<(), FailureClass> {
    let server = tcp(manner).await;
    rig(&[Server::Tcp(server.address)]).ask("x", lane).await
}

/// An address where nothing listens.
async fn refused() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_server_that_closes_after_every_answer_costs_no_client_a_failure() {
    for lane in Lane::ALL {
        let server = tcp(Manner::CloseAfter(1)).await;
        let rig = rig(&[Server::Tcp(server.address)]);
        for _ in 0..20 {
            assert_eq!(rig.ask("x", lane).await, Ok(()));
        }
        assert!(rig.ask_all(&labels(14), lane).await.iter().all(Result::is_ok), "{lane:?}");
    }
}

#[tokio::test]
async fn closing_while_idle_is_no_failure() {
    let server = tcp(Manner::CloseAfter(1)).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    for _ in 0..3 {
        assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
        let fin_was_seen = async {
            while rig.metrics.snapshot().connections > 0 {
                sleep(MS(1)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENT, fin_was_seen).await.is_ok());
    }
    assert_eq!(rig.metrics.snapshot().resent, 0);
}

#[tokio::test]
async fn octets_may_dribble() {
    assert_eq!(one(Manner::Dribble, Lane::Elastic).await, Ok(()));
}

#[tokio::test]
async fn an_unknown_id_is_ignored_and_a_wrong_question_is_not_an_answer() {
    assert_eq!(one(Manner::WrongIdFirst, Lane::Elastic).await, Ok(()));
    assert_eq!(one(Manner::WrongQuestion, Lane::Elastic).await, Err(FailureClass::Mismatch));
}

#[tokio::test]
async fn half_an_answer_is_named() {
    assert_eq!(one(Manner::Half, Lane::Elastic).await, Err(FailureClass::ClosedMidAnswer));
}

#[tokio::test]
async fn a_reset_is_named_once_it_has_come_twice() {
    for lane in Lane::ALL {
        let server = tcp(Manner::Reset).await;
        assert_eq!(rig(&[Server::Tcp(server.address)]).ask("x", lane).await, Err(FailureClass::Reset));
        assert!(server.asked.load(SeqCst) >= 2, "once is no failure (RFC 7766 §6.2.2)");
    }
}

#[tokio::test]
async fn a_refused_dial_is_named_and_is_an_outage_until_the_first_success() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rig = rig(&[Server::Tcp(address)]);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::DialRefused));
    assert!(rig.group.is_out());
    assert_eq!(rig.group.outage_epoch(), 0);
    let _server = tcp_on(TcpListener::bind(address).await.unwrap(), Manner::Serial);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    assert_eq!(rig.group.outage_epoch(), 1);
}

#[tokio::test]
async fn while_every_server_is_out_each_is_tried_once() {
    let address = "127.255.255.255:53".parse().unwrap();
    for servers in [1, 2] {
        let rig = rig(&vec![Server::Tcp(address); servers]);
        let attempts = || rig.metrics.snapshot().attempts.iter().map(|(.., count)| count).sum::<u64>();
        assert_eq!(rig.ask("x", Lane::Cluster).await, Err(FailureClass::NoRoute));
        let before = attempts();
        assert_eq!(before, 3, "RFC 9520 §3.1");
        assert_eq!(rig.ask("y", Lane::Cluster).await, Err(FailureClass::NoRoute));
        assert_eq!(attempts() - before, servers as u64);
    }
}

#[tokio::test]
async fn what_a_server_says_instead_of_an_answer_is_named() {
    for (manner, class) in [
        (Manner::ServFail, FailureClass::ServFail),
        (Manner::Lame, FailureClass::Refused),
        (Manner::Odd, FailureClass::OtherRcode),
        (Manner::FormErr, FailureClass::OtherRcode),
        (Manner::Garbage, FailureClass::Malformed),
    ] {
        assert_eq!(one(manner, Lane::Elastic).await, Err(class));
    }
}

#[tokio::test]
async fn what_is_no_answer_is_asked_for_once_more_and_by_itself() {
    for (manner, outcome, questions) in [
        (Manner::GarbageFirst, Ok(()), 2),
        (Manner::Garbage, Err(FailureClass::Malformed), 2),
        (Manner::WrongQuestion, Err(FailureClass::Mismatch), 2),
    ] {
        let server = tcp(manner).await;
        let rig = rig(&[Server::Tcp(server.address)]);
        assert_eq!(rig.ask("x", Lane::Cluster).await, outcome);
        assert_eq!((server.asked.load(SeqCst), server.accepted.load(SeqCst)), (questions, questions));
    }
}

#[tokio::test]
async fn what_the_kernel_says_of_the_way_there_is_named_at_once() {
    // Of a broadcast address Linux says ENETUNREACH to TCP, and EACCES to UDP that did not ask for broadcasts.
    let address = "127.255.255.255:53".parse().unwrap();
    for (server, class) in [(Server::Tcp(address), FailureClass::NoRoute), (Server::Udp(address), FailureClass::Denied)] {
        let rig = rig_with(&[server], Timing { exchange: PATIENT, ..quick() }, Bounds::default());
        let start = Instant::now();
        assert_eq!(rig.ask("x", Lane::Elastic).await, Err(class));
        assert!(class.is_local() && start.elapsed() < PATIENT / 2, "{:?}", start.elapsed());
        assert!(rig.group.is_out());
    }
    let quic = Server::Quic(address, address.ip().into());
    assert_eq!(rig(&[quic]).ask("x", Lane::Elastic).await, Err(FailureClass::Denied));
}

#[tokio::test]
async fn a_dial_without_an_answer_is_named() {
    // A full backlog: the kernel drops further SYNs.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _first = std::net::TcpStream::connect(address).unwrap();
    let rig = rig_with(&[Server::Tcp(address)], Timing { exchange: PATIENT, ..quick() }, Bounds::default());
    let start = Instant::now();
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::DialTimeout));
    assert!(start.elapsed() < PATIENT / 2, "three dials: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_query_timeout() {
    let server = tcp(Manner::Mute).await;
    let patient = rig_with(&[Server::Tcp(server.address)], Timing { exchange: PATIENT, ..quick() }, Bounds::default());
    let start = Instant::now();
    assert_eq!(patient.ask("x", Lane::Cluster).await, Err(FailureClass::QueryTimeout));
    assert!(start.elapsed() < PATIENT / 2, "twice silent, before the deadline: {:?}", start.elapsed());
    assert_eq!(server.asked.load(SeqCst), 2);
    let rig = rig(&[Server::Tcp(server.address)]);
    assert_eq!(rig.ask("x", Lane::Elastic).await, Err(FailureClass::QueryTimeout));
    assert_eq!(server.asked.load(SeqCst), 3, "slowness is no fault in the elastic lane");
}

#[tokio::test]
async fn a_silent_stream_is_set_aside_and_those_behind_its_head_are_answered_elsewhere() {
    let server = tcp(Manner::Serial).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    let names = ["slow".to_owned(), "a".to_owned(), "b".to_owned()];
    let start = Instant::now();
    let behind = async {
        sleep(MS(5)).await;
        assert_eq!(rig.ask_all(&names[1..], Lane::Cluster).await, [Ok(()), Ok(())]);
        assert!(start.elapsed() < SLOW, "{:?}", start.elapsed());
    };
    let (slow, ()) = tokio::join!(rig.ask_all(&names[..1], Lane::Cluster), behind);
    assert_eq!(slow, [Ok(())], "the slow name itself gets a connection of its own");
}

#[tokio::test]
async fn a_dead_first_server_does_not_cost_every_question_a_failure() {
    let server = tcp(Manner::Serial).await;
    let rig = rig(&[Server::Tcp(refused().await), Server::Tcp(server.address)]);
    for _ in 0..30 {
        assert_eq!(rig.ask("x", Lane::Elastic).await, Ok(()));
    }
    let (_, _, attempts) = rig.metrics.snapshot().attempts[3];
    assert!(attempts <= 33, "{attempts}");
}

#[tokio::test]
async fn a_cluster_name_that_takes_too_long_is_asked_of_another_server_within_the_budget() {
    let (deaf, quick_one) = (tcp(Manner::Mixed).await, tcp(Manner::CloseAfter(10_000)).await);
    // Silence is not what helps here.
    let timing = Timing { exchange: PATIENT, silence: PATIENT, ..quick() };
    let rig = rig_with(&[Server::Tcp(deaf.address), Server::Tcp(quick_one.address)], timing, Bounds::default());
    for _ in 0..1_000 {
        assert_eq!(rig.ask("x", Lane::Cluster).await, Ok(()));
    }
    let before = rig.metrics.snapshot().hedged;
    assert!(before <= 20, "{before}");
    // So much is in flight at the other one that the deaf one is asked first.
    let endpoints = rig.group.asked().endpoints;
    let busy: Vec<_> = (0..10_000).map(|_| endpoints[1].choose(Lane::Cluster, Instant::now())).collect();
    let start = Instant::now();
    assert_eq!(rig.ask("slow", Lane::Cluster).await, Ok(()));
    assert!(start.elapsed() < PATIENT / 2, "{:?}", start.elapsed());
    assert_eq!(rig.metrics.snapshot().hedged, before + 1);
    drop(busy);
    let elastic = rig_with(&[Server::Tcp(deaf.address), Server::Tcp(quick_one.address)], quick(), Bounds::default());
    let slow: Vec<String> = (0..8).map(|index| format!("slow{index}")).collect();
    assert_eq!(elastic.ask_all(&slow, Lane::Elastic).await.len(), 8);
    assert_eq!(elastic.metrics.snapshot().hedged, 0, "a slow name is slow everywhere");
}

#[tokio::test]
async fn an_elastic_question_leaves_a_server_that_the_cluster_lane_has_found_silent() {
    let (mute, well) = (tcp(Manner::Mute).await, tcp(Manner::Serial).await);
    let rig = rig_with(&[Server::Tcp(mute.address), Server::Tcp(well.address)], Timing { exchange: PATIENT, ..quick() }, Bounds::default());
    // So much is in flight at the other one that the mute one is asked first.
    let asked = rig.group.asked();
    let busy: Vec<_> = Lane::ALL.iter().flat_map(|lane| (0..1_000).map(|_| asked.endpoints[1].choose(*lane, Instant::now()))).collect();
    let start = Instant::now();
    let outcomes = tokio::join!(rig.ask("x", Lane::Elastic), rig.ask("y", Lane::Cluster));
    assert_eq!(outcomes, (Ok(()), Ok(())));
    assert!(mute.asked.load(SeqCst) >= 2 && start.elapsed() < PATIENT / 2, "{:?}", start.elapsed());
    drop(busy);
}

#[tokio::test]
async fn what_was_waited_for_a_silent_server_gives_no_patience_with_the_next() {
    let (mute, well) = (tcp(Manner::Mute).await, tcp(Manner::Concurrent).await);
    let timing = Timing { exchange: PATIENT, silence: MS(500), ..quick() };
    let rig = rig_with(&[Server::Tcp(mute.address), Server::Tcp(well.address)], timing, Bounds::default());
    let asked = rig.group.asked();
    let busy: Vec<_> = (0..1_000).map(|_| asked.endpoints[1].choose(Lane::Cluster, Instant::now())).collect();
    // All wait for the mute one first.
    assert!(rig.ask_all(&labels(30), Lane::Cluster).await.iter().all(Result::is_ok));
    assert!(rig.group.shared.silence(Lane::Cluster).unwrap() < MS(1_900), "four times what it took in all is more");
    drop(busy);
}

#[tokio::test]
async fn servfail_is_asked_of_another_server_once_and_else_is_the_answer() {
    let (bad, worse, good) = (tcp(Manner::ServFail).await, tcp(Manner::ServFail).await, tcp(Manner::Serial).await);
    let servers = [Server::Tcp(bad.address), Server::Tcp(good.address)];
    for _ in 0..8 {
        assert_eq!(rig(&servers).ask("x", Lane::Elastic).await, Ok(()));
    }
    let servers = [Server::Tcp(bad.address), Server::Tcp(worse.address)];
    let before = bad.asked.load(SeqCst);
    assert_eq!(rig(&servers).ask("x", Lane::Elastic).await, Err(FailureClass::ServFail));
    assert_eq!((bad.asked.load(SeqCst) - before, worse.asked.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn formerr_is_asked_of_another_server_once_and_else_is_servfail() {
    let (bad, worse, good) = (tcp(Manner::FormErr).await, tcp(Manner::FormErr).await, tcp(Manner::Serial).await);
    for _ in 0..8 {
        assert_eq!(rig(&[Server::Tcp(bad.address), Server::Tcp(good.address)]).ask("x", Lane::Elastic).await, Ok(()));
    }
    let rig = rig(&[Server::Tcp(bad.address), Server::Tcp(worse.address)]);
    let failure = rig.group.exchange(&key("x"), Lane::Elastic).await.unwrap_err();
    assert_eq!((failure.class, failure.rcode), (FailureClass::OtherRcode, Rcode::SERV_FAIL), "the client's query was well");
    assert_eq!(worse.asked.load(SeqCst), 1);
}

#[tokio::test]
async fn formerr_to_opt_is_asked_again_without_and_remembered() {
    let server = tcp(Manner::NoOpt).await;
    let rig = rig(&[Server::Tcp(server.address)]);
    let key = Key { dnssec_ok: true, ..key("x") };
    assert!(rig.group.exchange(&key, Lane::Elastic).await.is_ok());
    assert_eq!(server.asked.load(SeqCst), 2);
    assert!(rig.group.exchange(&key, Lane::Elastic).await.is_ok());
    assert_eq!(server.asked.load(SeqCst), 3);
}

#[tokio::test]
async fn a_server_that_takes_opt_goes_on_being_sent_it_though_another_does_not() {
    let (simple, able) = (tcp(Manner::NoOpt).await, tcp(Manner::Serial).await);
    let key = Key { dnssec_ok: true, ..key("x") };
    // Which one is asked first is drawn: often enough it is the one that complains.
    for _ in 0..20 {
        let rig = rig(&[Server::Tcp(simple.address), Server::Tcp(able.address)]);
        assert!(rig.group.exchange(&key, Lane::Elastic).await.is_ok());
        assert!(rig.group.asked().endpoints[1].sends_opt(&key, Instant::now()));
    }
}
