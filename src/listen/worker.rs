//! One worker's runtime: TCP, and the datagrams that had to wait.

use std::io;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::sync::Arc;
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

/// What a worker's runtime thread lives on; a panic within leaves it fit to go on.
pub(super) struct WorkerLoop<R: Respond> {
    pub(super) shared: Arc<Shared<R>>,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) handover: mpsc::UnboundedReceiver<Handover<R::Pending>>,
    /// Closed when TCP must end.
    pub(super) serving: watch::Receiver<()>,
}

/// Starts the runtime that a worker runs on.
///
/// # Errors
/// What the operating system says against it.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

impl<R: Respond + Clone> WorkerLoop<R> {
    /// Runs until TCP has ended and no datagram waits any more, or until it has died too often.
    pub(super) fn run(mut self, first: Runtime, watched: &Arc<Watched>) {
        let mut next = Some(first);
        supervised::run(watched, || {
            // After a panic everything that the old runtime held is gone with it, its connections included.
            let runtime = next.take().unwrap_or_else(|| runtime().expect("a thread that had a runtime can have another"));
            runtime.block_on(self.serve(watched));
        });
    }

    async fn serve(&mut self, watched: &Arc<Watched>) {
        let late = Arc::new(Late::new());
        let mut acceptors = JoinSet::new();
        for listener in &self.listeners {
            let listener = listener.try_clone().and_then(tokio::net::TcpListener::from_std);
            let listener = listener.expect("a listening socket can be duplicated and polled");
            acceptors.spawn(Acceptor::new(self.shared.clone(), listener, self.serving.clone(), watched.clone()).run());
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = None;
        while end.is_none_or(|end| Instant::now() < end) && !(acceptors.is_empty() && self.shared.nothing_waits()) {
            tokio::select! {
                _ = tick.tick() => watched.beat.tick(),
                Some(handover) = self.handover.recv() => spawn_answer(self.shared.clone(), handover, late.clone()),
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
