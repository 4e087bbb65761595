use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{PATIENCE, ask, config, eventually, is_at_end, serve, tcp_reply};
use crate::listen::Config;

/// A connection from another address of the loopback.
pub(super) fn connect_from(client: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((client, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

fn assert_answered(stream: &mut TcpStream) {
    ask(stream, 9, "hit");
    assert_eq!(tcp_reply(stream), 9);
}

#[test]
fn an_idle_connection_is_closed_and_one_that_dribbles_as_well() {
    let house = serve(&Config { tcp_idle: Duration::from_millis(100), ..config() });
    let (mut idle, mut dribbling) = (house.tcp(), house.tcp());
    assert_answered(&mut idle);
    assert!(is_at_end(&mut idle));
    dribbling.write_all(&[0xff]).unwrap();
    eventually("the dribbling one is closed", || {
        // It may be closed, or even reset, between two octets.
        let gone = dribbling.write_all(&[0xff]).is_err();
        thread::sleep(Duration::from_millis(10));
        gone || house.listeners.snapshot().tcp_open == 0
    });
}

#[test]
fn a_connection_that_waits_for_an_answer_is_not_idle() {
    let idle = Duration::from_millis(50);
    let house = serve(&Config { tcp_idle: idle, ..config() });
    let mut stream = house.tcp();
    ask(&mut stream, 1, "later");
    thread::sleep(idle * 4);
    house.stand_in.leave.add_permits(1);
    assert_eq!(tcp_reply(&mut stream), 1);
    assert!(is_at_end(&mut stream));
}

#[test]
fn in_a_full_house_the_oldest_idle_connection_yields() {
    let house = serve(&Config { tcp_connections: 3, ..config() });
    let (mut busy, mut oldest, mut younger) = (house.tcp(), house.tcp(), house.tcp());
    ask(&mut busy, 1, "later");
    assert_answered(&mut oldest);
    assert_answered(&mut younger);
    eventually("the busy one was heard", || house.listeners.received() == 3);
    let mut newcomer = house.tcp();
    assert_answered(&mut newcomer);
    assert!(is_at_end(&mut oldest));
    assert_answered(&mut younger);
    house.stand_in.leave.add_permits(1);
    assert_eq!(tcp_reply(&mut busy), 1);
    assert_eq!(house.listeners.snapshot().tcp_yielded, 1);
}

#[test]
fn where_all_are_busy_a_newcomer_is_closed_at_once() {
    let house = serve(&Config { tcp_connections: 1, ..config() });
    let mut busy = house.tcp();
    ask(&mut busy, 1, "later");
    eventually("it was heard", || house.listeners.received() == 1);
    assert!(matches!(house.tcp().read(&mut [0; 1]), Ok(0) | Err(_)));
    eventually("it was counted", || house.listeners.snapshot().tcp_refused == 1);
    house.stand_in.leave.add_permits(1);
    assert_eq!(tcp_reply(&mut busy), 1);
}

#[test]
fn one_client_at_its_limit_displaces_only_itself() {
    let house = serve(&Config { tcp_connections_per_client: 1, ..config() });
    let mut other = connect_from([127, 0, 0, 2], house.address);
    assert_answered(&mut other);
    let mut first = connect_from([127, 0, 0, 3], house.address);
    assert_answered(&mut first);
    let mut second = connect_from([127, 0, 0, 3], house.address);
    assert_answered(&mut second);
    assert!(is_at_end(&mut first));
    assert_answered(&mut other);
}

#[test]
fn answers_that_a_client_cannot_take_are_dropped_beyond_what_one_connection_may_hold() {
    let house = serve(&config());
    let (mut greedy, mut modest) = (house.tcp(), house.tcp());
    (0..100).for_each(|id| ask(&mut greedy, id, "large later"));
    eventually("all of them wait", || house.stand_in.begun.lock().len() == 100);
    house.stand_in.leave.add_permits(100);
    eventually("all of them are there", || house.stand_in.done.lock().len() == 100);
    // Of the same runtime: all that was to be dropped has been.
    assert_answered(&mut modest);
    let dropped = house.listeners.snapshot().unread;
    assert!((1..100).contains(&dropped), "{dropped} dropped");
    (dropped..100).for_each(|_| assert!(tcp_reply(&mut greedy) < 100));
    assert_answered(&mut greedy);
}
