use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use super::{House, PATIENCE, config, eventually, query, serve, udp_reply};
use crate::listen::Config;

#[test]
fn a_hit_is_answered_and_counted() {
    let house = serve(&config());
    let socket = house.udp();
    socket.send(&query(7, "hit")).unwrap();
    assert_eq!(udp_reply(&socket), 7);
    assert_eq!(house.listeners.received(), 1);
    eventually("one received, one sent", || {
        let snapshot = house.listeners.snapshot();
        (snapshot.received_udp, snapshot.sent_udp, snapshot.send_failures) == (1, 1, 0)
    });
}

#[test]
fn one_that_waits_holds_back_nobody_and_is_answered_from_the_same_socket() {
    let house = serve(&config());
    let socket = house.udp();
    for (id, order) in [(1, "later"), (2, "hit"), (3, "later"), (4, "silence"), (5, "hit")] {
        socket.send(&query(id, order)).unwrap();
    }
    assert_eq!([udp_reply(&socket), udp_reply(&socket)], [2, 5]);
    house.stand_in.leave.add_permits(2);
    // The socket is connected: a reply from elsewhere would not be seen.
    assert_eq!(HashSet::from([udp_reply(&socket), udp_reply(&socket)]), HashSet::from([1, 3]));
}

#[test]
fn what_is_renewed_after_a_reply_is_answered_to_nobody() {
    let house = serve(&config());
    let socket = house.udp();
    socket.send(&query(1, "renew")).unwrap();
    assert_eq!(udp_reply(&socket), 1);
    house.stand_in.leave.add_permits(2);
    eventually("the renewal has ended", || *house.stand_in.done.lock() == [1]);
    socket.send(&query(2, "later")).unwrap();
    assert_eq!(udp_reply(&socket), 2);
    // Counted after it was sent.
    eventually("two replies in all", || house.listeners.snapshot().sent_udp == 2);
    assert!(socket.set_nonblocking(true).is_ok() && socket.recv(&mut [0; 64]).is_err(), "a third reply came");
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked_whether_it_had_to_wait_or_not() {
    let addresses = vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))];
    let house = serve(&Config { addresses, ..config() });
    house.stand_in.leave.add_permits(1);
    let asked = SocketAddr::from(([127, 0, 0, 77], house.address.port()));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for order in ["hit", "later"] {
        socket.send_to(&query(1, order), asked).unwrap();
        assert_eq!(socket.recv_from(&mut [0; 64]).unwrap().1, asked, "{order}");
    }
}

#[test]
fn two_workers_share_a_port() {
    let house = serve(&Config { workers: 2, ..config() });
    let mut workers = HashSet::new();
    // The kernel spreads by the client's port: that 64 should fall to one worker would be a wonder.
    for _ in 0..64 {
        let socket = house.udp();
        socket.send(&query(1, "worker")).unwrap();
        let mut reply = [0; 64];
        socket.recv(&mut reply).unwrap();
        workers.insert(reply[2]);
    }
    assert_eq!(workers, HashSet::from([0, 1]));
}

#[test]
fn several_addresses_of_both_families_are_served_by_one_worker() {
    let addresses = vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let sockets = crate::listen::bind(&Config { addresses, ..config() }).unwrap();
    let addresses = sockets.addresses().to_vec();
    let supervisor = crate::lifecycle::Supervisor::default();
    let _listeners = sockets.serve(super::StandIn::default(), &supervisor).unwrap();
    for address in addresses {
        let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(address).unwrap();
        socket.send(&query(3, "hit")).unwrap();
        assert_eq!(udp_reply(&socket), 3);
    }
}

#[test]
fn one_that_still_waits_at_the_end_is_answered() {
    let house = serve(&config());
    let socket = house.udp();
    for (id, order) in [(1, "later"), (2, "hit")] {
        socket.send(&query(id, order)).unwrap();
    }
    assert_eq!(udp_reply(&socket), 2, "so the other was handed over before");
    let House { listeners, stand_in, .. } = house;
    let end = std::thread::spawn(|| listeners.close());
    // Too late for an end that looks only once.
    std::thread::sleep(std::time::Duration::from_millis(100));
    stand_in.leave.add_permits(1);
    assert_eq!(udp_reply(&socket), 1);
    end.join().unwrap();
}

#[test]
fn what_the_kernel_drops_while_a_loop_does_not_read_is_counted() {
    // More than the largest buffer that is asked for holds.
    const SENT: u64 = 20_000;
    let house = serve(&config());
    let socket = house.udp();
    let lock = house.stand_in.lock.lock();
    socket.send(&query(0, "hang")).unwrap();
    eventually("it hangs", || house.listeners.received() == 1);
    (1..SENT).for_each(|id| socket.send(&query(id as u16, "silence")).map(drop).unwrap());
    drop(lock);
    eventually("received or lost, and known", || {
        let snapshot = house.listeners.snapshot();
        snapshot.kernel_drops > 0 && snapshot.received_udp + snapshot.kernel_drops == SENT
    });
}
