//! The redirect side beside the query side: they meet here, in a latch and in what readiness says, and nowhere else.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::groups::Groups;
use super::proof::Proof;
use super::verify::Verifier;
use crate::k8s::{self, Account};
use crate::lifecycle::Readiness;
use crate::redirect::Blackhole;
use crate::resolve::Resolver;

/// This agent's part in the redirect.
pub(super) struct Redirect {
    config: Option<k8s::Config>,
    readiness: Readiness,
    latches: k8s::Latches,
    found: watch::Receiver<Option<Blackhole>>,
    pages: Pages,
    verifier: Verifier,
}

/// What there is to tell of it. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    /// What the API server was asked.
    pub(super) account: Account,
    /// What the DNS Service was asked.
    pub(super) proof: Proof,
}

impl Redirect {
    /// `config`: the cluster; `None`: nobody is asked, and the pages stay empty. Who answers as `identity` at `listeners` asks the DNS
    /// Service for a name of `domain`.
    pub(super) fn new(config: Option<k8s::Config>, readiness: &Readiness, identity: &str, domain: &str, listeners: &[SocketAddr]) -> Self {
        let released = |name| {
            let latch = readiness.latch(name, "");
            latch.release();
            latch
        };
        let (pages, (report, found)) = (Pages::default(), watch::channel(None));
        let verifier = Verifier {
            frontend: pages.account.frontend(),
            readiness: readiness.clone(),
            latch: released("aside"),
            found: report,
            proof: pages.proof.clone(),
            identity: identity.to_owned(),
            domain: domain.to_owned(),
            listeners: listeners.to_vec(),
        };
        let latches = k8s::Latches { drain: released("redirect"), families: released("families") };
        Self { config, readiness: readiness.clone(), latches, found, pages, verifier }
    }

    /// What there is to tell of it.
    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// How the API server is asked, and who counts it; `None`: nobody is asked.
    pub(super) fn cluster(&self) -> Option<(k8s::Config, Account)> {
        Some((self.config.clone()?, self.pages.account.clone()))
    }

    /// Takes part, by these tasks. The questions to the DNS Service end with the handle that is returned.
    pub(super) fn keep(self, tasks: &mut JoinSet<()>) -> Option<AbortHandle> {
        let config = self.config?;
        tracing::info!(namespace = config.namespace, service = config.dns_service, "keeping the redirect");
        tasks.spawn(k8s::run(config, self.readiness, self.latches, self.found, self.pages.account));
        Some(tasks.spawn(self.verifier.run()))
    }
}

impl Pages {
    /// The part of `/status`, at `now`.
    pub(super) fn status(&self, now: Instant) -> Value {
        let mut page = json!(self.account.report());
        page["last_error"] = json!(self.account.last_error());
        page["verification"] = self.proof.page(now);
        page
    }
}

/// Asks the Service `kube-dns-upstream` where the API server says it is, for as long as nothing else is configured: an agent may start
/// before its Service is made, and a Service may be made anew.
pub(super) async fn follow_upstream(mut told: watch::Receiver<Vec<IpAddr>>, groups: Groups, resolver: Resolver) {
    while told.changed().await.is_ok() {
        let first = told.borrow_and_update().first().copied();
        let snapshot = first.and_then(|address| groups.found(address, &resolver.snapshot().rules));
        if let Some(snapshot) = snapshot {
            tracing::info!(address = ?first, "asking the Service kube-dns-upstream");
            resolver.replace(snapshot);
        }
    }
}
