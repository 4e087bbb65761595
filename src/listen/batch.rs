//! Datagrams by the batch: recvmmsg and sendmmsg, the one place for `unsafe`.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Datagrams received together.
pub struct Inbox {}

/// One datagram of an [`Inbox`].
pub struct Datagram<'a> {
    /// What came.
    pub octets: &'a [u8],
    /// From whom.
    pub peer: SocketAddr,
    /// To which of our addresses, where the socket was told to say so (IP_PKTINFO).
    pub local: Option<IpAddr>,
}

impl Inbox {
    /// Room for `messages` datagrams of at most `octets` each; longer ones are cut.
    pub fn new(_messages: usize, _octets: usize) -> Self {
        unimplemented!()
    }

    /// Waits for one datagram (as long as the socket's read timeout), then takes what else is there. Returns how many.
    ///
    /// # Errors
    /// WouldBlock after the read timeout; what the kernel says else.
    pub fn receive(&mut self, _socket: &UdpSocket) -> io::Result<usize> {
        unimplemented!()
    }

    /// Datagram `index` of the last batch.
    pub fn datagram(&self, _index: usize) -> Datagram<'_> {
        unimplemented!()
    }
}

/// Datagrams to be sent together.
pub struct Outbox {}

impl Outbox {
    /// Room for `messages` datagrams of at most `octets` each.
    pub fn new(_messages: usize, _octets: usize) -> Self {
        unimplemented!()
    }

    /// The buffer of the next datagram; `None` when full.
    pub fn next(&mut self) -> Option<&mut [u8]> {
        unimplemented!()
    }

    /// Queues the first `length` octets of that buffer. `peer`: to whom, `None` on a connected socket. `local`: from which address.
    pub fn push(&mut self, _length: usize, _peer: Option<SocketAddr>, _local: Option<IpAddr>) {
        unimplemented!()
    }

    /// Sends all that is queued and empties the box. One that cannot be sent is skipped, the rest goes out; with the socket's buffer full
    /// what is left is dropped. Returns how many went out and how many did not.
    pub fn send(&mut self, _socket: &UdpSocket) -> (usize, usize) {
        unimplemented!()
    }
}
