//! One TCP connection: queries answered side by side, each as its answer is there (RFC 7766 §6.2.1.1, §7).
//!
//! What a client can make us hold is bounded: [`IN_FLIGHT`] queries and their answers, [`QUEUED`] octets of replies and one reply more, one
//! message half read; all connections' octets together by [`room`](super::room). Beyond, nothing more is read until the client has taken
//! something.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::outgoing::Outgoing;
use super::room::{AnswerRoom, Buffers, Finished};
use super::seats::Seat;
use super::tcp::Shared;
use super::{Client, Respond, Transport, Verdict};
use crate::wire::Frames;

/// Queries of one connection that wait at a time.
const IN_FLIGHT: usize = 100;
/// Octets of replies that wait for the client to read.
const QUEUED: usize = 65_536;
/// A client that takes nothing for so long is gone.
const WRITE_STALL: Duration = Duration::from_secs(5);
/// What a connection that must leave waits for the answers still to come.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// What a closed connection waits for its client's FIN: closing with unread input resets, and destroys replies under way.
const LINGER: Duration = Duration::from_secs(1);
/// Octets of a DNS header (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// One connection, owned by one task.
pub(super) struct Connection<R: Respond> {
    shared: Arc<Shared<R>>,
    stream: TcpStream,
    client: Client,
    seat: Seat,
    serving: watch::Receiver<()>,
    frames: Frames,
    outgoing: Outgoing,
    in_flight: JoinSet<Option<Finished>>,
    answer_room: AnswerRoom,
    buffers: Buffers,
    timer: Pin<Box<Sleep>>,
    /// Since when nothing has been asked and nothing answered.
    quiet_since: Instant,
    /// When the client last took octets that were queued, or when they were.
    moved: Instant,
    reading: Reading,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Queries may come.
    Open,
    /// The client's FIN came, or something that is no message: what was asked is answered, then we close.
    Ended,
    /// We must close: answers that come by then are sent.
    Leaving(Instant),
}

enum Event {
    Wrote(io::Result<usize>),
    Answered(Result<Option<Finished>, JoinError>),
    Read(io::Result<usize>),
    Leave,
    Time,
}

/// Counts a connection as closed, however its task ends.
struct Open<R: Respond>(Arc<Shared<R>>);

impl<R: Respond> Drop for Open<R> {
    fn drop(&mut self) {
        self.0.counters().closed.add(1);
    }
}

impl<R: Respond> Connection<R> {
    /// Takes over a stream that was just accepted.
    pub(super) fn new(shared: Arc<Shared<R>>, stream: TcpStream, peer: SocketAddr, seat: Seat, serving: watch::Receiver<()>) -> Self {
        let born = Instant::now();
        Self {
            timer: Box::pin(sleep_until(born + shared.idle)),
            answer_room: shared.room.answer_room(),
            buffers: shared.room.buffers(),
            shared,
            stream,
            client: Client { address: peer, transport: Transport::Tcp },
            seat,
            serving,
            frames: Frames::new(),
            outgoing: Outgoing::new(),
            in_flight: JoinSet::new(),
            quiet_since: born,
            moved: born,
            reading: Reading::Open,
        }
    }

    /// Runs until either side closes.
    pub(super) async fn run(mut self) {
        let _open = Open(self.shared.clone());
        // Without, a reply would wait for the acknowledgement of the one before. Fails only where the peer is gone already.
        if self.stream.set_nodelay(true).is_err() {
            return;
        }
        loop {
            self.answer();
            if self.is_over() {
                return self.close().await;
            }
            if !self.buffers.have(self.frames.held() + self.outgoing.held()) {
                return self.shared.counters().crowded.add(1);
            }
            let proceed = match self.event().await {
                Event::Wrote(Err(_)) | Event::Read(Err(_)) => false,
                Event::Wrote(Ok(octets)) => self.wrote(octets),
                Event::Answered(reply) => self.answered(reply),
                Event::Read(Ok(octets)) => self.read(octets),
                Event::Leave => self.leave(),
                Event::Time => self.time(),
            };
            if !proceed {
                return;
            }
        }
    }

    /// Answers every whole message there is, as far as the bounds allow.
    fn answer(&mut self) {
        if !self.may_ask() {
            return;
        }
        let (now, queued) = (Instant::now(), self.outgoing.waiting().len());
        let (mut asked, mut sent) = (0, 0);
        while self.may_ask() {
            let Some(message) = self.frames.take_next() else { break };
            asked += 1;
            // Too short to have an id that a reply could carry: whoever sends that does not speak DNS, or lost the framing.
            if message.len() < HEADER {
                self.reading = Reading::Ended;
                break;
            }
            let mut scratch = self.shared.scratch.lock();
            match self.shared.answer_now(message, self.client, now.into_std(), &mut scratch) {
                Verdict::Reply(length) => sent += self.outgoing.push(&scratch[..length]),
                Verdict::ReplyThenLater(length, pending) => {
                    sent += self.outgoing.push(&scratch[..length]);
                    renew(self.shared.clone(), pending);
                }
                Verdict::Silence => {}
                Verdict::Later(pending) => {
                    self.in_flight.spawn(answer_later(self.shared.clone(), pending, self.answer_room.clone()));
                }
            }
        }
        if asked > 0 {
            self.shared.counters().received_tcp.add(asked);
            self.shared.counters().sent_tcp.add(sent);
            self.stir(now, queued);
        }
    }

