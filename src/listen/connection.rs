//! The life of one TCP connection: queries answered concurrently, answers as they come (RFC 7766 §6.2.1.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::counters::count;
use super::seats::Seated;
use super::tcp::TcpWorker;
use super::{Client, Respond, Transport, Verdict, now};

/// Queries of one connection that wait for an upstream; beyond, nothing more is read until one is answered.
const MOST_IN_FLIGHT: usize = 100;
/// Octets of replies that may be queued; beyond, nothing more is read until the client takes some.
const MOST_QUEUED: usize = 256 << 10;
/// A client that takes nothing of what is queued for this long is gone.
const STALL: Duration = Duration::from_secs(5);
/// How long a closed connection is listened to. Closing with unread input would send a reset, and destroy answers under way.
const LINGER: Duration = Duration::from_secs(1);
/// Read at once, and what a quiet connection keeps.
const CHUNK: usize = 2_048;

/// One connection.
pub(super) struct Connection<R> {
    shared: Arc<TcpWorker<R>>,
    client: Client,
    seat: Seated,
    /// Octets read and not yet taken.
    input: Vec<u8>,
    /// Length and message, one after the other.
    output: Vec<u8>,
    /// Of which so many octets are written.
    written: usize,
    /// Queries that wait.
    in_flight: usize,
    /// Their replies come this way.
    owed: mpsc::UnboundedSender<Option<Vec<u8>>>,
    replies: mpsc::UnboundedReceiver<Option<Vec<u8>>>,
    /// The client may still say something.
    listening: bool,
    /// When the last whole message came.
    heard: Instant,
    /// When the client last took something.
    took: Instant,
}

impl<R: Respond + Clone> Connection<R> {
    pub(super) fn new(shared: Arc<TcpWorker<R>>, peer: SocketAddr, seat: Seated) -> Self {
        let start = Instant::now();
        // Bounded by the queries in flight.
        let (owed, replies) = mpsc::unbounded_channel();
        Self {
            shared,
            client: Client { address: peer, transport: Transport::Tcp },
            seat,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            in_flight: 0,
            owed,
            replies,
            listening: true,
            heard: start,
            took: start,
        }
    }

    /// Serves until the client has said all and got all, falls idle or silent, or the worker stops.
    pub(super) async fn run(mut self, mut stream: TcpStream) {
        if self.converse(&mut stream).await.is_ok() && stream.shutdown().await.is_ok() {
            drop(timeout(LINGER, read_to_end(&mut stream)).await);
        }
    }

    /// `Err`: there is nobody any more to be polite to.
    async fn converse(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        let (mut reader, mut writer) = stream.split();
        let mut stop = self.shared.stop.clone();
        loop {
            self.take_messages();
            let (reading, writing, waiting) = (self.may_read(), !self.output.is_empty(), self.in_flight > 0);
            if !self.listening && !writing && !waiting {
                return Ok(());
            }
            self.show(writing || waiting);
            if reading {
                self.make_room();
            }
            let deadline = self.deadline(writing);
            tokio::select! {
                written = writer.write(&self.output[self.written..]), if writing => match written? {
                    0 => return Err(std::io::ErrorKind::WriteZero.into()),
                    count => self.note_written(count),
                },
                Some(reply) = self.replies.recv(), if waiting => self.settle(reply),
                read = reader.read_buf(&mut self.input), if reading => {
                    // FIN after the last query: it is answered all the same (RFC 7766 §6.2.4).
                    self.listening = read? > 0;
                }
                () = self.seat.told_to_leave(), if !writing && !waiting => return Ok(()),
                _ = stop.wait_for(|stop| *stop), if self.listening => self.listening = false,
                // Queries in flight have time limits of their own.
                () = sleep_until(deadline), if writing || !waiting => {
                    return if writing { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(()) };
                }
            }
        }
    }

