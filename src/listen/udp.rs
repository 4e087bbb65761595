//! The datagram loop: a blocking thread for each worker and address, which answers what memory knows and hands on the rest.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::batch::{Datagram, Inbox, Outbox};
use super::counters::{self, Counters, count};
use super::{Client, Respond, Transport, Verdict, now};
use crate::lifecycle::{Beat, Next, Supervisor};

/// Datagrams taken and replies sent at once.
const BATCH: usize = 32;
/// The longest query taken; what is longer is cut, and thereby malformed.
const QUERY: usize = 4096;
/// The longest reply over UDP that any configuration allows.
const REPLY: usize = 1232;
/// Queries of one socket that wait for the worker's runtime; beyond, they are dropped, and their clients ask again.
const MOST_LATER: usize = 16_384;
/// After a receive that failed for no reason of ours: no spinning.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// One socket's loop and what it needs.
pub(super) struct UdpLoop<R> {
    pub(super) worker: usize,
    pub(super) respond: R,
    pub(super) socket: Arc<UdpSocket>,
    /// Where answers that need the upstream are waited for.
    pub(super) runtime: Handle,
    pub(super) later: Later,
    pub(super) counters: Arc<Counters>,
    pub(super) supervisor: Supervisor,
    pub(super) beat: Beat,
    pub(super) stop: Arc<AtomicBool>,
}

/// Queries handed to the runtime, and the way their replies take. A cheap handle.
#[derive(Clone)]
pub(super) struct Later {
    waiting: Arc<AtomicUsize>,
    outbox: Arc<Mutex<Outbox>>,
}

impl Later {
    pub(super) fn new() -> Self {
        Self { waiting: Arc::default(), outbox: Arc::new(Mutex::new(Outbox::new(1, REPLY))) }
    }

    /// Queries that wait now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// A place among the waiting; `None`: there are too many.
    fn admit(&self) -> Option<Waiting> {
        let waiting = Waiting(Arc::clone(&self.waiting));
        (waiting.0.fetch_add(1, Relaxed) < MOST_LATER).then_some(waiting)
    }

    fn send(&self, socket: &UdpSocket, reply: &[u8], to: (SocketAddr, Option<IpAddr>)) -> (usize, usize) {
        let mut outbox = self.outbox.lock();
        let Some(buffer) = outbox.buffer().and_then(|buffer| buffer.get_mut(..reply.len())) else { return (0, 1) };
        buffer.copy_from_slice(reply);
        outbox.push(reply.len(), Some(to.0), to.1);
        outbox.send(socket)
    }
}

/// One place among the waiting.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl<R: Respond + Clone> UdpLoop<R> {
    /// Runs until told to stop. A panic starts the loop again on the same socket.
    pub(super) fn run(self) {
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            tracing::error!(worker = self.worker, "a UDP loop panicked; starting it again on its socket");
            if self.supervisor.died(now()) == Next::GiveUp {
                break;
            }
        }
        self.supervisor.dismiss(&self.beat);
    }

    fn serve(&self) {
        let counters = self.counters.worker(self.worker);
        let (mut inbox, mut outbox) = (Inbox::new(BATCH, QUERY), Outbox::new(BATCH, REPLY));
        while !self.stop.load(Relaxed) {
            self.beat.tick();
            match inbox.receive(&self.socket) {
                Ok(received) => {
                    count(&counters.received_udp, received);
                    self.answer(&inbox, received, &mut outbox, counters);
                    let (sent, unsent) = outbox.send(&self.socket);
                    count(&counters.sent, sent);
                    count(&counters.unsent, unsent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    count(&counters.receive_errors, 1);
                    thread::sleep(ERROR_PAUSE);
                }
            }
        }
    }

    fn answer(&self, inbox: &Inbox, received: usize, outbox: &mut Outbox, counters: &counters::Worker) {
        let now = now();
        for index in 0..received {
            let Datagram { octets, peer, local } = inbox.datagram(index);
            // Nobody can be answered at port 0.
            if peer.port() == 0 {
                continue;
            }
            // As many replies as datagrams: there is always a buffer.
            let Some(out) = outbox.buffer() else { return };
            let client = Client { address: peer, transport: Transport::Udp };
            match self.respond.answer_now(self.worker, octets, client, now, out) {
                Verdict::Reply(length) => outbox.push(length, Some(peer), local),
                Verdict::ReplyThenLater(length, pending) => {
                    outbox.push(length, Some(peer), local);
                    self.hand_on(pending, (peer, local), counters);
                }
                Verdict::Silence => {}
                Verdict::Later(pending) => self.hand_on(pending, (peer, local), counters),
            }
        }
    }

    fn hand_on(&self, pending: R::Pending, to: (SocketAddr, Option<IpAddr>), counters: &counters::Worker) {
        let Some(waiting) = self.later.admit() else { return count(&counters.shed, 1) };
        let (respond, worker, later) = (self.respond.clone(), self.worker, self.later.clone());
        let (socket, all) = (Arc::clone(&self.socket), Arc::clone(&self.counters));
        self.runtime.spawn(async move {
            let _waiting = waiting;
            if let Some(reply) = respond.answer_later(worker, pending).await {
                let (sent, unsent) = later.send(&socket, &reply, to);
                count(&all.worker(worker).sent, sent);
                count(&all.worker(worker).unsent, unsent);
            }
        });
    }
}
