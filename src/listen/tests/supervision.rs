use std::time::Duration;

use super::{ask, config, eventually, is_at_end, query, serve, tcp_reply, udp_reply};
use crate::lifecycle::Health;
use crate::listen::Config;

#[test]
fn a_panic_over_udp_costs_its_own_query_alone_and_the_loop_starts_again_on_the_same_socket() {
    let house = serve(&config());
    let socket = house.udp();
    for (id, order) in [(1, "hit"), (2, "panic"), (3, "hit")] {
        socket.send(&query(id, order)).unwrap();
    }
    assert_eq!([udp_reply(&socket), udp_reply(&socket)], [1, 3]);
    assert_eq!(house.supervisor.deaths(), 1);
}

#[test]
fn a_panic_over_tcp_costs_its_own_connection_alone() {
    let house = serve(&config());
    let (mut bystander, mut victim) = (house.tcp(), house.tcp());
    ask(&mut bystander, 1, "hit");
    assert_eq!(tcp_reply(&mut bystander), 1);
    ask(&mut victim, 2, "panic");
    assert!(is_at_end(&mut victim));
    eventually("the death is reported", || house.supervisor.deaths() == 1);
    ask(&mut bystander, 3, "hit");
    assert_eq!(tcp_reply(&mut bystander), 3);
    let mut newcomer = house.tcp();
    ask(&mut newcomer, 4, "hit");
    assert_eq!(tcp_reply(&mut newcomer), 4);
}

#[test]
fn a_panic_behind_a_wait_costs_one_reply() {
    let house = serve(&config());
    let (socket, mut stream) = (house.udp(), house.tcp());
    house.stand_in.leave.add_permits(2);
    for (id, order) in [(1, "panic later"), (2, "later")] {
        socket.send(&query(id, order)).unwrap();
        ask(&mut stream, id, order);
    }
    assert_eq!((udp_reply(&socket), tcp_reply(&mut stream)), (2, 2));
    assert_eq!(house.supervisor.deaths(), 0);
}

#[test]
fn a_runtime_that_panics_starts_again_without_what_it_had_in_flight_and_hits_go_on() {
    // No clock goes so far: whoever connects makes the acceptor panic, and with it the runtime.
    let house = serve(&Config { tcp_idle: Duration::MAX, ..config() });
    let socket = house.udp();
    socket.send(&query(1, "later")).unwrap();
    eventually("it waits", || *house.stand_in.begun.lock() == [1]);
    let _victim = house.tcp();
    eventually("the death is reported", || house.supervisor.deaths() == 1);
    socket.send(&query(2, "hit")).unwrap();
    assert_eq!(udp_reply(&socket), 2);
    socket.send(&query(3, "later")).unwrap();
    house.stand_in.leave.add_permits(2);
    assert_eq!(udp_reply(&socket), 3, "what waited before went with the old runtime");
    assert_eq!((&*house.stand_in.begun.lock(), &*house.stand_in.done.lock()), (&vec![1, 3], &vec![3]));
    assert_eq!(house.supervisor.wake(), Health::Well);
    // Its places were given back: else an end would wait 2 s for one who never comes.
    house.listeners.close();
}

#[test]
fn three_panics_in_a_row_are_given_up_on() {
    let house = serve(&config());
    let socket = house.udp();
    for id in 0..3 {
        socket.send(&query(id, "panic")).unwrap();
    }
    eventually("given up", || house.supervisor.wake() == Health::GaveUp);
    assert_eq!(house.supervisor.deaths(), 3);
}

#[test]
fn a_loop_that_hangs_is_late_and_then_known_to_hang() {
    let house = serve(&config());
    let name = format!("udp {} of worker 0", house.address);
    let lock = house.stand_in.lock.lock();
    house.udp().send(&query(1, "hang")).unwrap();
    // The other loop ticks once a second: only at that pace is just one of them late.
    eventually("late", || {
        std::thread::sleep(Duration::from_millis(1_100));
        house.supervisor.wake() == Health::Late(vec![name.clone()])
    });
    eventually("hung", || house.supervisor.wake() == Health::Hung(name.clone()));
    drop(lock);
    eventually("well again", || {
        std::thread::sleep(Duration::from_millis(1_100));
        house.supervisor.wake() == Health::Well
    });
}

#[test]
fn loops_that_ended_are_watched_no_longer() {
    let house = serve(&config());
    house.listeners.close();
    for _ in 0..20 {
        assert_eq!(house.supervisor.wake(), Health::Well);
    }
}
