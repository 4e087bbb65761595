//! What passes between the sockets and whoever decides what a reply says.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Instant;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A message on a stream.
    Tcp,
}

/// Who asked.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Address and port.
    pub address: SocketAddr,
    /// How the query came.
    pub transport: Transport,
}

/// What becomes of one message.
pub enum Verdict<P> {
    /// The first `n` octets of the buffer are the reply.
    Reply(usize),
    /// The same, and there is something to do afterwards that no client waits for.
    ReplyThenLater(usize, P),
    /// No reply.
    Silence,
    /// Needs the upstream.
    Later(P),
}

/// What a listener calls: the resolver, or a test's stand-in.
pub trait Respond: Send + Sync + 'static {
    /// A query that must wait; owns what it needs.
    type Pending: Send + 'static;

    /// Answers from memory: never waits, never allocates on a hit. `worker` indexes the counters. `out` has 65,535 octets for TCP,
    /// at least 1,232 for UDP.
    fn answer_now(&self, worker: usize, message: &[u8], client: Client, now: Instant, out: &mut [u8]) -> Verdict<Self::Pending>;

    /// Refuses a query of a client that asks too much; the length of the reply in `out`, which is as above. `None`: what is no query gets
    /// none.
    fn refuse(&self, message: &[u8], client: Client, out: &mut [u8]) -> Option<usize>;

    /// Answers after asking upstream; `None`: no reply. The reply fits the client's transport: over UDP it
    /// has at most 1,232 octets.
    fn answer_later(&self, worker: usize, pending: Self::Pending) -> impl Future<Output = Option<Vec<u8>>> + Send;
}
