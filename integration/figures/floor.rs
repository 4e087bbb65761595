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
    let mut echo = Echo::bind(address)?;
    loop {
        echo.turn_round()?;
    }
}

/// A socket and what a batch needs.
pub(crate) struct Echo {
    /// Where queries come and go.
    pub(crate) socket: UdpSocket,
    inbox: Inbox,
    outbox: Outbox,
}

impl Echo {
    /// # Errors
    /// What the operating system says against the socket.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
        Ok(Self { socket, inbox: Inbox::new(BATCH, QUERY), outbox: Outbox::new(BATCH, QUERY) })
    }

    /// Receives a batch and sends it back; whether it was a whole one.
    ///
    /// # Errors
    /// What the operating system says against receiving.
    pub(crate) fn turn_round(&mut self) -> io::Result<bool> {
        let count = self.inbox.receive(&self.socket)?;
        for index in 0..count {
            let query = self.inbox.datagram(index);
            let Some(reply) = self.outbox.buffer() else { break };
            let length = query.octets.len();
            reply[..length].copy_from_slice(query.octets);
            if let Some(flags) = reply.get_mut(2) {
                *flags |= 0x80;
            }
            self.outbox.push(length, Some(query.peer), query.local);
        }
        self.outbox.send(&self.socket);
        Ok(count == BATCH)
    }
}
