//! What was asked of the upstreams, by group.

use std::sync::Arc;

use crate::telemetry::{Metric, Value};
use crate::upstream::{HistogramSnapshot, Lane, Metrics, Snapshot, Transport};

type Labels = Vec<(&'static str, String)>;

/// The metrics of all groups, a row or more for each.
pub(super) fn of_groups(groups: &[(String, Arc<Metrics>)]) -> Vec<Metric> {
    let snapshots: Vec<(&str, Snapshot)> = groups.iter().map(|(name, metrics)| (name.as_str(), metrics.snapshot())).collect();
    let one = |name, help, value: fn(&Snapshot) -> Value| metric(name, help, &snapshots, |snapshot| vec![(Vec::new(), value(snapshot))]);
    vec![
        metric("doorstep_upstream_attempts", "Questions sent to an upstream", &snapshots, attempts),
        metric("doorstep_upstream_failures", "Exchanges that brought no answer, by what happened", &snapshots, failures),
        metric("doorstep_upstream_exchange_seconds", "Answered exchanges, all attempts together", &snapshots, exchanges),
        one("doorstep_upstream_connections", "Connections open or being dialled", |of| Value::Gauge(of.connections)),
        one("doorstep_upstream_overflow", "Questions for a TCP server sent over UDP: no connection was free", |of| {
            Value::Counter(of.overflow)
        }),
        one("doorstep_upstream_resent", "Questions sent again: their connection closed or fell silent", |of| Value::Counter(of.resent)),
        one("doorstep_upstream_hedged", "Questions asked of a second server before the first had answered", |of| Value::Counter(of.hedged)),
        one("doorstep_upstream_mismatched", "Messages that matched no question (RFC 5452 section 9.2), or came late", |of| {
            Value::Counter(of.mismatched)
        }),
    ]
}

fn metric(name: &'static str, help: &'static str, groups: &[(&str, Snapshot)], rows: impl Fn(&Snapshot) -> Vec<(Labels, Value)>) -> Metric {
    let labelled = groups.iter().flat_map(|(group, snapshot)| {
        rows(snapshot).into_iter().map(|(mut labels, value)| {
            labels.insert(0, ("upstream", (*group).to_owned()));
            (labels, value)
        })
    });
    Metric { name, help, rows: labelled.collect() }
}

fn attempts(snapshot: &Snapshot) -> Vec<(Labels, Value)> {
    let row = |(transport, lane, count): &(Transport, Lane, u64)| {
        (vec![("transport", transport.label().to_owned()), ("lane", lane.label().to_owned())], Value::Counter(*count))
    };
    snapshot.attempts.iter().map(row).collect()
}

fn failures(snapshot: &Snapshot) -> Vec<(Labels, Value)> {
    snapshot.failures.iter().map(|(class, count)| (vec![("kind", class.label().to_owned())], Value::Counter(*count))).collect()
}

fn exchanges(snapshot: &Snapshot) -> Vec<(Labels, Value)> {
    let row = |(lane, histogram): &(Lane, HistogramSnapshot)| {
        let value = Value::Histogram { sum: histogram.sum.as_secs_f64(), buckets: histogram.buckets.clone() };
        (vec![("lane", lane.label().to_owned())], value)
    };
    snapshot.exchanges.iter().map(row).collect()
}
