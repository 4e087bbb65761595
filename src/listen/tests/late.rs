use std::net::UdpSocket;
use std::sync::Arc;

use crate::listen::counters::Worker;
use crate::listen::late::Late;
use crate::listen::udp::ReplyTo;

/// One of the server's sockets, and a client that hears what leaves from it.
fn pair() -> (Arc<UdpSocket>, UdpSocket) {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_nonblocking(true).unwrap();
    (Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap()), client)
}

fn to(socket: &Arc<UdpSocket>, client: &UdpSocket) -> ReplyTo {
    ReplyTo { socket: socket.clone(), peer: client.local_addr().unwrap(), local: None }
}

/// What has come, in its order.
fn heard(client: &UdpSocket) -> Vec<u8> {
    let mut reply = [0; 16];
    std::iter::from_fn(|| client.recv(&mut reply).ok().map(|_| reply[0])).collect()
}

#[tokio::test]
async fn replies_that_are_due_together_leave_together_and_from_the_socket_that_was_asked() {
    let ((socket, client), (other, stranger)) = (pair(), pair());
    let (late, counters) = (Late::new(), Worker::default());
    let send = |reply: &'static [u8], from| late.send(reply, to(from, &client), &counters);
    let meanwhile = async { heard(&client) };
    let (.., before) = tokio::join!(biased; send(&[1], &socket), send(&[2], &socket), send(&[3], &socket), meanwhile);
    assert!(before.is_empty(), "one left before all that were due");
    assert_eq!(heard(&client), [1, 2, 3]);
    let for_stranger = late.send(&[9], to(&other, &stranger), &counters);
    tokio::join!(biased; send(&[4], &socket), for_stranger, send(&[5], &socket));
    assert_eq!((heard(&client), heard(&stranger)), (vec![4, 5], vec![9]));
}

#[tokio::test]
async fn more_than_one_system_call_takes_leave_in_several() {
    let (socket, client) = pair();
    let (late, counters) = (Arc::new(Late::new()), Arc::new(Worker::default()));
    let mut replies = tokio::task::JoinSet::new();
    for octet in 0..100 {
        let (late, counters, to) = (late.clone(), counters.clone(), to(&socket, &client));
        replies.spawn(async move { late.send(&[octet], to, &counters).await });
    }
    replies.join_all().await;
    assert_eq!(heard(&client), Vec::from_iter(0..100));
}

#[tokio::test]
async fn one_that_is_too_long_holds_back_no_other() {
    let (socket, client) = pair();
    let (late, counters) = (Late::new(), Worker::default());
    late.send(&[0; 2_000], to(&socket, &client), &counters).await;
    late.send(&[7], to(&socket, &client), &counters).await;
    assert_eq!(heard(&client), [7]);
}
