//! The control thread: health pages, readiness, reload, signals, and the one order of shutdown. It never answers a query.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

use super::groups::Groups;
use super::readiness::{self, Latches};
use super::redirect::{self, Redirect};
use super::reload::{self, Reloads};
use crate::admin::{self, Sources};
use crate::config::Reload;
use crate::lifecycle::{Drain, Latch};
use crate::listen::Listeners;
use crate::resolve::Resolver;

/// Between two looks at whether queries still come, while draining.
const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// How long requests to the health pages may hold up the end.
const ADMIN_PATIENCE: Duration = Duration::from_secs(1);
/// What makes one agent's task panic may make all agents' panic: kube-dns is not to get the load of all nodes at once.
const SPREAD: Duration = Duration::from_secs(5 * 60);

/// Everything the control thread holds.
pub(super) struct Control {
    pub(super) admin: std::net::TcpListener,
    pub(super) sources: Sources,
    pub(super) latches: Latches,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) domain: String,
    pub(super) resolver: Resolver,
    pub(super) listeners: Listeners,
    pub(super) groups: Groups,
    pub(super) reload: Option<(Reload, Reloads)>,
    pub(super) redirect: Redirect,
    pub(super) drain: Drain,
    /// Held from the moment the process is told to stop.
    pub(super) serving: Latch,
}

/// The signals that concern us, caught from the moment this is made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Must be called inside the control thread's runtime.
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl Control {
    /// Runs until told to stop, then shuts down in order. The same, with exit code 1, within five minutes once one of its tasks has panicked:
    /// an agent that looks ready and no longer obeys the switch is worse than one that restarts.
    pub(super) async fn run(self, signals: Signals) -> ExitCode {
        let Signals { terminate, interrupt, hang_up } = signals;
        let (stop_admin, admin_stopped) = oneshot::channel::<()>();
        let admin = match TcpListener::from_std(self.admin) {
            Ok(listener) => tokio::spawn(admin::serve(listener, self.sources, async move { drop(admin_stopped.await) })),
            Err(error) => {
                tracing::error!(%error, "cannot serve the health pages");
                return ExitCode::FAILURE;
            }
        };
        let cluster = self.redirect.cluster();
        let mut tasks = JoinSet::new();
        let readiness = tasks.spawn(readiness::keep(self.latches, self.addresses, self.resolver.clone(), self.domain, cluster));
        tasks.spawn(redirect::follow_upstream(self.redirect.pages().account.upstream(), self.groups.clone(), self.resolver.clone()));
        let verifying = self.redirect.keep(&mut tasks);
        match self.reload {
            Some((file, reloads)) => tasks.spawn(reload::follow(file, hang_up, self.groups, self.resolver, reloads)),
            None => tasks.spawn(ignore(hang_up)),
        };
        let mut stop = Stop { terminate, interrupt };
        let (code, reason) = tokio::select! {
            () = stop.told() => (ExitCode::SUCCESS, "told to stop"),
            () = doomed(&mut tasks) => (ExitCode::FAILURE, "a task of the control thread panicked"),
        };
        // The order: not ready at once; answer until the data path has noticed and nobody asks any more; TCP connections and sockets;
        // the health pages last, so that to the end somebody says why.
        self.serving.hold(reason);
        // Our own questions are no client's: while they come, the drain would not find it quiet.
        readiness.abort();
        verifying.inspect(AbortHandle::abort);
        tracing::info!(at_least = ?self.drain.at_least, at_most = ?self.drain.at_most, "{reason}: not ready, answering on");
        let ending = shut_down(self.listeners, self.drain);
        tokio::select! {
            () = ending => {}
            () = stop.told() => {
                tracing::warn!("told to stop a second time: ending at once");
                return ExitCode::FAILURE;
            }
        }
        stop_admin.send(()).ok();
        drop(timeout(ADMIN_PATIENCE, admin).await);
        tracing::info!("stopped");
        code
    }
}

/// Waits until one of them has panicked, and it is this agent's turn.
async fn doomed(tasks: &mut JoinSet<()>) {
    panicked(tasks).await;
    let pause = SPREAD.mul_f64(rand::random());
    tracing::error!(after = ?pause, "a task of the control thread panicked: this agent does not keep the redirect any more, and ends to be started anew");
    sleep(pause).await;
}

/// Waits until one of them panics; that one ends changes nothing.
async fn panicked(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if ended.is_err_and(|error| error.is_panic()) {
            return;
        }
    }
    std::future::pending().await
}

async fn shut_down(listeners: Listeners, drain: Drain) {
    let begun = Instant::now();
    let (mut received, mut heard) = (listeners.received(), begun);
    while !drain.is_over(begun.elapsed(), heard.elapsed()) {
        sleep(DRAIN_LOOK).await;
        let now_received = listeners.received();
        if now_received != received {
            (received, heard) = (now_received, Instant::now());
        }
    }
    drop(spawn_blocking(|| listeners.close()).await);
}

/// What tells the process to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Without a file there is nothing to read again, and nothing to die of either.
async fn ignore(mut hang_up: Signal) {
    while hang_up.recv().await.is_some() {
        tracing::info!("SIGHUP: there is no configuration file to read again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_noticed_and_one_that_ends_is_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(std::future::pending()).abort();
        assert!(timeout(Duration::from_secs(60), panicked(&mut tasks)).await.is_err(), "nothing is wrong, and nobody is left");
        tasks.spawn(async {
            sleep(Duration::from_secs(1)).await;
            panic!("as a test has it");
        });
        tasks.spawn(std::future::pending());
        assert!(timeout(Duration::from_secs(60), panicked(&mut tasks)).await.is_ok());
        tasks.spawn(async { panic!("as a test has it") });
        assert!(timeout(SPREAD + Duration::from_secs(60), doomed(&mut tasks)).await.is_ok());
    }
}
