//! What the room counts: relaxed atomics, read as a plain snapshot.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{FailureClass, Lane};

/// How a question travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// QUIC.
    Quic,
}

impl Transport {
    /// All, in the order of their discriminants.
    pub const ALL: [Transport; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Quic];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Quic => "quic",
        }
    }
}

const CLASSES: usize = FailureClass::ALL.len();
/// Upper bounds 2^7 µs (128 µs) to 2^23 µs (8.4 s), and one bucket beyond.
const FIRST_BOUND: u32 = 7;
const BUCKETS: usize = 18;

/// Shared by all groups of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    attempts: [[AtomicU64; 2]; Transport::ALL.len()],
    failures: [AtomicU64; CLASSES],
    exchanges: [Histogram; 2],
    connections: AtomicU64,
    overflow: AtomicU64,
    resent: AtomicU64,
    hedged: AtomicU64,
    mismatched: AtomicU64,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

/// All counts at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Attempts by transport and lane.
    pub attempts: Vec<(Transport, Lane, u64)>,
    /// Failed exchanges by class, all classes.
    pub failures: Vec<(FailureClass, u64)>,
    /// Answered exchanges by lane.
    pub exchanges: Vec<(Lane, HistogramSnapshot)>,
    /// Connections open or being dialled.
    pub connections: u64,
    /// Questions for a TCP server sent over UDP because no connection was free.
    pub overflow: u64,
    /// Questions sent again because their connection closed or fell silent.
    pub resent: u64,
    /// Questions asked of another server too before the first had answered.
    pub hedged: u64,
    /// Messages that matched no question of ours: wrong id or question (RFC 5452 §9.2), or late.
    pub mismatched: u64,
}

/// A latency histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSnapshot {
    /// Upper bound in seconds (the last is infinite) and the count of that bucket alone, not cumulated.
    pub buckets: Vec<(f64, u64)>,
    /// Sum of all latencies.
    pub sum: Duration,
}

impl Metrics {
    /// Everything, now.
    pub fn snapshot(&self) -> Snapshot {
        let mut attempts = Vec::with_capacity(2 * Transport::ALL.len());
        for transport in Transport::ALL {
            for lane in Lane::ALL {
                attempts.push((transport, lane, self.attempts[transport as usize][lane as usize].load(Relaxed)));
            }
        }
        Snapshot {
            attempts,
            failures: FailureClass::ALL.iter().map(|class| (*class, self.failures[*class as usize].load(Relaxed))).collect(),
            exchanges: Lane::ALL.iter().map(|lane| (*lane, self.exchanges[*lane as usize].snapshot())).collect(),
            connections: self.connections.load(Relaxed),
            overflow: self.overflow.load(Relaxed),
            resent: self.resent.load(Relaxed),
            hedged: self.hedged.load(Relaxed),
            mismatched: self.mismatched.load(Relaxed),
        }
    }

    pub(super) fn attempted(&self, transport: Transport, lane: Lane) {
        self.attempts[transport as usize][lane as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self, class: FailureClass) {
        self.failures[class as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn answered(&self, lane: Lane, latency: Duration) {
        let micros = latency.as_micros().min(u128::from(u64::MAX)) as u64;
        let histogram = &self.exchanges[lane as usize];
        let bits = u64::BITS - micros.saturating_sub(1).leading_zeros();
        let bucket = bits.saturating_sub(FIRST_BOUND) as usize;
        histogram.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
        histogram.sum_micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn connection_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    pub(super) fn overflowed(&self) {
        self.overflow.fetch_add(1, Relaxed);
    }

    pub(super) fn resent(&self) {
        self.resent.fetch_add(1, Relaxed);
    }

    pub(super) fn hedged(&self) {
        self.hedged.fetch_add(1, Relaxed);
    }

    pub(super) fn mismatched(&self) {
        self.mismatched.fetch_add(1, Relaxed);
    }
}

impl Histogram {
    fn snapshot(&self) -> HistogramSnapshot {
        let bound = |index: usize| {
            if index == BUCKETS - 1 { f64::INFINITY } else { (1_u64 << (FIRST_BOUND as usize + index)) as f64 / 1e6 }
        };
        HistogramSnapshot {
            buckets: self.buckets.iter().enumerate().map(|(index, count)| (bound(index), count.load(Relaxed))).collect(),
            sum: Duration::from_micros(self.sum_micros.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_lies_in_the_bucket_whose_bound_it_does_not_exceed() {
        let metrics = Metrics::default();
        for micros in [1, 128, 129, 256, 60_000_000] {
            metrics.answered(Lane::Elastic, Duration::from_micros(micros));
        }
        let snapshot = metrics.snapshot();
        let (_, histogram) = &snapshot.exchanges[1];
        assert_eq!(histogram.buckets[0], (128e-6, 2));
        assert_eq!(histogram.buckets[1], (256e-6, 2));
        assert_eq!(histogram.buckets[BUCKETS - 1], (f64::INFINITY, 1));
        assert_eq!(histogram.sum, Duration::from_micros(60_000_514));
    }
}
