//! The task that owns one stream, TCP or TLS: questions in by a channel, answers out by oneshots.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ahash::HashMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Open, Request, Slot};
use super::dial::{Stream, Target};
use super::failure::Lost;
use super::lane::MOST_PENDING;
use super::pulse::Pulse;
use super::{FailureClass, Timing};
use crate::wire::{Answer, AnswerError, Frames, Key, encode_upstream_query};

struct Pending {
    key: Key,
    sent: Instant,
    silence: Option<Duration>,
    expires: Instant,
    reply: oneshot::Sender<Result<Answer, Lost>>,
    _slot: Slot,
}

pub(super) struct Task {
    target: Target,
    timing: Arc<Timing>,
    pulse: Arc<Pulse>,
    open: Open,
    incoming: mpsc::UnboundedReceiver<Request>,
    pending: HashMap<u16, Pending>,
    /// Ids in the order sent; those answered are skipped at the front.
    order: VecDeque<u16>,
    outgoing: Vec<u8>,
    written: usize,
    /// Everything written has left this process; TLS may hold some of it back.
    flushed: bool,
    retire_at: Instant,
    used_at: Instant,
    heard_at: Instant,
}

/// Why the loop ended.
#[derive(Clone, Copy)]
enum End {
    /// Nobody needs it any more.
    Unneeded,
    /// FIN; `amid`: in the middle of an answer.
    Closed { amid: bool },
    /// RST.
    Reset,
    /// The silence rule.
    Silent,
    /// Not answered within an exchange's deadline, on a stream that holds up all others.
    Stuck,
    /// Could not be dialled, or the peer vanished.
    Failed(FailureClass),
}

impl Task {
    pub(super) fn new(
        target: Target,
        retire_at: Instant,
        timing: Arc<Timing>,
        pulse: Arc<Pulse>,
        open: Open,
        incoming: mpsc::UnboundedReceiver<Request>,
    ) -> Self {
        let born = open.shown.born;
        Task {
            target,
            timing,
            pulse,
            open,
            incoming,
            pending: HashMap::default(),
            order: VecDeque::new(),
            outgoing: Vec::new(),
            written: 0,
            flushed: true,
            retire_at,
            used_at: born,
            heard_at: born,
        }
    }

    pub(super) async fn run(mut self) {
        let end = match self.target.dial(&self.timing).await {
            Err(class) => End::Failed(class),
            Ok(Stream::Plain(mut stream)) => {
                let (reader, writer) = stream.split();
                self.serve(reader, writer).await
            }
            Ok(Stream::Tls(stream)) => {
                let (reader, mut writer) = split(stream);
                let end = self.serve(reader, &mut writer).await;
                if matches!(end, End::Unneeded) {
                    // close_notify: without it the server must think that something was cut off (RFC 8446 §6.1).
                    drop(timeout(self.timing.dial, writer.shutdown()).await);
                }
                end
            }
        };
        self.finish(end);
    }

    async fn serve(&mut self, mut reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin) -> End {
        self.open.shown.established.store(true, Relaxed);
        // Dialling is no idleness.
        self.used_at = Instant::now();
        let mut frames = Frames::new();
        let mut batch = Vec::new();
        let mut orphaned = false;
        let mut timer = pin!(sleep_until(self.wake_at()));
        loop {
            if orphaned && self.pending.values().all(|pending| pending.reply.is_closed()) {
                return End::Unneeded;
            }
            if self.pending.is_empty() && Instant::now() >= self.retire_at {
                return End::Unneeded;
            }
            // Never put off by what comes: one that rings too early is set anew then, and not at each question and each answer.
            let wake = self.wake_at();
            if wake < timer.deadline() {
                timer.as_mut().reset(wake);
            }
            let room = MOST_PENDING.saturating_sub(self.pending.len());
            // Read before any timer is heeded: where this process was held up itself, what has come meanwhile is no silence.
            tokio::select! {
                biased;
                read = reader.read_buf(frames.room()) => match read {
                    Ok(0) => return End::closed(&frames),
                    // TLS without close_notify: as good as FIN, for every message says how long it is.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::closed(&frames),
                    Err(error) => return End::of_io(&error),
                    Ok(_) => self.receive(&mut frames),
                },
                count = self.incoming.recv_many(&mut batch, room), if room > 0 && !orphaned => {
                    // The pool is gone: those who still wait get their answers, nobody else comes.
                    orphaned = count == 0;
                    let now = Instant::now();
                    batch.drain(..).for_each(|request| self.enqueue(request, now));
                }
                written = write_some(&mut writer, &self.outgoing[self.written..], self.flushed) => match written {
                    Err(error) => return End::of_io(&error),
                    Ok(count) => self.note_written(count),
                },
                () = timer.as_mut() => match self.tick(Instant::now()) {
                    Some(end) => return end,
                    None => timer.as_mut().reset(self.wake_at()),
                },
            }
        }
    }

    fn enqueue(&mut self, request: Request, now: Instant) {
        if request.reply.is_closed() {
            return;
        }
        // Unpredictable and unused on this connection.
        let id = loop {
            let id = rand::random::<u16>();
            if !self.pending.contains_key(&id) {
                break id;
            }
        };
        let message = encode_upstream_query(&request.key, id, request.opt);
        let Ok(length) = u16::try_from(message.len()) else { return };
        // Length and message leave in one segment (RFC 7766 §8).
        self.outgoing.extend(length.to_be_bytes());
        self.outgoing.extend(message);
        let Request { key, silence, expires, reply, slot, .. } = request;
        self.pending.insert(id, Pending { key, sent: now, silence, expires, reply, _slot: slot });
        self.order.push_back(id);
        self.used_at = now;
        self.pulse.asked(now.into_std());
        self.show_head();
    }

