//! The caches that are compared: doorstep's, and what else such a program would take.

use std::sync::Arc;
use std::time::Instant;

use ahash::RandomState;
use doorstep::cache::{Cache, Epochs, Found, Profile};
use lru::LruCache;
use parking_lot::Mutex;
use quick_cache::Weighter;

use crate::names::Named;

/// By name, in the order of the table.
pub(crate) const CONTENDERS: [&str; 3] = ["doorstep", "quick_cache", "LRU"];

/// The plain LRU is sharded as doorstep's cache is at its default size.
const SHARDS: usize = 16;

const EPOCHS: Epochs = Epochs { zone: 1, outage: 1 };

/// A cache, bounded in octets.
pub(crate) trait Contender: Sync {
    /// Whether there is an answer; reads of it what every reply would.
    fn ask(&self, named: &Named) -> bool;
    /// Stores the upstream's answer.
    fn store(&self, named: &Named);
    /// Octets an entry costs by its own account, where it keeps one.
    fn told(&self) -> Option<f64> {
        None
    }
}

/// `each`: octets an entry costs, as measured; what bounds those that do not count their own octets.
pub(crate) fn build(name: &str, capacity: u64, each: u64) -> Box<dyn Contender> {
    match name {
        "quick_cache" => Box::new(quick_cache::sync::Cache::<Box<[u8]>, Arc<[u8]>, Each>::with_weighter(
            (capacity / each) as usize,
            capacity,
            Each(each),
        )),
        "LRU" => Box::new(Lru::new((capacity / each) as usize)),
        _ => {
            let now = now();
            Box::new(Ours { cache: Cache::new(capacity as usize, now), now })
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "where the cache's time begins, and stands still")]
fn now() -> Instant {
    Instant::now()
}

struct Ours {
    cache: Cache,
    now: Instant,
}

impl Contender for Ours {
    fn ask(&self, named: &Named) -> bool {
        let read = |found: Found<'_>| matches!(found, Found::Fresh { image, .. } if image.octets().len() > 12);
        self.cache.lookup(&named.key, &Profile::EXTERNAL, EPOCHS, self.now, read).unwrap_or(false)
    }

    fn store(&self, named: &Named) {
        self.cache.insert(&named.key, named.answer(), &Profile::EXTERNAL, EPOCHS, self.now);
    }

    fn told(&self) -> Option<f64> {
        let stats = self.cache.stats();
        Some(stats.bytes as f64 / (stats.positive_entries + stats.negative_entries) as f64)
    }
}

/// What every entry weighs.
#[derive(Clone)]
struct Each(u64);

impl Weighter<Box<[u8]>, Arc<[u8]>> for Each {
    fn weight(&self, _: &Box<[u8]>, _: &Arc<[u8]>) -> u64 {
        self.0
    }
}

impl Contender for quick_cache::sync::Cache<Box<[u8]>, Arc<[u8]>, Each> {
    fn ask(&self, named: &Named) -> bool {
        self.get(&named.octets).is_some_and(|image| image.len() > 12)
    }

    fn store(&self, named: &Named) {
        self.insert(named.octets.clone(), named.answer().into_image().into());
    }
}

type Shard = Mutex<LruCache<Box<[u8]>, Box<[u8]>>>;

/// Of each shard the same number of entries, which all weigh the same.
struct Lru {
    shards: Vec<Shard>,
    hasher: RandomState,
    most: usize,
}

impl Lru {
    fn new(entries: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(LruCache::unbounded())).collect();
        Self { shards, hasher: RandomState::new(), most: entries / SHARDS }
    }

    fn shard(&self, named: &Named) -> &Shard {
        &self.shards[self.hasher.hash_one(&named.octets) as usize % SHARDS]
    }
}

impl Contender for Lru {
    fn ask(&self, named: &Named) -> bool {
        self.shard(named).lock().get(&named.octets).is_some_and(|image| image.len() > 12)
    }

    fn store(&self, named: &Named) {
        let image = named.answer().into_image();
        let mut shard = self.shard(named).lock();
        shard.push(named.octets.clone(), image);
        if shard.len() > self.most {
            shard.pop_lru();
        }
    }
}
