//! Over UDP.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use super::answers::{QUERY, Queue};

/// Answers at `address`, until killed.
///
/// # Errors
/// What the operating system says against the socket.
pub(super) fn serve(address: SocketAddr, queue: &Queue) -> io::Result<Infallible> {
    let socket = Arc::new(UdpSocket::bind(address)?);
    let mut query = [0; QUERY];
    for serial in 0.. {
        let (length, peer) = socket.recv_from(&mut query)?;
        let writer = Arc::clone(&socket);
        queue.answer(&query[..length], serial, move |reply| drop(writer.send_to(reply, peer)));
    }
    unreachable!("the queries of one run can be counted")
}
