//! `/status`: what a person wants to know first, as JSON.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::descriptors::Descriptors;
use super::redirect::Pages;
use super::reload::Reloads;
use crate::lifecycle::{Readiness, Supervisor};
use crate::resolve::Resolver;
use crate::upstream::{Group, Transport};

/// What the page shows.
pub(super) struct Status {
    pub(super) identity: String,
    pub(super) domain: String,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) workers: usize,
    pub(super) started: Instant,
    pub(super) readiness: Readiness,
    pub(super) supervisor: Supervisor,
    pub(super) resolver: Resolver,
    pub(super) reloads: Reloads,
    pub(super) redirect: Pages,
    pub(super) descriptors: Descriptors,
}

impl Status {
    /// The page, at `now`.
    pub(super) fn page(&self, now: Instant) -> Value {
        let snapshot = self.resolver.snapshot();
        let cache = self.resolver.cache().stats();
        let (waiting, questions) = self.resolver.waiting();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "identity": self.identity,
            "cluster_domain": self.domain,
            "uptime_seconds": now.saturating_duration_since(self.started).as_secs(),
            "ready": self.readiness.is_ready(),
            "pending": self.readiness.pending(),
            "listen": self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "workers": self.workers,
            "file_descriptors": self.descriptors.page(),
            "worker_deaths": self.supervisor.deaths(),
            "config": self.reloads.page(),
            "redirect": self.redirect.status(now),
            "upstreams": snapshot.groups.iter().map(|group| upstream(group, now)).collect::<Vec<_>>(),
            "waiting": { "queries": waiting, "questions": questions },
            "cache": {
                "bytes": cache.bytes,
                "capacity_bytes": cache.capacity,
                "positive_entries": cache.positive_entries,
                "negative_entries": cache.negative_entries,
            },
        })
    }
}

fn upstream(group: &Arc<Group>, now: Instant) -> Value {
    json!({
        "name": group.name(),
        "servers": group.servers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "endpoints": group.endpoints().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "external_over": group.external_over_udp().then_some(Transport::Udp.label()),
        "outage": group.is_out(),
        "silent": group.silent(now),
        "last_failure": group.last_failure().map(|class| json!({ "kind": class.label(), "means": class.meaning() })),
        "tls_refusal": group.tls_refusal(),
    })
}
