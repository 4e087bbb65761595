//! What the agent sees, does and fails at, for `/status` and metrics. A cheap handle.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::redirect::{Act, Frontend, Report};

/// A kind of call to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A watch.
    Watch,
    /// A look at everything but network policies.
    Look,
    /// Reading the network policies.
    Review,
    /// Reading where kube-dns' own pods are, while this node does not get through to its upstream.
    Endpoints,
    /// Creating the policy.
    Create,
    /// Deleting the policy.
    Delete,
    /// Writing the agents' state.
    Write,
    /// Writing an Event.
    Event,
}

impl Call {
    /// All of them, for the metrics page.
    pub const ALL: [Self; 8] =
        [Self::Watch, Self::Look, Self::Review, Self::Endpoints, Self::Create, Self::Delete, Self::Write, Self::Event];

    /// Its name as labels have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Look => "look",
            Self::Review => "review",
            Self::Endpoints => "endpoints",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Write => "write",
            Self::Event => "event",
        }
    }

    pub(super) fn of(act: &Act) -> Self {
        match act {
            Act::Create(_) => Self::Create,
            Act::Delete { .. } => Self::Delete,
            Act::Write { .. } => Self::Write,
        }
    }
}

/// What there is to tell.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    report: Mutex<Report>,
    upstream: watch::Sender<Vec<IpAddr>>,
    frontend: watch::Sender<Frontend>,
    last_error: Mutex<Option<String>>,
    done: [AtomicU64; Call::ALL.len()],
    failed: [AtomicU64; Call::ALL.len()],
}

impl Account {
    /// The redirect as it was last decided on.
    pub fn report(&self) -> Report {
        self.0.report.lock().clone()
    }

    /// Why the API server was last not heard; `None` since it answered again.
    pub fn last_error(&self) -> Option<String> {
        self.0.last_error.lock().clone()
    }

    /// Calls that were done, watches by event, and calls that failed.
    pub fn calls(&self, call: Call) -> (u64, u64) {
        (self.0.done[call as usize].load(Relaxed), self.0.failed[call as usize].load(Relaxed))
    }

    /// The ClusterIPs of the Service [`crate::redirect::UPSTREAM_SERVICE`], the primary family's first, whenever they change.
    pub fn upstream(&self) -> watch::Receiver<Vec<IpAddr>> {
        self.0.upstream.subscribe()
    }

    /// The redirect's frontend, whenever it changes.
    pub fn frontend(&self) -> watch::Receiver<Frontend> {
        self.0.frontend.subscribe()
    }

    /// Takes down where clients ask, as a look found it. Without an address there is no news.
    pub(super) fn note_frontend(&self, addresses: &[SocketAddr], hairpin: bool) {
        self.0.frontend.send_if_modified(|known| {
            let new = !addresses.is_empty() && (known.addresses != addresses || known.hairpin != hairpin);
            if new {
                (known.addresses, known.hairpin) = (addresses.to_vec(), hairpin);
            }
            new
        });
    }

    /// Takes down where the upstream's Service is. An empty list is no news: what was asked goes on being asked.
    pub(super) fn note_upstream(&self, addresses: &[IpAddr]) {
        self.0.upstream.send_if_modified(|known| {
            let new = !addresses.is_empty() && known != addresses;
            if new {
                *known = addresses.to_vec();
            }
            new
        });
    }

    /// Takes down where the redirect stands, and with it which policy clients are redirected by.
    pub(super) fn note_report(&self, report: Report) {
        self.0.frontend.send_if_modified(|known| {
            let new = known.policy != report.policy;
            known.policy.clone_from(&report.policy);
            new
        });
        *self.0.report.lock() = report;
    }

    /// Counts a call that was done.
    pub(super) fn done(&self, call: Call) {
        self.0.done[call as usize].fetch_add(1, Relaxed);
        *self.0.last_error.lock() = None;
    }

    /// Each failure is counted; one that says something new is logged.
    pub(super) fn failed(&self, call: Call, error: &str) {
        self.0.failed[call as usize].fetch_add(1, Relaxed);
        let text = format!("{}: {error}", call.label());
        let mut last = self.0.last_error.lock();
        if last.as_ref() != Some(&text) {
            tracing::warn!(call = call.label(), %error, "the API server: tried again later; DNS is answered all the same");
        }
        *last = Some(text);
    }
}
