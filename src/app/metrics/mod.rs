//! The rooms' counts under the names operators know: those of node-cache and CoreDNS where the meaning is the same, `doorstep_` for the rest.

mod redirect;
mod sockets;
mod upstream;

use std::sync::Arc;

use super::groups::Groups;
use super::redirect::Pages;
use super::reload::Reloads;
use crate::lifecycle::{Readiness, Supervisor};
use crate::listen::Counters;
use crate::resolve::{Outcome, Resolver};
use crate::telemetry::{Metric, Registry, Value};

use Outcome::{
    BadVers, Coalesced, FormErr, HitFailure, HitNoData, HitNxDomain, HitPositive, HitRefused, Identity, MissFailure, MissNoData,
    MissNxDomain, MissPositive, MissRefused, NotImp, Overload, Prefetch, Refused, RescuedNoData, RescuedNxDomain, RescuedPositive,
    Retransmission, RuleNoError, RuleNxDomain, Silence, StaleNoData, StaleNxDomain, StalePositive, Waiting,
};

/// Everything a client can send ends in one of these first.
const QUERIES: &[Outcome] = &[
    HitPositive,
    HitNoData,
    HitNxDomain,
    StalePositive,
    StaleNoData,
    StaleNxDomain,
    HitFailure,
    HitRefused,
    RuleNoError,
    RuleNxDomain,
    Identity,
    FormErr,
    NotImp,
    Refused,
    BadVers,
    Waiting,
];
const CACHE_REQUESTS: &[Outcome] =
    &[HitPositive, HitNoData, HitNxDomain, StalePositive, StaleNoData, StaleNxDomain, HitFailure, HitRefused, Waiting];
const STALE: &[Outcome] = &[StalePositive, StaleNoData, StaleNxDomain, RescuedPositive, RescuedNoData, RescuedNxDomain];
const NO_ERROR: &[Outcome] =
    &[HitPositive, HitNoData, StalePositive, StaleNoData, RescuedPositive, RescuedNoData, RuleNoError, Identity, MissPositive, MissNoData];
const NX_DOMAIN: &[Outcome] = &[HitNxDomain, StaleNxDomain, RescuedNxDomain, RuleNxDomain, MissNxDomain];
const SERV_FAIL: &[Outcome] = &[HitFailure, MissFailure, Overload];

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
    registry.register(move || of_queries(&of));
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

/// What the resolver counted.
fn of_queries(resolver: &Resolver) -> Vec<Metric> {
    let counters = resolver.counters();
    let total = |outcomes: &[Outcome]| Value::Counter(counters.total(outcomes));
    let named = |rows: &[(&str, &[Outcome])]| -> Vec<(String, Value)> {
        rows.iter().map(|(name, outcomes)| ((*name).to_owned(), total(outcomes))).collect()
    };
    let mut requests =
        Metric { name: "coredns_dns_requests", help: "Queries, by transport and address family (1: IPv4, 2: IPv6)", rows: Vec::new() };
    for (proto, tcp) in [("udp", false), ("tcp", true)] {
        for (family, ipv6) in [("1", false), ("2", true)] {
            let labels = vec![("proto", proto.to_owned()), ("family", family.to_owned())];
            requests.rows.push((labels, Value::Counter(counters.over(tcp, ipv6, QUERIES))));
        }
    }
    let rcodes: &[(&str, &[Outcome])] = &[
        ("NOERROR", NO_ERROR),
        ("NXDOMAIN", NX_DOMAIN),
        ("SERVFAIL", SERV_FAIL),
        ("FORMERR", &[FormErr]),
        ("NOTIMP", &[NotImp]),
        ("REFUSED", &[Refused, HitRefused, MissRefused]),
        ("BADVERS", &[BadVers]),
    ];
    let rejected: &[(&str, &[Outcome])] =
        &[("silence", &[Silence]), ("FORMERR", &[FormErr]), ("NOTIMP", &[NotImp]), ("REFUSED", &[Refused]), ("BADVERS", &[BadVers])];
    let hits: &[(&str, &[Outcome])] = &[("success", &[HitPositive]), ("denial", &[HitNoData, HitNxDomain, HitFailure, HitRefused])];
    vec![
        requests,
        Metric::by("coredns_dns_responses", "Replies, by rcode", "rcode", named(rcodes)),
        Metric::plain("coredns_cache_requests", "Queries that were looked up in the cache", total(CACHE_REQUESTS)),
        Metric::by("coredns_cache_hits", "Replies from the cache", "type", named(hits)),
        Metric::plain("coredns_cache_misses", "Queries that had to wait for an upstream", total(&[Waiting])),
        Metric::plain("coredns_cache_served_stale", "Expired answers served because the upstream failed", total(STALE)),
        Metric::plain("coredns_cache_prefetch", "Popular answers renewed before they expired", total(&[Prefetch])),
        Metric::by("doorstep_queries_rejected", "Messages that were not looked up, by what their sender got", "answer", named(rejected)),
        Metric::plain("doorstep_rule_answers", "Queries answered by a rule or a built-in name", total(&[RuleNoError, RuleNxDomain])),
        Metric::plain("doorstep_coalesced", "Queries that joined an exchange already under way", total(&[Coalesced])),
        Metric::plain("doorstep_retransmissions", "Queries dropped because the same one was waiting already", total(&[Retransmission])),
        Metric::plain("doorstep_waiting", "Queries waiting for an upstream now", Value::Gauge(resolver.waiting().0 as u64)),
        Metric::plain("doorstep_overload", "Queries refused because too many were waiting", total(&[Overload])),
    ]
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
