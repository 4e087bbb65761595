use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::listen::batch::{Inbox, Outbox, kernel_drops, report_destination, set_option};

/// Long enough that only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

fn bound(address: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// All of the next `count` datagrams, however many batches they come in.
fn receive(inbox: &mut Inbox, socket: &UdpSocket, count: usize) -> Vec<(Vec<u8>, SocketAddr, Option<IpAddr>)> {
    let mut received = Vec::new();
    while received.len() < count {
        for index in 0..inbox.receive(socket).unwrap() {
            let datagram = inbox.datagram(index);
            received.push((datagram.octets.to_vec(), datagram.peer, datagram.local));
        }
    }
    received
}

fn queue(outbox: &mut Outbox, octets: &[u8], peer: Option<SocketAddr>, local: Option<IpAddr>) {
    outbox.buffer().unwrap()[..octets.len()].copy_from_slice(octets);
    outbox.push(octets.len(), peer, local);
}

#[test]
fn a_batch_goes_out_and_comes_in_with_octets_and_peers_over_both_families() {
    for loopback in ["127.0.0.1:0", "[::1]:0"] {
        let ((ours, at), (theirs, peer)) = (bound(loopback), bound(loopback));
        let (mut inbox, mut outbox) = (Inbox::new(4, 64), Outbox::new(4, 64));
        // Twice, since a box is used again and again.
        for round in [b'a', b'k'] {
            let sent: Vec<Vec<u8>> = (0..4).map(|index| vec![round + index; 1 + usize::from(index)]).collect();
            for octets in &sent {
                queue(&mut outbox, octets, Some(at), None);
            }
            assert_eq!(outbox.send(&theirs), (4, 0));
            let received = receive(&mut inbox, &ours, 4);
            assert_eq!(received, sent.into_iter().map(|octets| (octets, peer, None)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn one_call_takes_all_that_is_there_and_waits_for_no_more() {
    let ((ours, at), (theirs, _)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    for octet in 0..3 {
        theirs.send_to(&[octet], at).unwrap();
    }
    assert_eq!(Inbox::new(8, 64).receive(&ours).unwrap(), 3);
}

#[test]
fn an_empty_socket_is_waited_for_as_long_as_its_read_timeout() {
    let (ours, _) = bound("127.0.0.1:0");
    ours.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    assert_eq!(Inbox::new(1, 64).receive(&ours).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_datagram_that_is_too_long_is_cut() {
    let ((ours, at), (theirs, peer)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    theirs.send_to(&[7; 100], at).unwrap();
    theirs.send_to(&[8; 2], at).unwrap();
    let received = receive(&mut Inbox::new(2, 64), &ours, 2);
    assert_eq!(received, [(vec![7; 64], peer, None), (vec![8; 2], peer, None)]);
}

#[test]
fn a_full_box_takes_no_more_and_is_empty_after_it_was_sent() {
    let ((_ours, at), (theirs, _)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let mut outbox = Outbox::new(2, 16);
    queue(&mut outbox, b"one", Some(at), None);
    queue(&mut outbox, b"two", Some(at), None);
    assert!(outbox.buffer().is_none());
    outbox.push(1, Some(at), None);
    assert_eq!(outbox.send(&theirs), (2, 0));
    assert_eq!(outbox.buffer().unwrap().len(), 16);
    assert_eq!(outbox.send(&theirs), (0, 0));
}

#[test]
fn a_connected_socket_needs_no_peer_even_after_a_slot_had_one() {
    let ((ours, at), (theirs, peer)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let mut outbox = Outbox::new(1, 16);
    queue(&mut outbox, b"named", Some(at), None);
    assert_eq!(outbox.send(&theirs), (1, 0));
    theirs.connect(at).unwrap();
    queue(&mut outbox, b"bare", None, None);
    assert_eq!(outbox.send(&theirs), (1, 0));
    let received = receive(&mut Inbox::new(2, 16), &ours, 2);
    assert_eq!(received, [(b"named".to_vec(), peer, None), (b"bare".to_vec(), peer, None)]);
}

#[test]
fn one_that_cannot_be_sent_does_not_hold_back_the_rest() {
    let ((ours, at), (theirs, peer)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let mut outbox = Outbox::new(4, 16);
    queue(&mut outbox, b"a", Some(at), None);
    // A broadcast is denied to a socket without SO_BROADCAST, and port 0 is no destination.
    queue(&mut outbox, b"b", Some("255.255.255.255:53".parse().unwrap()), None);
    queue(&mut outbox, b"c", Some("127.0.0.1:0".parse().unwrap()), None);
    queue(&mut outbox, b"d", Some(at), None);
    assert_eq!(outbox.send(&theirs), (2, 2));
    let received = receive(&mut Inbox::new(4, 16), &ours, 2);
    assert_eq!(received, [(b"a".to_vec(), peer, None), (b"d".to_vec(), peer, None)]);
}

#[test]
fn with_the_send_buffer_full_the_rest_is_dropped() {
    let ((ours, at), (theirs, peer)) = (bound("[::1]:0"), bound("[::1]:0"));
    // The loopback takes whole datagrams out of the sender's account at once; only one in fragments can overdraw it (ENOBUFS).
    set_option(&theirs, libc::IPPROTO_IPV6, libc::IPV6_MTU, 1_280).unwrap();
    socket2::SockRef::from(&theirs).set_send_buffer_size(1).unwrap();
    let mut outbox = Outbox::new(4, 65_000);
    for length in [1, 65_000, 2, 3] {
        outbox.push(length, Some(at), None);
    }
    assert_eq!(outbox.send(&theirs), (1, 3));
    queue(&mut outbox, b"next", Some(at), None);
    assert_eq!(outbox.send(&theirs), (1, 0));
    let received = receive(&mut Inbox::new(4, 16), &ours, 2);
    assert_eq!(received, [(vec![0], peer, None), (b"next".to_vec(), peer, None)]);
}

#[test]
fn a_wildcard_socket_says_where_a_datagram_came_to_and_replies_from_there() {
    for (wildcard, loopbacks) in [("0.0.0.0:0", ["127.0.0.1", "127.0.0.2"]), ("[::]:0", ["::1", "::1"])] {
        let (ours, at) = bound(wildcard);
        report_destination(&ours).unwrap();
        let (mut inbox, mut outbox) = (Inbox::new(2, 16), Outbox::new(2, 16));
        for loopback in loopbacks {
            let local: IpAddr = loopback.parse().unwrap();
            let (theirs, _) = bound(&SocketAddr::new(local, 0).to_string());
            let asked = SocketAddr::new(local, at.port());
            theirs.send_to(b"query", asked).unwrap();
            let (_, peer, destination) = receive(&mut inbox, &ours, 1).remove(0);
            assert_eq!(destination, Some(local));
            queue(&mut outbox, b"reply", Some(peer), destination);
            assert_eq!(outbox.send(&ours), (1, 0));
            let mut octets = [0; 16];
            assert_eq!(theirs.recv_from(&mut octets).unwrap(), (5, asked));
        }
    }
}

#[test]
fn what_the_kernel_dropped_for_want_of_room_is_known() {
    let ((ours, at), (theirs, _)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    assert_eq!(kernel_drops(&ours), Some(0));
    socket2::SockRef::from(&ours).set_recv_buffer_size(1).unwrap();
    for _ in 0..64 {
        theirs.send_to(&[0; 1_000], at).unwrap();
    }
    assert!(kernel_drops(&ours).unwrap() > 0);
}
