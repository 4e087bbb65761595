//! The socket floor: what it costs to receive and send a datagram by the batch, with no DNS in between. Nothing can be cheaper.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use doorstep::listen::batch::{Inbox, Outbox};
use socket2::SockRef;

/// Datagrams received together, as doorstep's own workers do.
const BATCH: usize = 32;
/// Octets of the largest query.
const QUERY: usize = 512;
/// Receive buffer asked for, in octets; the kernel gives what rmem_max allows.
const BUFFER: usize = 4 << 20;

/// Turns every query round, with QR set, until killed.
///
/// # Errors
/// What the operating system says against the socket.
pub(crate) fn serve(address: SocketAddr) -> io::Result<Infallible> {
    let socket = UdpSocket::bind(address)?;
    SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
    let (mut inbox, mut outbox) = (Inbox::new(BATCH, QUERY), Outbox::new(BATCH, QUERY));
    loop {
        let count = inbox.receive(&socket)?;
        for index in 0..count {
            let query = inbox.datagram(index);
            let Some(reply) = outbox.buffer() else { break };
            let length = query.octets.len();
            reply[..length].copy_from_slice(query.octets);
            if let Some(flags) = reply.get_mut(2) {
                *flags |= 0x80;
            }
            outbox.push(length, Some(query.peer), query.local);
        }
        outbox.send(&socket);
    }
}
