//! The redirect side beside the query side: they meet here, in a latch and in what readiness says, and nowhere else.

use serde_json::{Value, json};

use crate::k8s::{self, Account};
use crate::lifecycle::{Latch, Readiness};

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

/// The part of `/status`.
pub(super) fn page(account: &Account) -> Value {
    let mut page = json!(account.report());
    page["last_error"] = json!(account.last_error());
    page
}