    /// Something was asked or answered; `queued`: octets that waited before.
    fn stir(&mut self, now: Instant, queued: usize) {
        self.quiet_since = now;
        if queued == 0 {
            self.moved = now;
        }
    }

    fn may_ask(&self) -> bool {
        self.reading == Reading::Open && self.in_flight.len() < IN_FLIGHT && self.outgoing.waiting().len() < QUEUED
    }

    fn is_busy(&self) -> bool {
        !self.in_flight.is_empty() || !self.outgoing.waiting().is_empty()
    }

    fn is_over(&self) -> bool {
        self.reading != Reading::Open && !self.is_busy()
    }

    /// `None`: an upstream is waited for, and that has its own deadline.
    fn deadline(&self) -> Option<Instant> {
        match self.reading {
            Reading::Leaving(at) => Some(at),
            _ if !self.outgoing.waiting().is_empty() => Some(self.moved + WRITE_STALL),
            _ if !self.in_flight.is_empty() => None,
            _ => Some(self.quiet_since + self.shared.idle),
        }
    }

    /// Waits for what happens next.
    async fn event(&mut self) -> Event {
        let (may_ask, deadline) = (self.may_ask(), self.deadline());
        let may_leave = !matches!(self.reading, Reading::Leaving(_));
        if self.is_busy() {
            self.seat.work()
        } else {
            self.seat.rest(self.quiet_since.into_std())
        }
        // A deadline mostly moves away. The timer is then let go off too early and set anew, which is cheaper than setting it each time.
        if let Some(deadline) = deadline
            && (self.timer.is_elapsed() || deadline < self.timer.deadline())
        {
            self.timer.as_mut().reset(deadline);
        }
        let (mut reader, mut writer) = self.stream.split();
        let waiting = self.outgoing.waiting();
        tokio::select! {
            biased;
            written = writer.write(waiting), if !waiting.is_empty() => Event::Wrote(written),
            () = self.seat.yields(), if may_leave => Event::Leave,
            _ = self.serving.changed(), if may_leave => Event::Leave,
            Some(reply) = self.in_flight.join_next(), if waiting.len() < QUEUED => Event::Answered(reply),
            read = reader.read_buf(self.frames.room()), if may_ask => Event::Read(read),
            () = self.timer.as_mut(), if deadline.is_some() => Event::Time,
        }
    }

    /// Whether to go on; so too the others.
    fn wrote(&mut self, octets: usize) -> bool {
        self.outgoing.advance(octets);
        self.moved = Instant::now();
        octets > 0
    }

    /// Queues an answer, and those that are there as well.
    fn answered(&mut self, reply: Result<Option<Finished>, JoinError>) -> bool {
        let queued = self.outgoing.waiting().len();
        let (mut next, mut sent) = (Some(reply), 0);
        while let Some(reply) = next {
            // A panic behind an answer leaves its query unanswered and the connection as it is.
            if let Ok(Some(Finished { reply, .. })) = reply {
                sent += self.outgoing.push(&reply);
            }
            next = if self.outgoing.waiting().len() < QUEUED { self.in_flight.try_join_next() } else { None };
        }
        self.shared.counters().sent_tcp.add(sent);
        self.stir(Instant::now(), queued);
        true
    }

    fn read(&mut self, octets: usize) -> bool {
        if octets == 0 {
            // The client has asked all it wants to, and still reads.
            self.reading = Reading::Ended;
        }
        true
    }

    fn leave(&mut self) -> bool {
        self.reading = Reading::Leaving(Instant::now() + LAST_ANSWERS);
        true
    }

    fn time(&mut self) -> bool {
        if self.deadline().is_none_or(|deadline| Instant::now() < deadline) {
            return true;
        }
        if !self.outgoing.waiting().is_empty() {
            return false;
        }
        self.in_flight = JoinSet::new();
        self.reading = Reading::Ended;
        true
    }

    /// FIN, then what the client still sends until its own: closing with unread input would reset, and destroy replies under way.
    async fn close(self) {
        let Self { mut stream, seat, shared, .. } = self;
        drop(seat);
        if stream.shutdown().await.is_err() {
            return;
        }
        let Ok(_permit) = shared.lingering.try_acquire() else { return };
        let mut unread = [0; 512];
        drop(timeout(LINGER, async { while let Ok(1..) = stream.read(&mut unread).await {} }).await);
    }
}

/// `None`: there is no answer, or no room for it.
async fn answer_later<R: Respond>(shared: Arc<Shared<R>>, pending: R::Pending, answer_room: AnswerRoom) -> Option<Finished> {
    let reply = shared.respond.answer_later(shared.worker, pending).await?;
    let finished = answer_room.put(reply);
    shared.counters().unread.add(usize::from(finished.is_none()));
    finished
}

/// Renews an answer that was served, if the worker bears one more task.
fn renew<R: Respond>(shared: Arc<Shared<R>>, pending: R::Pending) {
    let Ok(permit) = shared.places.clone().try_acquire_owned() else { return };
    tokio::spawn(async move {
        drop(shared.respond.answer_later(shared.worker, pending).await);
        drop(permit);
    });
}
