//! Counts of what was answered and how: one increment a query, on a cache line that no other worker writes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How one query ended. A query that has to wait counts twice: as [`Outcome::Waiting`], and by how the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// Live positive answer from the cache.
    HitPositive,
    /// Live NODATA from the cache.
    HitNoData,
    /// Live NXDOMAIN from the cache.
    HitNxDomain,
    /// Expired positive answer, served at once because the upstream failed a moment ago (RFC 8767).
    StalePositive,
    /// Expired NODATA, likewise.
    StaleNoData,
    /// Expired NXDOMAIN, likewise.
    StaleNxDomain,
    /// SERVFAIL remembered from a moment ago (RFC 9520).
    HitFailure,
    /// The upstream's REFUSED, likewise.
    HitRefused,
    /// NOERROR by rule or built-in name.
    RuleNoError,
    /// NXDOMAIN by rule or built-in name.
    RuleNxDomain,
    /// Identity of this server (RFC 4892).
    Identity,
    /// Not answered: a response, or too short.
    Silence,
    /// FORMERR.
    FormErr,
    /// NOTIMP.
    NotImp,
    /// REFUSED: a zone transfer, a class we do not serve, or RD=0 for a name not in the cache.
    Refused,
    /// BADVERS.
    BadVers,
    /// Not in the cache: waits for the upstream.
    Waiting,
    /// A retransmission of a query that waits already.
    Retransmission,
    /// Joined a wait that another query had begun.
    Coalesced,
    /// Positive answer from the upstream.
    MissPositive,
    /// NODATA from the upstream.
    MissNoData,
    /// NXDOMAIN from the upstream.
    MissNxDomain,
    /// Expired positive answer, served after the wait brought nothing (RFC 8767).
    RescuedPositive,
    /// Expired NODATA, likewise.
    RescuedNoData,
    /// Expired NXDOMAIN, likewise.
    RescuedNxDomain,
    /// The upstream failed and nothing stale was there: SERVFAIL.
    MissFailure,
    /// The upstream said REFUSED and nothing stale was there.
    MissRefused,
    /// Too many queries waiting, of this client or of all: SERVFAIL.
    Overload,
    /// Renewed before it expired, with no client waiting.
    Prefetch,
}

impl Outcome {
    /// All of them, in their order.
    pub const ALL: [Self; 29] = [
        Self::HitPositive,
        Self::HitNoData,
        Self::HitNxDomain,
        Self::StalePositive,
        Self::StaleNoData,
        Self::StaleNxDomain,
        Self::HitFailure,
        Self::HitRefused,
        Self::RuleNoError,
        Self::RuleNxDomain,
        Self::Identity,
        Self::Silence,
        Self::FormErr,
        Self::NotImp,
        Self::Refused,
        Self::BadVers,
        Self::Waiting,
        Self::Retransmission,
        Self::Coalesced,
        Self::MissPositive,
        Self::MissNoData,
        Self::MissNxDomain,
        Self::RescuedPositive,
        Self::RescuedNoData,
        Self::RescuedNxDomain,
        Self::MissFailure,
        Self::MissRefused,
        Self::Overload,
        Self::Prefetch,
    ];
}

/// UDP and TCP, each over IPv4 and IPv6.
const WAYS: usize = 4;

/// Counters of all workers.
pub struct Counters(Box<[Worker]>);

/// 128 octets: the pair of lines that the adjacent-line prefetcher moves together.
#[repr(align(128))]
struct Worker([[AtomicU64; Outcome::ALL.len()]; WAYS]);

impl Counters {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Worker(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))))).collect())
    }

    /// Counts one outcome. A worker index out of range counts nothing.
    #[inline]
    pub(super) fn count(&self, worker: usize, client: &super::Client, outcome: Outcome) {
        if let Some(Worker(ways)) = self.0.get(worker) {
            ways[way(client.tcp, client.address.is_ipv6())][outcome as usize].fetch_add(1, Relaxed);
        }
    }

    /// How often the outcomes happened that `counts` picks, over all workers, transports and families.
    pub fn total(&self, counts: impl Fn(Outcome) -> bool) -> u64 {
        (0..WAYS).map(|way| self.sum(way, &counts)).sum()
    }

    /// The same over one transport and address family.
    pub fn over(&self, tcp: bool, ipv6: bool, counts: impl Fn(Outcome) -> bool) -> u64 {
        self.sum(way(tcp, ipv6), &counts)
    }

    fn sum(&self, way: usize, counts: &impl Fn(Outcome) -> bool) -> u64 {
        let picked = Outcome::ALL.into_iter().filter(|outcome| counts(*outcome));
        picked.flat_map(|outcome| self.0.iter().map(move |Worker(ways)| ways[way][outcome as usize].load(Relaxed))).sum()
    }
}

const fn way(tcp: bool, ipv6: bool) -> usize {
    (tcp as usize) * 2 + ipv6 as usize
}
