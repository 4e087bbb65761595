use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::stand_in::LARGE;
use super::{PATIENCE, ask, config, eventually, framed, is_at_end, query, serve, tcp_message, tcp_reply};

#[test]
fn of_a_hundred_pipelined_queries_only_the_slow_one_comes_late() {
    let house = serve(&config());
    let mut stream = house.tcp();
    let queries: Vec<u8> = (0..100).flat_map(|id| framed(&query(id, if id == 0 { "later" } else { "hit" }))).collect();
    stream.write_all(&queries).unwrap();
    let early: HashSet<u16> = (1..100).map(|_| tcp_reply(&mut stream)).collect();
    assert_eq!(early, (1..100).collect());
    house.stand_in.leave.add_permits(1);
    assert_eq!(tcp_reply(&mut stream), 0);
    let snapshot = house.listeners.snapshot();
    assert_eq!((snapshot.received_tcp, snapshot.sent_tcp, snapshot.tcp_open), (100, 100, 1));
}

#[test]
fn more_than_may_be_in_flight_are_answered_all_the_same() {
    let house = serve(&config());
    let mut stream = house.tcp();
    let queries: Vec<u8> = (0..500).flat_map(|id| framed(&query(id, "later"))).collect();
    stream.write_all(&queries).unwrap();
    eventually("as many are read as may be in flight", || house.listeners.received() == 100);
    house.stand_in.leave.add_permits(500);
    let replies: HashSet<u16> = (0..500).map(|_| tcp_reply(&mut stream)).collect();
    assert_eq!(replies, (0..500).collect());
}

#[test]
fn a_message_may_come_octet_by_octet() {
    let house = serve(&config());
    let mut stream = house.tcp();
    for octet in framed(&query(0x0102, "hit")).into_iter().chain(framed(&query(3, "hit"))) {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!([tcp_reply(&mut stream), tcp_reply(&mut stream)], [0x0102, 3]);
}

#[test]
fn a_client_that_has_asked_all_it_wants_still_gets_its_answers() {
    let house = serve(&config());
    let mut stream = house.tcp();
    ask(&mut stream, 1, "later");
    ask(&mut stream, 2, "hit");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(tcp_reply(&mut stream), 2);
    house.stand_in.leave.add_permits(1);
    assert_eq!(tcp_reply(&mut stream), 1);
    assert!(is_at_end(&mut stream));
    eventually("it is closed", || house.listeners.snapshot().tcp_open == 0);
}

#[test]
fn something_too_short_ends_its_connection_after_the_answers_and_no_other() {
    let house = serve(&config());
    let (mut bystander, mut stream) = (house.tcp(), house.tcp());
    ask(&mut stream, 1, "hit");
    stream.write_all(&[0, 3, 1, 2, 3]).unwrap();
    assert_eq!(tcp_reply(&mut stream), 1);
    assert!(is_at_end(&mut stream));
    ask(&mut bystander, 2, "hit");
    assert_eq!(tcp_reply(&mut bystander), 2);
}

#[test]
fn what_has_no_reply_leaves_the_connection_as_it_is() {
    let house = serve(&config());
    let mut stream = house.tcp();
    ask(&mut stream, 1, "silence");
    ask(&mut stream, 2, "hit");
    assert_eq!(tcp_reply(&mut stream), 2);
}

/// Sends `count` queries with large replies and reads none; returns when the server has stopped reading.
fn flood(house: &super::House, count: u16) -> TcpStream {
    let mut stream = house.tcp();
    let queries: Vec<u8> = (0..count).flat_map(|id| framed(&query(id, "large"))).collect();
    stream.write_all(&queries).unwrap();
    let mut before = 0;
    eventually("the server stops reading", || {
        thread::sleep(Duration::from_millis(100));
        let received = house.listeners.received();
        std::mem::replace(&mut before, received) == received && received > 0
    });
    stream
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_loses_nothing_once_it_does() {
    let house = serve(&config());
    let mut stream = flood(&house, 1_000);
    // Besides what we queue, the kernel holds some megabytes on either side.
    assert!(house.listeners.received() < 1_000, "{} were read", house.listeners.received());
    for id in 0..1_000 {
        let message = tcp_message(&mut stream);
        assert_eq!((message.len(), u16::from_be_bytes([message[0], message[1]])), (LARGE, id));
    }
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    let house = serve(&config());
    let _stream = flood(&house, 1_000);
    assert_eq!(house.listeners.snapshot().tcp_open, 1);
    eventually("it is closed", || house.listeners.snapshot().tcp_open == 0);
}

#[test]
fn an_end_brings_the_last_answers_and_a_fin() {
    let house = serve(&config());
    let (mut idle, mut waiting) = (house.tcp(), house.tcp());
    ask(&mut idle, 1, "hit");
    assert_eq!(tcp_reply(&mut idle), 1);
    // Half a message: input that nobody will ever take.
    idle.write_all(&[0, 200, 1, 2, 3]).unwrap();
    ask(&mut waiting, 2, "later");
    eventually("both were read", || house.listeners.received() == 2);
    let listeners = house.listeners;
    let end = thread::spawn(move || listeners.close());
    assert!(is_at_end(&mut idle));
    // Sent after the FIN came: with the socket gone already this would be answered by a reset.
    idle.write_all(&[4, 5, 6]).unwrap();
    assert!(is_at_end(&mut idle));
    house.stand_in.leave.add_permits(1);
    assert_eq!(tcp_reply(&mut waiting), 2);
    assert!(is_at_end(&mut waiting));
    drop((idle, waiting));
    end.join().unwrap();
    assert!(TcpStream::connect(house.address).is_err());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an end must not take for ever")]
fn an_end_does_not_wait_for_clients_that_hold_on() {
    let house = serve(&config());
    let (mut holds_on, mut asks) = (house.tcp(), house.tcp());
    ask(&mut asks, 1, "later");
    ask(&mut holds_on, 2, "hit");
    assert_eq!(tcp_reply(&mut holds_on), 2);
    let start = Instant::now();
    house.listeners.close();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // Whether by FIN or by reset, it is over.
    asks.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(asks.read(&mut [0; 1]), Ok(0) | Err(_)));
}
