//! Bytes of memory: answers kept by their key, bounded in bytes, for as long as they live and, expired, for serve-stale.
//!
//! A lookup is one keyed hash, one shard's read lock and the whole question compared; it never allocates. An NXDOMAIN is kept once for
//! its name (RFC 2308 §5), at the hash that A and AAAA of a name share, so that these find it at once; other types look a second time. Positives have three
//! quarters of the bytes, negatives and failures one: a storm of the one cannot evict the other. Within its share, eviction is
//! S3-FIFO: a flood of names asked once pushes out only itself. Nothing is removed for its age alone; expiry is checked at read.

mod arena;
mod config;
mod entry;
mod ghost;
mod policy;
mod profile;
mod queue;
mod shard;
mod size;
mod slab;
mod stats;
#[cfg(test)]
mod tests;
mod ttl;

pub use config::Config;
pub use entry::Found;
pub use profile::{Epochs, Profile};
pub use stats::Stats;

use crate::wire::{Answer, Key, Rcode, rtype};
use ahash::RandomState;
use entry::{Entry, Failure};
use parking_lot::RwLock;
use shard::Shard;
use std::hash::{BuildHasher, Hasher};
use std::time::Instant;
use ttl::Life;

/// Octets a shard should have at least, and the bounds of the number of shards.
const SHARD_CAPACITY: usize = 2 << 20;
const MIN_SHARDS: usize = 2;
const MAX_SHARDS: usize = 64;

/// A lock to itself: neighbours' writes do not disturb it.
#[repr(align(128))]
struct Padded(RwLock<Shard>);

/// Octets around a shard: the lock, and what fills the last cache line.
const PADDING: usize = size_of::<Padded>() - size_of::<Shard>();

/// The types that nearly all stubs ask, both of each name.
const ADDRESSES: [u16; 2] = [rtype::A, rtype::AAAA];
/// In the place of a type: what is hashed for these two, and for an NXDOMAIN. No query has it (RFC 6895 §3.1).
const ANY_ADDRESS: u16 = 0;

/// The cache. Shared by all workers.
pub struct Cache {
    /// A power of two of them.
    shards: Box<[Padded]>,
    /// Keyed anew in each process: nobody outside can choose names that collide.
    hasher: RandomState,
    born: Instant,
    capacity: usize,
}

impl Cache {
    /// `capacity` as in [`Config`], brought into its bounds; ages count from `born`. Allocates next to nothing before the first insert.
    pub fn new(capacity: usize, born: Instant) -> Self {
        let capacity = capacity.clamp(Config::MIN_CAPACITY, Config::MAX_CAPACITY);
        let count = 1 << (capacity / SHARD_CAPACITY).clamp(MIN_SHARDS, MAX_SHARDS).ilog2();
        let share = capacity / count - PADDING;
        let shards = (0..count).map(|_| Padded(RwLock::new(Shard::new(share)))).collect();
        Self { shards, hasher: RandomState::new(), born, capacity }
    }

