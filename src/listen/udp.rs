//! One worker's datagrams on one address: a blocking loop that answers what memory knows and hands over the rest.

use std::io::ErrorKind;
use std::mem;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::batch::{Inbox, Outbox, kernel_drops};
use super::counters::Worker;
use super::supervised::{self, Watched};
use super::tcp::Shared;
use super::{Client, Respond, Transport, Verdict};

/// Datagrams taken by one call: more do not make a query cheaper, fewer do not make the first reply sooner.
pub(super) const BATCH: usize = 32;
/// From so many datagrams at once on, more are probably there: a loop that never sleeps keeps the runtime's thread from the core that they
/// share, for as long as the kernel lets it, and with it the answers of upstreams.
const BUSY: usize = BATCH / 4;
/// Room for a query; longer ones are cut, and so malformed.
const LONGEST_QUERY: usize = 2_048;
/// Room for a reply (RFC 9715 §3).
pub(super) const LONGEST_REPLY: usize = 1_232;
/// An idle loop comes round about once a second.
const READ_TIMEOUT: Duration = Duration::from_millis(900);
/// A socket that only fails must not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);
/// How often the kernel is asked what it dropped.
const DROPS_EVERY: Duration = Duration::from_secs(1);

/// A query that memory could not answer, or an answer to be renewed, on its way to the worker's runtime.
pub(super) struct Handover<P> {
    pub(super) pending: P,
    /// Where the reply goes; `None`: nobody waits.
    pub(super) reply_to: Option<ReplyTo>,
    /// Its place among those that a worker bears.
    pub(super) permit: OwnedSemaphorePermit,
}

/// The way back of a datagram.
pub(super) struct ReplyTo {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) peer: SocketAddr,
    pub(super) local: Option<IpAddr>,
}

/// The loop and all it needs; a panic within leaves it fit to go on.
pub(super) struct UdpLoop<R: Respond> {
    pub(super) shared: Arc<Shared<R>>,
    pub(super) socket: Arc<UdpSocket>,
    /// What a batch of datagrams leaves to be done, all at once: to wake the runtime costs more than a query.
    pub(super) handover: mpsc::UnboundedSender<Vec<Handover<R::Pending>>>,
    /// Closed when the loop must end.
    pub(super) serving: watch::Receiver<()>,
}

/// The batch under way. It survives a panic, so that only the query that caused it is lost.
struct Batch<P> {
    inbox: Inbox,
    outbox: Outbox,
    /// What memory could not answer.
    handovers: Vec<Handover<P>>,
    /// The next datagram to look at, and how many there are.
    at: usize,
    received: usize,
    drops: Drops,
}

impl<R: Respond> UdpLoop<R> {
    /// Runs until nobody listens any more, or until it has died too often.
    pub(super) fn run(self, watched: &Watched) {
        let mut batch = Batch {
            inbox: Inbox::new(BATCH, LONGEST_QUERY),
            outbox: Outbox::new(BATCH, LONGEST_REPLY),
            handovers: Vec::new(),
            at: 0,
            received: 0,
            drops: Drops::default(),
        };
        supervised::run(watched, || self.serve(&mut batch, watched));
    }

    fn serve(&self, batch: &mut Batch<R::Pending>, watched: &Watched) {
        let counters = self.shared.counters();
        // What a panic left unanswered.
        self.answer(batch, now());
        // Fails once nobody holds the other end.
        while self.serving.has_changed().is_ok() {
            watched.beat.tick();
            match batch.inbox.receive(&self.socket) {
                Ok(received) => {
                    (batch.at, batch.received) = (0, received);
                    counters.received_udp.add(received);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => {
                    tracing::debug!(%error, "receiving datagrams failed");
                    counters.receive_errors.add(1);
                    thread::sleep(ERROR_PAUSE);
                }
            }
            let now = now();
            self.answer(batch, now);
            if batch.received >= BUSY {
                thread::yield_now();
            }
            batch.drops.look(&self.socket, counters, now);
        }
    }

    /// Answers what is left of the batch, sends, and hands over what memory cannot answer.
    fn answer(&self, batch: &mut Batch<R::Pending>, now: Instant) {
        while batch.at < batch.received {
            let datagram = batch.inbox.datagram(batch.at);
            batch.at += 1;
            // No reply can be sent to port 0: it is nobody's.
            if datagram.peer.port() == 0 {
                self.shared.counters().discarded.add(1);
                continue;
            }
            // There is room: the outbox is as large as the inbox, and a query has one reply.
            let Some(out) = batch.outbox.buffer() else { break };
            let client = Client { address: datagram.peer, transport: Transport::Udp };
            let (peer, local) = (datagram.peer, datagram.local);
            match self.shared.answer_now(datagram.octets, client, now, out) {
                Verdict::Reply(length) => batch.outbox.push(length, Some(peer), local),
                Verdict::ReplyThenLater(length, pending) => {
                    batch.outbox.push(length, Some(peer), local);
                    self.set_aside(&mut batch.handovers, pending, None);
                }
                Verdict::Silence => {}
                Verdict::Later(pending) => {
                    let reply_to = ReplyTo { socket: self.socket.clone(), peer, local };
                    self.set_aside(&mut batch.handovers, pending, Some(reply_to));
                }
            }
        }
        let (sent, failed) = batch.outbox.send(&self.socket);
        let counters = self.shared.counters();
        counters.sent_udp.add(sent);
        counters.send_failures.add(failed);
        // Last, for the runtime may take this thread's core at once. Refused only when the process ends.
        if !batch.handovers.is_empty() {
            drop(self.handover.send(mem::take(&mut batch.handovers)));
        }
    }

    /// A query with no place is dropped: its sender asks again.
    fn set_aside(&self, handovers: &mut Vec<Handover<R::Pending>>, pending: R::Pending, reply_to: Option<ReplyTo>) {
        match self.shared.places.clone().try_acquire_owned() {
            Ok(permit) => handovers.push(Handover { pending, reply_to, permit }),
            Err(_) => self.shared.counters().discarded.add(1),
        }
    }
}

/// Readies a bound socket for the loop.
///
/// # Errors
/// What the kernel says against a read timeout.
pub(super) fn prepare(socket: &UdpSocket) -> std::io::Result<()> {
    socket.set_read_timeout(Some(READ_TIMEOUT))
}

/// What the kernel dropped on a socket, as far as it has been counted.
#[derive(Default)]
struct Drops {
    counted: u32,
    looked: Option<Instant>,
}

impl Drops {
    fn look(&mut self, socket: &UdpSocket, counters: &Worker, now: Instant) {
        if self.looked.is_some_and(|at| now.saturating_duration_since(at) < DROPS_EVERY) {
            return;
        }
        self.looked = Some(now);
        if let Some(drops) = kernel_drops(socket) {
            counters.kernel_drops.add(drops.wrapping_sub(self.counted) as usize);
            self.counted = drops;
        }
    }
}

/// Once a batch: nothing in it is older than the call that brought it.
#[expect(clippy::disallowed_methods, reason = "the thin edge: from here on `now` is an argument")]
fn now() -> Instant {
    Instant::now()
}
