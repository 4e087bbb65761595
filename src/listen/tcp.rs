//! One worker's streams on one address: who may connect. What happens on a connection is in [`connection`](super::connection).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::connection::Connection;
use super::counters::{Counters, Worker};
use super::rates::{Grant, Rates};
use super::room::Room;
use super::seats::Seats;
use super::supervised::Watched;
use super::{Client, Respond, Transport, Verdict};
use crate::lifecycle::Next;

/// The longest message that two octets of length can announce.
const LONGEST_MESSAGE: usize = 65_535;
/// Out of descriptors or memory, accepting fails at once, again and again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Datagrams that may wait for an answer at a time, in one worker, and answers to be renewed: beyond what the resolver lets wait, so that
/// it is the resolver who refuses, with a reply.
const PLACES: usize = 16_384;
/// What an end waits for its connections: a little longer than each waits for its client.
const CLOSING: Duration = Duration::from_millis(1_700);

/// What all connections of a worker share.
pub(super) struct Shared<R> {
    pub(super) worker: usize,
    pub(super) respond: R,
    pub(super) counters: Arc<Counters>,
    /// Of all workers.
    pub(super) seats: Arc<Seats>,
    /// Connections that may wait for their client's FIN at a time, of all workers.
    pub(super) lingering: Arc<Semaphore>,
    /// Datagrams that may wait for an answer at a time, and answers to be renewed.
    pub(super) places: Arc<Semaphore>,
    /// Octets that connections may hold, of all workers.
    pub(super) room: Room,
    pub(super) idle: Duration,
    /// Of all workers; `None`: clients may ask as much as they like.
    pub(super) rates: Option<Arc<Rates>>,
    /// Where a reply is made before it is queued: one a worker, for a connection would need 64 KiB of its own.
    pub(super) scratch: Mutex<Box<[u8]>>,
}

/// What the connections of all workers share.
pub(super) struct House {
    pub(super) seats: Arc<Seats>,
    pub(super) lingering: Arc<Semaphore>,
    pub(super) room: Room,
    pub(super) idle: Duration,
    pub(super) rates: Option<Arc<Rates>>,
}

impl<R> Shared<R> {
    pub(super) fn new(worker: usize, respond: R, counters: Arc<Counters>, house: &House) -> Self {
        Self {
            worker,
            respond,
            counters,
            seats: house.seats.clone(),
            lingering: house.lingering.clone(),
            places: Arc::new(Semaphore::new(PLACES)),
            room: house.room.clone(),
            idle: house.idle,
            rates: house.rates.clone(),
            scratch: Mutex::new(vec![0; LONGEST_MESSAGE].into()),
        }
    }

    /// Whether every place is free: no datagram waits for its answer.
    pub(super) fn nothing_waits(&self) -> bool {
        self.places.available_permits() == PLACES
    }

    pub(super) fn counters(&self) -> &Worker {
        self.counters.of(self.worker)
    }
}

impl<R: Respond> Shared<R> {
    /// Answers from memory, unless the client asks too much.
    #[inline]
    pub(super) fn answer_now(&self, message: &[u8], client: Client, now: std::time::Instant, out: &mut [u8]) -> Verdict<R::Pending> {
        match self.rates.as_ref().map(|rates| rates.grant(client.address.ip(), now)) {
            None | Some(Grant::Answer) => self.respond.answer_now(self.worker, message, client, now, out),
            Some(Grant::Refusal) => self.refuse(message, client, out),
            Some(Grant::Silence) => match client.transport {
                Transport::Udp => {
                    self.counters().rate_ignored.add(1);
                    Verdict::Silence
                }
                // On a stream a gap would stall the client's other queries, and it cannot send faster than it reads.
                Transport::Tcp => self.refuse(message, client, out),
            },
        }
    }

    #[cold]
    fn refuse(&self, message: &[u8], client: Client, out: &mut [u8]) -> Verdict<R::Pending> {
        self.counters().rate_refused.add(1);
        self.respond.refuse(message, client, out).map_or(Verdict::Silence, Verdict::Reply)
    }
}

/// Accepts connections until TCP must end.
pub(super) struct Acceptor<R: Respond> {
    shared: Arc<Shared<R>>,
    listener: TcpListener,
    serving: watch::Receiver<()>,
    watched: Arc<Watched>,
    connections: JoinSet<()>,
}

impl<R: Respond> Acceptor<R> {
    pub(super) fn new(shared: Arc<Shared<R>>, listener: TcpListener, serving: watch::Receiver<()>, watched: Arc<Watched>) -> Self {
        Self { shared, listener, serving, watched, connections: JoinSet::new() }
    }

    /// Returns when the last connection is closed, or after too many panics.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                _ = self.serving.changed() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer),
                    Err(error) => self.stand_back(&error).await,
                },
                Some(ended) = self.connections.join_next() => if self.outlives(ended) == Next::GiveUp { return },
            }
        }
        // Whatever is left after that is dropped, and reset.
        drop(timeout(CLOSING, async { while self.connections.join_next().await.is_some() {} }).await);
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let counters = self.shared.counters();
        let admission = self.shared.seats.admit(peer.ip(), Instant::now().into_std());
        counters.yielded.add(usize::from(admission.yielded));
        let Some(seat) = admission.seat else {
            counters.refused.add(1);
            return;
        };
        counters.accepted.add(1);
        let connection = Connection::new(self.shared.clone(), stream, peer, seat, self.serving.clone());
        self.connections.spawn(connection.run());
    }

    /// A connection that panicked took nobody with it, but it counts.
    fn outlives(&self, ended: Result<(), JoinError>) -> Next {
        match ended {
            Err(error) if error.is_panic() => self.watched.died(),
            _ => Next::Restart,
        }
    }

    async fn stand_back(&self, error: &io::Error) {
        // The peer went away before it was accepted (accept(2)): nothing is wrong with us.
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        let counters = self.shared.counters();
        counters.accept_errors.add(1);
        counters.yielded.add(usize::from(self.shared.seats.make_room()));
        tracing::debug!(%error, "accepting a connection failed");
        sleep(ACCEPT_PAUSE).await;
    }
}
