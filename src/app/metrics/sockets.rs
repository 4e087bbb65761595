//! What passed the sockets.

use crate::listen::Snapshot;
use crate::telemetry::{Metric, Value};

/// Counts of datagrams and connections; messages and replies themselves are counted by the resolver.
pub(super) fn of_sockets(snapshot: &Snapshot) -> Vec<Metric> {
    let rows = |rows: &[(&str, u64)]| -> Vec<(String, Value)> {
        rows.iter().map(|(name, count)| ((*name).to_owned(), Value::Counter(*count))).collect()
    };
    let lost = [
        ("receive_buffer", snapshot.kernel_drops),
        ("receive", snapshot.receive_errors),
        ("waiting", snapshot.discarded),
        ("send", snapshot.send_failures),
    ];
    let limited = [("REFUSED", snapshot.rate_refused), ("silence", snapshot.rate_ignored)];
    let turned_away = [
        ("yielded", snapshot.tcp_yielded),
        ("refused", snapshot.tcp_refused),
        ("crowded", snapshot.tcp_crowded),
        ("error", snapshot.accept_errors),
    ];
    vec![
        Metric::by("doorstep_rate_limited", "Queries of clients over their rate, by what they got", "answer", rows(&limited)),
        Metric::by("doorstep_datagrams_lost", "Datagrams that were not received, not answered or not sent, by why", "why", rows(&lost)),
        Metric::plain("doorstep_tcp_connections", "TCP connections of clients open now", Value::Gauge(snapshot.tcp_open)),
        Metric::plain("doorstep_tcp_accepted", "TCP connections of clients accepted", Value::Counter(snapshot.tcp_accepted)),
        Metric::by("doorstep_tcp_turned_away", "TCP connections of clients closed for want of room, by how", "how", rows(&turned_away)),
        Metric::plain("doorstep_tcp_unread", "Answers dropped because a client did not read those before", Value::Counter(snapshot.unread)),
    ]
}
