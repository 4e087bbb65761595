//! One worker's runtime: TCP, and the datagrams that had to wait.

use std::io;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::Respond;
use super::late::Late;
use super::supervised::{self, Watched};
use super::tcp::{Acceptor, Shared};
use super::udp::Handover;

const TICK: Duration = Duration::from_secs(1);
/// What an end waits for datagrams that wait themselves, and how often it looks.
const LAST_DATAGRAMS: Duration = Duration::from_secs(2);
const LAST_LOOK: Duration = Duration::from_millis(10);
/// Between two tries to start again while there are no descriptors.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// What a worker's runtime thread lives on; a panic within leaves it fit to go on.
pub(super) struct WorkerLoop<R: Respond> {
    pub(super) shared: Arc<Shared<R>>,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) handover: mpsc::UnboundedReceiver<Vec<Handover<R::Pending>>>,
    /// Closed when TCP must end.
    pub(super) serving: watch::Receiver<()>,
}

/// A worker's runtime until it panics, and what it polls from the first moment: all that takes descriptors before the first connection.
pub(super) struct WorkerRuntime {
    runtime: Runtime,
    /// Duplicates, which end with the runtime that polls them.
    listeners: Vec<TcpListener>,
}

impl WorkerRuntime {
    /// # Errors
    /// What the operating system says against a runtime, or a duplicate of one of these.
    pub(super) fn new(listeners: &[TcpListener]) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(Self { runtime, listeners: listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()? })
    }
}

impl<R: Respond + Clone> WorkerLoop<R> {
    /// Runs until TCP has ended and no datagram waits any more, or until it has died too often.
    pub(super) fn run(mut self, first: WorkerRuntime, watched: &Arc<Watched>) {
        let mut next = Some(first);
        supervised::run(watched, || {
            // After a panic everything that the old runtime held is gone with it, its connections included.
            if let Some(WorkerRuntime { runtime, listeners }) = next.take().or_else(|| self.another()) {
                runtime.block_on(self.serve(listeners, watched));
            }
        });
    }

    /// What to run on after a panic; `None` where that cannot be had before TCP must end. The old runtime has just given back as many
    /// descriptors as this takes, but others may have been quicker. There is no sign of life meanwhile: a pod in which this lasts, with
    /// nobody to answer what is not in memory, is not to stay ready.
    fn another(&self) -> Option<WorkerRuntime> {
        let mut told = false;
        loop {
            match WorkerRuntime::new(&self.listeners) {
                Ok(runtime) => return Some(runtime),
                Err(_) if self.serving.has_changed().is_err() => return None,
                Err(error) if !told => tracing::error!(%error, "a worker cannot start again yet; it goes on trying"),
                Err(_) => {}
            }
            told = true;
            thread::sleep(RESTART_PAUSE);
        }
    }

    async fn serve(&mut self, listeners: Vec<TcpListener>, watched: &Arc<Watched>) {
        let late = Arc::new(Late::new());
        let mut acceptors = JoinSet::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listening socket can be polled");
            acceptors.spawn(Acceptor::new(self.shared.clone(), listener, self.serving.clone(), watched.clone()).run());
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = None;
        while end.is_none_or(|end| Instant::now() < end) && !(acceptors.is_empty() && self.shared.nothing_waits()) {
            tokio::select! {
                _ = tick.tick() => watched.beat.tick(),
                Some(handovers) = self.handover.recv() => for handover in handovers {
                    spawn_answer(self.shared.clone(), handover, late.clone());
                },
                Some(ended) = acceptors.join_next() => pass_panic_on(ended),
                _ = self.serving.changed(), if end.is_none() => end = Some(Instant::now() + LAST_DATAGRAMS),
                () = sleep(LAST_LOOK), if end.is_some() => {}
            }
        }
    }
}

/// A query that waits must not hold back another: each is a task. A panic in one ends with it.
fn spawn_answer<R: Respond>(shared: Arc<Shared<R>>, handover: Handover<R::Pending>, late: Arc<Late>) {
    tokio::spawn(async move {
        let Handover { pending, reply_to, permit } = handover;
        let reply = shared.respond.answer_later(shared.worker, pending).await;
        if let (Some(reply), Some(reply_to)) = (reply, reply_to) {
            late.send(&reply, reply_to, shared.counters()).await;
        }
        // An end waits for what is not sent.
        drop(permit);
    });
}

/// An acceptor does not panic unless it is broken; then the whole runtime starts anew.
fn pass_panic_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}