    fn note_written(&mut self, count: usize) {
        self.flushed = count == 0;
        self.written += count;
        if self.written == self.outgoing.len() {
            self.outgoing.clear();
            self.outgoing.shrink_to(1_024);
            self.written = 0;
        }
    }

    fn receive(&mut self, frames: &mut Frames) {
        self.heard_at = Instant::now();
        while let Some(message) = frames.take_next() {
            self.settle(message);
        }
        self.show_head();
    }

    /// Gives one message to whom it answers: by id, and by question.
    fn settle(&mut self, message: &[u8]) {
        let id = message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id));
        let Some((id, pending)) = id.and_then(|id| self.pending.remove_entry(&id)) else {
            return self.open.metrics.mismatched();
        };
        let outcome = Answer::from_upstream(message, id, &pending.key);
        self.pulse.heard();
        if outcome.as_ref().is_err_and(|error| *error == AnswerError::Mismatch) {
            self.open.metrics.mismatched();
        }
        if self.order.front() == Some(&id) {
            self.order.pop_front();
        } else {
            self.open.shown.multiplexes.store(true, Relaxed);
        }
        self.used_at = self.heard_at;
        answer(pending.reply, outcome.map_err(Lost::from));
    }

    fn show_head(&mut self) {
        while self.order.front().is_some_and(|id| !self.pending.contains_key(id)) {
            self.order.pop_front();
        }
        // An id answered out of order may be drawn again while its first use still stands in the queue: one entry per pending id stays.
        if self.order.len() > 2 * MOST_PENDING {
            let pending = &self.pending;
            self.order.retain(|id| pending.contains_key(id));
        }
        let head = self.head().map(|head| head.sent);
        self.open.shown.show_head(head);
        if self.used_at >= self.retire_at {
            self.open.shown.closing.store(true, Relaxed);
        }
    }

    fn head(&self) -> Option<&Pending> {
        self.order.front().and_then(|id| self.pending.get(id))
    }

    /// The next moment at which something may be due. There is no timer without a connection.
    fn wake_at(&self) -> Instant {
        let Some(head) = self.head() else { return self.used_at + self.timing.idle };
        let silent = head.silence.map(|silence| self.heard_at.max(head.sent) + silence);
        silent.map_or(head.expires, |silent| silent.min(head.expires))
    }

    fn tick(&mut self, now: Instant) -> Option<End> {
        if now < self.wake_at() {
            return None;
        }
        let Some(head) = self.head() else { return Some(End::Unneeded) };
        if now >= head.expires {
            // Who answers out of order has answered something meanwhile.
            if !self.open.shown.multiplexes.load(Relaxed) || self.heard_at < head.sent {
                return Some(End::Stuck);
            }
            if let Some(id) = self.order.pop_front() {
                self.pending.remove(&id);
            }
            self.show_head();
            return None;
        }
        let silence = head.silence?;
        (now >= self.heard_at.max(head.sent) + silence).then_some(End::Silent)
    }

    /// Tells everybody who waits, oldest first, and those whose question was never taken.
    fn finish(mut self, end: End) {
        self.open.shown.closing.store(true, Relaxed);
        self.incoming.close();
        let mut head = true;
        for id in std::mem::take(&mut self.order) {
            let Some(pending) = self.pending.remove(&id) else { continue };
            answer(pending.reply, Err(end.lost(head)));
            head = false;
        }
        while let Ok(request) = self.incoming.try_recv() {
            answer(request.reply, Err(end.lost_unsent()));
        }
    }
}

impl End {
    fn of_io(error: &io::Error) -> Self {
        match FailureClass::of_io(error, false) {
            FailureClass::Reset => End::Reset,
            // Such as a peer that vanished: TCP_USER_TIMEOUT or keepalive found out.
            class => End::Failed(class),
        }
    }

    fn closed(frames: &Frames) -> Self {
        End::Closed { amid: frames.is_amid() }
    }

    fn lost(self, head: bool) -> Lost {
        match self {
            End::Closed { amid: true } if head => Lost::Failed(FailureClass::ClosedMidAnswer),
            End::Closed { .. } | End::Unneeded => Lost::Closed,
            End::Reset => Lost::Reset,
            End::Silent => Lost::Silent { head },
            End::Stuck if head => Lost::Failed(FailureClass::QueryTimeout),
            End::Stuck => Lost::Closed,
            End::Failed(class) => Lost::Failed(class),
        }
    }

    fn lost_unsent(self) -> Lost {
        match self {
            End::Failed(class) => Lost::Failed(class),
            _ => Lost::Closed,
        }
    }
}

/// Whoever asked may have gone: then nobody is to be told.
pub(super) fn answer(reply: oneshot::Sender<Result<Answer, Lost>>, outcome: Result<Answer, Lost>) {
    drop(reply.send(outcome));
}

/// Writes what there is to write, else sees to it that all of it leaves; 0: it has left.
async fn write_some(writer: &mut (impl AsyncWrite + Unpin), octets: &[u8], flushed: bool) -> io::Result<usize> {
    match (octets.is_empty(), flushed) {
        (true, true) => pending().await,
        (true, false) => writer.flush().await.map(|()| 0),
        (false, _) => match writer.write(octets).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(count),
        },
    }
}
