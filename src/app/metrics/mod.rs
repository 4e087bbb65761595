//! The rooms' counts under the names operators know: those of node-cache and CoreDNS where the meaning is the same, `doorstep_` for the rest.

mod queries;
mod redirect;
mod sockets;
mod upstream;

use std::sync::Arc;

use super::groups::Groups;
use super::redirect::Pages;
use super::reload::Reloads;
use crate::lifecycle::{Readiness, Supervisor};
use crate::listen::Counters;
use crate::resolve::Resolver;
use crate::telemetry::{Metric, Registry, Value};

/// The page's sources.
pub(super) fn registry(
    resolver: &Resolver,
    counters: Arc<Counters>,
    groups: &Groups,
    readiness: &Readiness,
    supervisor: &Supervisor,
    reloads: &Reloads,
    pages: &Pages,
) -> Registry {
    let mut registry = Registry::default();
    let of = resolver.clone();
    registry.register(move || queries::of_queries(&of));
    let of = resolver.clone();
    registry.register(move || of_cache(&of));
    registry.register(move || sockets::of_sockets(&counters.snapshot()));
    let of = groups.clone();
    registry.register(move || upstream::of_groups(&of.metrics()));
    let (readiness, supervisor) = (readiness.clone(), supervisor.clone());
    registry.register(move || of_process(&readiness, &supervisor));
    let of = reloads.clone();
    registry.register(move || of.metrics());
    let (account, proof) = (pages.account.clone(), pages.proof.clone());
    registry.register(move || redirect::of_redirect(&account));
    registry.register(move || redirect::of_proof(&proof));
    registry
}

/// What the cache holds.
fn of_cache(resolver: &Resolver) -> Vec<Metric> {
    let stats = resolver.cache().stats();
    let pair = |success, denial| [("success".to_owned(), success), ("denial".to_owned(), denial)];
    vec![
        Metric::by(
            "coredns_cache_entries",
            "Entries in the cache, expired ones that may still be served included",
            "type",
            pair(Value::Gauge(stats.positive_entries), Value::Gauge(stats.negative_entries)),
        ),
        Metric::by(
            "coredns_cache_evictions",
            "Entries evicted to make room",
            "type",
            pair(Value::Counter(stats.evictions_positive), Value::Counter(stats.evictions_negative)),
        ),
        Metric::plain("doorstep_cache_bytes", "Bytes the cache takes, index included", Value::Gauge(stats.bytes)),
        Metric::plain("doorstep_cache_capacity_bytes", "Bytes the cache may take", Value::Gauge(stats.capacity)),
    ]
}

/// What the process knows of itself.
fn of_process(readiness: &Readiness, supervisor: &Supervisor) -> Vec<Metric> {
    vec![
        Metric::by(
            "doorstep_build_info",
            "1; the version is in the label",
            "version",
            [(env!("CARGO_PKG_VERSION").to_owned(), Value::Gauge(1))],
        ),
        Metric::plain("doorstep_ready", "1: queries should come", Value::Gauge(readiness.is_ready().into())),
        Metric::plain(
            "doorstep_worker_deaths",
            "Panics of worker loops, each started again on its socket",
            Value::Counter(supervisor.deaths()),
        ),
    ]
}
