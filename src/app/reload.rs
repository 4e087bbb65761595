//! A changed configuration file put in force; a wrong one said and counted, while the old one goes on serving.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::signal::unix::Signal;
use tokio::time::sleep;

use super::groups::Groups;
use crate::config::{Look, Reload};
use crate::resolve::Resolver;
use crate::telemetry;

/// Between two looks at the file: ConfigMaps take up to a minute to arrive, a person with an editor waits gladly for two seconds.
const PERIOD: Duration = Duration::from_secs(2);

/// What reloads have come to. A cheap handle.
#[derive(Clone)]
pub(super) struct Reloads(Arc<Mutex<State>>);

struct State {
    file: Option<String>,
    hash: String,
    /// Of the file as it is now, if it is wrong.
    error: Option<String>,
    good: u64,
    bad: u64,
}

impl Reloads {
    pub(super) fn new(file: Option<String>, hash: String) -> Self {
        Self(Arc::new(Mutex::new(State { file, hash, error: None, good: 0, bad: 0 })))
    }

    /// The part of `/status`.
    pub(super) fn page(&self) -> Value {
        let state = self.0.lock();
        json!({ "file": state.file, "hash": state.hash, "error": state.error, "reloads": state.good, "failed_reloads": state.bad })
    }

    /// The part of `/metrics`.
    pub(super) fn metrics(&self) -> Vec<telemetry::Metric> {
        let state = self.0.lock();
        let rows = [("good".to_owned(), telemetry::Value::Counter(state.good)), ("bad".to_owned(), telemetry::Value::Counter(state.bad))];
        vec![
            telemetry::Metric::by("doorstep_config_reloads", "Changes of the configuration file, by what became of them", "result", rows),
            telemetry::Metric::plain(
                "doorstep_config_in_error",
                "1: the configuration file as it is now is wrong, and an older one is in force",
                telemetry::Value::Gauge(state.error.is_some().into()),
            ),
        ]
    }
}

/// Looks at the file for ever, every 2 s and at each `hang_up`.
pub(super) async fn follow(mut file: Reload, mut hang_up: Signal, groups: Groups, resolver: Resolver, reloads: Reloads) {
    loop {
        let look = tokio::select! {
            _ = hang_up.recv() => file.look_anew(),
            () = sleep(PERIOD) => file.look(),
        };
        act(look, &groups, &resolver, &reloads);
    }
}

fn act(look: Look, groups: &Groups, resolver: &Resolver, reloads: &Reloads) {
    let mut state = reloads.0.lock();
    match look {
        Look::Unchanged => {}
        Look::Changed(config, restart) => {
            let snapshot = groups.snapshot(&config.queries, Some(&resolver.snapshot().rules));
            resolver.replace(snapshot);
            resolver.rotate(config.queries.rotate);
            tracing::info!(hash = config.hash, "configuration reloaded");
            if !restart.is_empty() {
                tracing::warn!(keys = restart.join(", "), "these keys changed too and need a restart");
            }
            state.hash = config.hash;
            state.error = None;
            state.good += 1;
        }
        Look::Wrong(error) => {
            tracing::error!("configuration not reloaded, the old one goes on serving: {error}");
            state.error = Some(error.to_string());
            state.bad += 1;
        }
    }
}
