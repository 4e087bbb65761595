//! What the questions to the DNS Service have shown, for `/status` and metrics. A cheap handle.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::redirect::Path;

/// Whether the redirect is live on this node.
#[derive(Clone, Debug, Default)]
pub(super) struct Proof(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    live: Vec<(Path, bool)>,
    aside_until: Option<Instant>,
    asides: u64,
}

impl Proof {
    /// As the last round found it.
    pub(super) fn heard(&self, live: Vec<(Path, bool)>) {
        self.0.lock().live = live;
    }

    /// This agent has turned not ready, until then.
    pub(super) fn stepped_aside(&self, until: Instant) {
        let mut shown = self.0.lock();
        shown.aside_until = Some(until);
        shown.asides += 1;
    }

    /// It is ready again.
    pub(super) fn returned(&self) {
        self.0.lock().aside_until = None;
    }

    /// Each path that something is known of: whether the redirect is live there.
    pub(super) fn live(&self) -> Vec<(Path, bool)> {
        self.0.lock().live.clone()
    }

    /// How often this agent has stepped aside.
    pub(super) fn asides(&self) -> u64 {
        self.0.lock().asides
    }

    /// The part of `/status`.
    pub(super) fn page(&self, now: Instant) -> Value {
        let shown = self.0.lock();
        let live =
            shown.live.iter().map(|(path, live)| json!({ "protocol": path.protocol.label(), "family": path.family.label(), "live": live }));
        json!({
            "live": live.collect::<Vec<_>>(),
            "aside_seconds": shown.aside_until.map(|until| until.saturating_duration_since(now).as_secs()),
            "step_asides": shown.asides,
        })
    }
}
