//! The redirect side beside the query side: they meet here, in a latch and in what readiness says, and nowhere else.

use std::net::IpAddr;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::groups::Groups;
use crate::k8s::{self, Account};
use crate::lifecycle::{Latch, Readiness};
use crate::resolve::Resolver;

/// This agent's part in the redirect.
pub(super) struct Redirect {
    config: Option<k8s::Config>,
    readiness: Readiness,
    drain: Latch,
    account: Account,
}

impl Redirect {
    /// `config`: the cluster; `None`: nobody is asked, and the account stays empty.
    pub(super) fn new(config: Option<k8s::Config>, readiness: &Readiness) -> Self {
        let drain = readiness.latch("redirect", "");
        drain.release();
        Self { config, readiness: readiness.clone(), drain, account: Account::default() }
    }

    /// What there is to tell of it.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Takes part until the control thread ends.
    pub(super) async fn keep(self) {
        let Some(config) = self.config else { return };
        tracing::info!(namespace = config.namespace, service = config.dns_service, "keeping the redirect");
        k8s::run(config, self.readiness, self.drain, self.account).await;
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

/// The part of `/status`.
pub(super) fn page(account: &Account) -> Value {
    let mut page = json!(account.report());
    page["last_error"] = json!(account.last_error());
    page
}
