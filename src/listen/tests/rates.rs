use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::limits::connect_from;
use super::stand_in::REFUSED;
use super::{House, PATIENCE, ask, config, eventually, query, serve, tcp_message};
use crate::listen::{Config, Network, RateLimit};

/// So few a second that none comes back while a test runs.
fn limited(exempt: &[&str]) -> House {
    let exempt = exempt.iter().map(|network| Network::parse(network).unwrap()).collect();
    serve(&Config { rate: Some(RateLimit { per_second: 1, burst: 60, exempt }), ..config() })
}

fn udp_from(client: [u8; 4], server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((client, 0))).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends so many, one after the other is answered; how many were answers, and how many refusals.
fn flood(client: &UdpSocket, count: u16) -> (usize, usize) {
    let (mut answers, mut refusals) = (0, 0);
    for id in 0..count {
        client.send(&query(id, "hit")).unwrap();
        let mut reply = [0; 64];
        client.recv(&mut reply).unwrap();
        if reply[3] == REFUSED { refusals += 1 } else { answers += 1 }
    }
    (answers, refusals)
}

#[test]
fn a_client_over_its_rate_is_refused_then_ignored_and_costs_another_nothing() {
    let house = limited(&[]);
    let (greedy, modest) = (udp_from([127, 0, 0, 2], house.address), udp_from([127, 0, 0, 3], house.address));
    let (answers, refusals) = flood(&greedy, 120);
    // A token more for each second that the machine took.
    assert!((60..80).contains(&answers) && refusals > 40, "{answers} answered, {refusals} refused");
    (0..100).for_each(|id| drop(greedy.send(&query(id, "hit"))));
    eventually("the rest meets silence", || house.listeners.snapshot().rate_ignored >= 60);
    assert_eq!(flood(&modest, 50), (50, 0));
    assert!(house.listeners.snapshot().rate_refused >= refusals as u64);
}

#[test]
fn over_tcp_all_that_is_too_much_is_refused_and_counted_with_what_came_over_udp() {
    let house = limited(&[]);
    assert_eq!(flood(&udp_from([127, 0, 0, 2], house.address), 50), (50, 0));
    let mut stream = connect_from([127, 0, 0, 2], house.address);
    (0..200).for_each(|id| ask(&mut stream, id, "hit"));
    let refused = (0..200).filter(|_| tcp_message(&mut stream)[3] == REFUSED).count();
    assert!((170..=190).contains(&refused), "{refused} refused");
}

#[test]
fn who_is_exempt_asks_as_much_as_he_likes() {
    let house = limited(&["127.0.0.2/32"]);
    assert_eq!(flood(&udp_from([127, 0, 0, 2], house.address), 500), (500, 0));
    assert_eq!(house.listeners.snapshot().rate_refused, 0);
}

#[test]
fn what_is_turned_away_never_waits_for_an_upstream() {
    let house = limited(&[]);
    let client = udp_from([127, 0, 0, 2], house.address);
    flood(&client, 60);
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    (0..200).for_each(|id| drop(client.send(&query(id, "later"))));
    eventually("all are turned away", || {
        let snapshot = house.listeners.snapshot();
        snapshot.rate_refused + snapshot.rate_ignored >= 180
    });
    house.stand_in.leave.add_permits(5);
    let replies = std::iter::from_fn(|| {
        let mut reply = [0; 64];
        match client.recv(&mut reply) {
            Ok(_) => Some(reply[3]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("{error}"),
        }
    });
    assert!(replies.filter(|flags| *flags == REFUSED).count() >= 50);
}