    /// Looks `key` up and hands what may be used to `read`, under the shard's read lock: `read` copies and returns, and does not
    /// call this cache. Never allocates. Where there is nothing to use, `read` is not called and the answer is `None`.
    pub fn lookup<R>(&self, key: &Key, profile: &Profile, epochs: Epochs, now: Instant, read: impl FnOnce(Found<'_>) -> R) -> Option<R> {
        let now = ttl::point(self.born, now);
        let (hash, shard) = self.place(key);
        let failed = match shard.read().look_up(hash, key, profile, epochs, now) {
            Some(Found::Failed { rcode, reason }) => Some(Found::Failed { rcode, reason }),
            Some(found) => return Some(read(found)),
            None => None,
        };
        if ADDRESSES.contains(&key.qtype) {
            return failed.map(read);
        }
        let (hash, shard) = self.place_of_name(key);
        // An NXDOMAIN does not drop what other types failed by: here it goes before that, and expired it is stale with a failure marked.
        let shard = shard.read();
        match (shard.look_up(hash, key, profile, epochs, now), failed) {
            (Some(Found::Stale { image, kind, .. }), Some(_)) => Some(Found::Stale { image, kind, retry: false }),
            (None | Some(Found::Failed { .. }), failed @ Some(_)) => failed,
            (found, _) => found,
        }
        .map(read)
    }

    /// Stores an answer in place of whatever was known, the other kind and failures included. With TTL 0 it is for its own
    /// transaction only: nothing is stored and what was known is dropped, as it is for an answer too large (`Stats::refused`).
    /// A negative without SOA is kept for `profile.failure.0` and never served stale (RFC 2308 §5).
    pub fn insert(&self, key: &Key, answer: Answer, profile: &Profile, epochs: Epochs, now: Instant) {
        let now = ttl::point(self.born, now);
        let (hash, shard) = self.place(key);
        let (name_hash, name_shard) = self.place_of_name(key);
        // At an address' place this is the place itself, where it is replaced or dropped together with what was known.
        let forget_denial = || {
            if !ADDRESSES.contains(&key.qtype) {
                name_shard.write().forget(name_hash, key)
            }
        };
        let Some(life) = Life::of(&answer, profile, now) else {
            forget_denial();
            return shard.write().forget(hash, key);
        };
        let (kind, denies) = (answer.kind, profile.nxdomain_for_name && answer.denies_name());
        let entry = Entry::answer(hash, key, answer.into_image(), kind, life, epochs.zone);
        if !denies {
            forget_denial();
            return shard.write().store(key, entry, now);
        }
        // One lock at a time: both places may be in one shard.
        let refused = name_shard.write().deny(key, entry.into_denial(name_hash), epochs.zone, now);
        match refused {
            Some(denial) => shard.write().store(key, denial.into_answer(hash), now),
            None if ADDRESSES.contains(&key.qtype) => {}
            None => shard.write().forget(hash, key),
        }
    }

    /// Remembers a failure (RFC 9520 §3.2): `profile.failure.0` long, doubled each time it comes back within `profile.failure.1`
    /// of its end, at most `profile.failure.1`. Beside an answer that may still be served it is a mark (`Found::Stale::retry`),
    /// else an entry of its own. `reason` says what happened, by a number of the caller's.
    pub fn insert_failure(&self, key: &Key, rcode: Rcode, reason: u16, profile: &Profile, epochs: Epochs, now: Instant) {
        let now = ttl::point(self.born, now);
        let (hash, shard) = self.place(key);
        let failure = Failure { rcode, reason, epochs, spans: profile.failure };
        if !ADDRESSES.contains(&key.qtype) && !shard.read().takes_mark(hash, key, &failure, now) {
            let (hash, shard) = self.place_of_name(key);
            if shard.write().mark(hash, key, &failure, now) {
                return;
            }
        }
        shard.write().fail(hash, key, &failure, now);
    }

    /// Entries, bytes, evictions, by class. Takes each shard's lock in turn.
    pub fn stats(&self) -> Stats {
        let bytes = (self.shards.len() * PADDING) as u64;
        let mut stats = Stats { capacity: self.capacity as u64, bytes, ..Stats::default() };
        for shard in &self.shards {
            shard.0.read().count(&mut stats);
        }
        stats
    }

    /// Checks that all books balance.
    #[cfg(test)]
    fn audit(&self) {
        self.shards.iter().for_each(|shard| shard.0.read().audit());
    }

    /// Whether there is an entry for `key`, usable or not.
    #[cfg(test)]
    fn holds(&self, key: &Key) -> bool {
        let at = |(hash, shard): (u32, &RwLock<Shard>)| shard.read().find(hash, key).is_some();
        at(self.place(key)) || at(self.place_of_name(key))
    }

    /// Where an answer to `key` alone is kept.
    fn place(&self, key: &Key) -> (u32, &RwLock<Shard>) {
        self.place_of(key, if ADDRESSES.contains(&key.qtype) { ANY_ADDRESS } else { key.qtype })
    }

    /// Where an NXDOMAIN for the name of `key` is kept.
    fn place_of_name(&self, key: &Key) -> (u32, &RwLock<Shard>) {
        self.place_of(key, ANY_ADDRESS)
    }

    /// One hash: half of it chooses the shard, the other half is the entry's.
    fn place_of(&self, key: &Key, qtype: u16) -> (u32, &RwLock<Shard>) {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.name.as_wire());
        let flags = u64::from(key.dnssec_ok) << 1 | u64::from(key.checking_disabled);
        hasher.write_u64(flags << 32 | u64::from(qtype) << 16 | u64::from(key.qclass));
        let hash = hasher.finish();
        let shard = (hash >> 32) as usize & (self.shards.len() - 1);
        (hash as u32, &self.shards[shard].0)
    }
}
