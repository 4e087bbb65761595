//! What the sockets count, and the places of TCP connections.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of one worker, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Worker {
    pub(super) received_udp: AtomicU64,
    pub(super) received_tcp: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) receive_errors: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) yielded: AtomicU64,
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, more: usize) {
    if more > 0 {
        counter.fetch_add(more as u64, Relaxed);
    }
}

/// All workers' counts.
#[derive(Debug)]
pub struct Counters(Box<[Worker]>);

/// All counts at one moment, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Datagrams received.
    pub received_udp: u64,
    /// Messages received over TCP.
    pub received_tcp: u64,
    /// Replies over UDP handed to the kernel.
    pub sent: u64,
    /// Replies over UDP that the kernel did not take.
    pub unsent: u64,
    /// Receives over UDP that failed.
    pub receive_errors: u64,
    /// Queries over UDP dropped because too many were waiting for the worker already.
    pub shed: u64,
    /// TCP connections accepted and kept.
    pub accepted: u64,
    /// TCP connections closed at once: the limit was reached and no other was idle.
    pub refused: u64,
    /// Idle TCP connections closed to make room for a new one.
    pub yielded: u64,
}

impl Counters {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Worker::default()).collect())
    }

    pub(super) fn worker(&self, index: usize) -> &Worker {
        &self.0[index]
    }

    /// All counts.
    pub fn snapshot(&self) -> Snapshot {
        let sum = |of: fn(&Worker) -> &AtomicU64| self.0.iter().map(|worker| of(worker).load(Relaxed)).sum();
        Snapshot {
            received_udp: sum(|worker| &worker.received_udp),
            received_tcp: sum(|worker| &worker.received_tcp),
            sent: sum(|worker| &worker.sent),
            unsent: sum(|worker| &worker.unsent),
            receive_errors: sum(|worker| &worker.receive_errors),
            shed: sum(|worker| &worker.shed),
            accepted: sum(|worker| &worker.accepted),
            refused: sum(|worker| &worker.refused),
            yielded: sum(|worker| &worker.yielded),
        }
    }
}