    /// Answers every whole message, as long as there is room for replies.
    fn take_messages(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        let mut start = 0;
        while self.in_flight < MOST_IN_FLIGHT && self.output.len() < MOST_QUEUED {
            let Some(end) = announced(&input[start..]).map(|length| start + 2 + length).filter(|end| *end <= input.len()) else { break };
            self.answer(&input[start + 2..end]);
            start = end;
        }
        if start > 0 {
            self.heard = Instant::now();
            input.drain(..start);
        }
        self.input = input;
    }

    fn answer(&mut self, message: &[u8]) {
        let shared = Arc::clone(&self.shared);
        count(&shared.counters.worker(shared.worker).received_tcp, 1);
        let mut scratch = shared.scratch.lock();
        let verdict = shared.respond.answer_now(shared.worker, message, self.client, now(), &mut scratch);
        match verdict {
            Verdict::Reply(length) => self.queue(&scratch[..length]),
            Verdict::ReplyThenLater(length, pending) => {
                self.queue(&scratch[..length]);
                let (respond, worker) = (shared.respond.clone(), shared.worker);
                tokio::spawn(async move { drop(respond.answer_later(worker, pending).await) });
            }
            Verdict::Silence => {}
            Verdict::Later(pending) => {
                self.in_flight += 1;
                let (respond, worker) = (shared.respond.clone(), shared.worker);
                let reply = Promise(Some(self.owed.clone()));
                tokio::spawn(async move { reply.keep(respond.answer_later(worker, pending).await) });
            }
        }
    }

    fn queue(&mut self, reply: &[u8]) {
        // The walk writes at most 65,535 octets.
        let Ok(length) = u16::try_from(reply.len()) else { return };
        if self.output.is_empty() {
            self.took = Instant::now();
        }
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(reply);
    }

    /// Takes a reply that was waited for, and all others that are there: they leave in one write.
    fn settle(&mut self, reply: Option<Vec<u8>>) {
        let mut next = Some(reply);
        while let Some(reply) = next {
            self.in_flight -= 1;
            if let Some(reply) = reply {
                self.queue(&reply);
            }
            next = self.replies.try_recv().ok();
        }
    }

    fn note_written(&mut self, count: usize) {
        self.took = Instant::now();
        self.written += count;
        if self.written == self.output.len() {
            self.output.clear();
            self.output.shrink_to(CHUNK);
            self.written = 0;
        }
    }

    fn may_read(&self) -> bool {
        self.listening && self.in_flight < MOST_IN_FLIGHT && self.output.len() < MOST_QUEUED
    }

    /// Room for the message that is announced and no more, or for a few small ones.
    fn make_room(&mut self) {
        let wanted = announced(&self.input).map_or(CHUNK, |length| (2 + length).max(CHUNK));
        if self.input.capacity() > wanted {
            self.input.shrink_to(wanted);
        }
        self.input.reserve_exact(wanted.saturating_sub(self.input.len()).max(1));
    }

    fn show(&self, is_busy: bool) {
        if is_busy { self.seat.busy() } else { self.seat.idle() }
    }

    /// A message that dribbles in counts as nothing until it is whole.
    fn deadline(&self, writing: bool) -> Instant {
        if writing { self.took + STALL } else { self.heard.max(self.took) + self.shared.idle }
    }
}

/// A reply that is owed: if its task dies, the connection is told that none comes.
struct Promise(Option<mpsc::UnboundedSender<Option<Vec<u8>>>>);

impl Promise {
    fn keep(mut self, reply: Option<Vec<u8>>) {
        if let Some(connection) = self.0.take() {
            // A connection that has ended wants none.
            drop(connection.send(reply));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.send(None));
        }
    }
}

fn announced(octets: &[u8]) -> Option<usize> {
    let [high, low, ..] = octets else { return None };
    Some(usize::from(u16::from_be_bytes([*high, *low])))
}

async fn read_to_end(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut discarded = [0; CHUNK];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
