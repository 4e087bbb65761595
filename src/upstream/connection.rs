//! A connection as the pool sees it: a handle to the task that owns the stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::Timing;
use super::attempt::Ask;
use super::dial;
use super::failure::Lost;
use super::lane::{Look, MOST_PENDING};
use super::metrics::Metrics;
use super::pulse::Pulse;
use super::quic;
use super::stream::{self, Task};
use crate::wire::{Answer, Key, SentOpt};

/// A question on its way to a connection's task.
pub(super) struct Request {
    pub(super) key: Key,
    pub(super) opt: SentOpt,
    /// Bound on the stream's silence while this is the oldest question; `None`: slowness is no fault.
    pub(super) silence: Option<Duration>,
    /// The exchange's own deadline: after it nobody waits.
    pub(super) expires: Instant,
    pub(super) reply: oneshot::Sender<Result<Answer, Lost>>,
    pub(super) slot: Slot,
}

/// What the pool sees of a connection.
pub(super) struct Connection {
    requests: mpsc::UnboundedSender<Request>,
    shown: Arc<Shown>,
    alone: bool,
}

/// Written by the task, read at placement.
pub(super) struct Shown {
    pub(super) born: Instant,
    in_flight: AtomicUsize,
    /// Microseconds since birth, plus one, when the oldest question was placed; 0: none.
    head_since: AtomicU64,
    pub(super) multiplexes: AtomicBool,
    pub(super) established: AtomicBool,
    pub(super) closing: AtomicBool,
    /// Told when there is a place again where there was none: nothing is in flight any more, or one question less than there may be.
    freed: Arc<Notify>,
}

/// One question's place in a connection's bound; given back when dropped.
pub(super) struct Slot(Arc<Shown>);

impl Drop for Slot {
    fn drop(&mut self) {
        if matches!(self.0.in_flight.fetch_sub(1, Relaxed), 1 | MOST_PENDING) {
            self.0.freed.notify_one();
        }
    }
}

/// Where a connection leads, and over what.
pub(super) enum Target {
    /// TCP, or TLS over it.
    Stream(dial::Target),
    Quic(quic::Target),
}

/// What a connection's task needs for life.
pub(super) struct Dial {
    pub(super) target: Target,
    pub(super) timing: Arc<Timing>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pulse: Arc<Pulse>,
    /// ± 20 % of the age at retirement.
    pub(super) jitter: f64,
    /// The process' bound on connections.
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) alone: bool,
    /// Wakes who waits for a place.
    pub(super) freed: Arc<Notify>,
}

impl Connection {
    /// Starts the task on this runtime. It ends when idle, retired or broken, or when this value is gone and nobody waits.
    pub(super) fn dial(dial: Dial) -> Self {
        let (requests, incoming) = mpsc::unbounded_channel();
        let shown = Arc::new(Shown {
            born: Instant::now(),
            in_flight: AtomicUsize::new(0),
            head_since: AtomicU64::new(0),
            multiplexes: AtomicBool::new(false),
            established: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            freed: dial.freed,
        });
        let alone = dial.alone;
        let open = Open::new(dial.metrics.clone(), shown.clone(), dial.permit);
        let retire_at = shown.born + dial.timing.age.mul_f64(dial.jitter);
        let (timing, pulse) = (dial.timing, dial.pulse);
        match dial.target {
            Target::Stream(target) => tokio::spawn(Task::new(target, retire_at, timing, pulse, open, incoming).run()),
            Target::Quic(target) => tokio::spawn(quic::Task { target, timing, pulse, open, incoming, retire_at }.run()),
        };
        Connection { requests, shown, alone }
    }

    pub(super) fn look(&self) -> Look {
        let since = self.shown.head_since.load(Relaxed);
        Look {
            in_flight: self.shown.in_flight.load(Relaxed),
            multiplexes: self.shown.multiplexes.load(Relaxed),
            established: self.shown.established.load(Relaxed),
            alone: self.alone,
            head_since: (since != 0).then(|| (self.shown.born + Duration::from_micros(since - 1)).into_std()),
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.shown.closing.load(Relaxed) || self.requests.is_closed()
    }

    /// Takes a place; under the pool's lock, so that the bound holds.
    pub(super) fn reserve(&self, now: Instant) -> Slot {
        if self.shown.in_flight.fetch_add(1, Relaxed) == 0 {
            self.shown.show_head(Some(now));
        }
        Slot(self.shown.clone())
    }

    /// Hands a question over. Nothing comes of a task that died with its runtime.
    pub(super) fn ask(&self, ask: &Ask<'_>, opt: SentOpt, slot: Slot) -> oneshot::Receiver<Result<Answer, Lost>> {
        let (reply, answer) = oneshot::channel();
        let request = Request { key: *ask.key, opt, silence: ask.silence, expires: ask.deadline, reply, slot };
        if let Err(mpsc::error::SendError(request)) = self.requests.send(request) {
            stream::answer(request.reply, Err(Lost::Closed));
        }
        answer
    }
}

impl Shown {
    /// Whether no question is on the connection, nor on its way there.
    pub(super) fn is_settled(&self) -> bool {
        self.in_flight.load(Relaxed) == 0
    }

    pub(super) fn show_head(&self, since: Option<Instant>) {
        let micros = since.map_or(0, |since| since.saturating_duration_since(self.born).as_micros() as u64 + 1);
        self.head_since.store(micros, Relaxed);
    }
}

/// Counts the connection and holds its permit while the task lives, however it ends.
pub(super) struct Open {
    pub(super) metrics: Arc<Metrics>,
    pub(super) shown: Arc<Shown>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: Arc<Metrics>, shown: Arc<Shown>, permit: OwnedSemaphorePermit) -> Self {
        metrics.connection_opened();
        Open { metrics, shown, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shown.closing.store(true, Relaxed);
        self.metrics.connection_closed();
    }
}
