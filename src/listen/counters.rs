//! Counts of what passed the sockets, on cache lines that no other worker writes.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of all workers.
#[derive(Debug)]
pub struct Counters(Box<[Worker]>);

/// One worker's counters. 128 octets: the pair of lines that the adjacent-line prefetcher moves together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Worker {
    pub(super) received_udp: Count,
    pub(super) received_tcp: Count,
    pub(super) sent_udp: Count,
    pub(super) sent_tcp: Count,
    pub(super) send_failures: Count,
    pub(super) receive_errors: Count,
    pub(super) discarded: Count,
    pub(super) kernel_drops: Count,
    pub(super) accepted: Count,
    pub(super) closed: Count,
    pub(super) yielded: Count,
    pub(super) refused: Count,
    pub(super) crowded: Count,
    pub(super) accept_errors: Count,
    pub(super) rate_refused: Count,
    pub(super) rate_ignored: Count,
    pub(super) unread: Count,
}

/// One count, up only.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(super) fn add(&self, more: usize) {
        if more > 0 {
            self.0.fetch_add(more as u64, Relaxed);
        }
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// All counts at one moment, summed over the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Datagrams received.
    pub received_udp: u64,
    /// Messages received on streams.
    pub received_tcp: u64,
    /// Replies handed to the kernel as datagrams.
    pub sent_udp: u64,
    /// Replies queued on streams.
    pub sent_tcp: u64,
    /// Replies that could not be sent as datagrams: denied, no route, or the send buffer full.
    pub send_failures: u64,
    /// Failed attempts to receive datagrams.
    pub receive_errors: u64,
    /// Datagrams dropped unanswered: from port 0, or more waiting than a worker bears.
    pub discarded: u64,
    /// Datagrams that the kernel dropped because a receive buffer was full; at most about a second old.
    pub kernel_drops: u64,
    /// TCP connections accepted since the start.
    pub tcp_accepted: u64,
    /// TCP connections open now, those that are being closed included.
    pub tcp_open: u64,
    /// TCP connections that were idle and made room for a new one.
    pub tcp_yielded: u64,
    /// TCP connections closed at once: too many, and none of them idle.
    pub tcp_refused: u64,
    /// TCP connections closed because they held more than there was room for.
    pub tcp_crowded: u64,
    /// Failed attempts to accept a TCP connection.
    pub accept_errors: u64,
    /// Queries of clients over their rate that were refused.
    pub rate_refused: u64,
    /// Queries of clients far over their rate that were not answered.
    pub rate_ignored: u64,
    /// Answers over TCP that were dropped, for their clients did not read those before.
    pub unread: u64,
}

impl Counters {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Worker::default()).collect())
    }

    /// The counters of one worker.
    pub(super) fn of(&self, worker: usize) -> &Worker {
        &self.0[worker]
    }

    /// Messages received since the start, over all workers and transports.
    pub fn received(&self) -> u64 {
        self.0.iter().map(|worker| worker.received_udp.value() + worker.received_tcp.value()).sum()
    }

    /// All counts.
    pub fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        let mut closed = 0;
        for worker in &self.0 {
            for (total, count) in [
                (&mut sum.received_udp, &worker.received_udp),
                (&mut sum.received_tcp, &worker.received_tcp),
                (&mut sum.sent_udp, &worker.sent_udp),
                (&mut sum.sent_tcp, &worker.sent_tcp),
                (&mut sum.send_failures, &worker.send_failures),
                (&mut sum.receive_errors, &worker.receive_errors),
                (&mut sum.discarded, &worker.discarded),
                (&mut sum.kernel_drops, &worker.kernel_drops),
                // Before `accepted`, so that no more seem closed than were accepted.
                (&mut closed, &worker.closed),
                (&mut sum.tcp_accepted, &worker.accepted),
                (&mut sum.tcp_yielded, &worker.yielded),
                (&mut sum.tcp_refused, &worker.refused),
                (&mut sum.tcp_crowded, &worker.crowded),
                (&mut sum.accept_errors, &worker.accept_errors),
                (&mut sum.rate_refused, &worker.rate_refused),
                (&mut sum.rate_ignored, &worker.rate_ignored),
                (&mut sum.unread, &worker.unread),
            ] {
                total.add_assign(count.value());
            }
        }
        sum.tcp_open = sum.tcp_accepted.saturating_sub(closed);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_sums_the_workers_and_knows_what_is_open() {
        let counters = Counters::new(2);
        for worker in 0..2 {
            counters.of(worker).received_udp.add(2);
            counters.of(worker).received_tcp.add(1);
            counters.of(worker).accepted.add(3);
        }
        counters.of(1).closed.add(4);
        let snapshot = counters.snapshot();
        assert_eq!(counters.received(), 6);
        assert_eq!((snapshot.received_udp, snapshot.received_tcp), (4, 2));
        assert_eq!((snapshot.tcp_accepted, snapshot.tcp_open), (6, 2));
    }
}
