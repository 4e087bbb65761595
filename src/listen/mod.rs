//! Sockets and nothing else: datagrams and streams in, replies out. What a reply says is decided behind [`Respond`].
//!
//! A worker has for each address its own UDP socket and TCP listener (SO_REUSEPORT: the kernel spreads clients over the workers). Its
//! datagrams are read by a blocking thread that answers hits by itself (`udp`); whatever must wait, and all of TCP, is on the worker's
//! runtime (`worker`), a thread of its own. So a flood of hits cannot hold up an answer that came from upstream, nor the other way round.
//! Replies that waited leave by the batch (`late`); how many connections there are is up to `seats`, how much they hold to `room`.

pub mod batch;
mod bind;
mod connection;
mod counters;
mod kernel_form;
mod late;
mod network;
mod outgoing;
mod rates;
mod respond;
mod room;
mod seats;
mod serve;
mod supervised;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod worker;

use std::net::SocketAddr;
use std::time::Duration;

pub use bind::{BindError, Sockets, bind};
pub use counters::{Counters, Snapshot};
pub use network::Network;
pub use rates::RateLimit;
pub use respond::{Client, Respond, Transport, Verdict};
pub use serve::Listeners;

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Each served over UDP and TCP. Port 0: a free one, the same for both.
    pub addresses: Vec<SocketAddr>,
    /// Data workers, at least 1.
    pub workers: usize,
    /// TCP connections of all clients together; beyond, the oldest idle one yields.
    pub tcp_connections: usize,
    /// TCP connections of one client address.
    pub tcp_connections_per_client: usize,
    /// A TCP connection with nothing to do is closed after this long (RFC 7766 §6.2.3).
    pub tcp_idle: Duration,
    /// How much one client may ask; `None`: as much as it likes.
    pub rate: Option<RateLimit>,
}
