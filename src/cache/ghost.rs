//! Fingerprints of what was evicted from probation: who comes back is proven.

use super::size;

/// Fingerprints a set: 32 octets, half a cache line.
const WAYS: usize = 8;

/// A set-associative memory of fingerprints, each set first in, first out. Nothing is allocated before the first eviction.
/// A false match costs nothing but a wrong queue.
pub(super) struct Ghost {
    sets: Vec<[u32; WAYS]>,
    /// A power of two.
    count: usize,
}

impl Ghost {
    /// Remembers about as many as fit into a share of `budget` octets.
    pub(super) fn for_budget(budget: usize) -> Self {
        Self { sets: Vec::new(), count: (budget / 256 / WAYS).next_power_of_two() }
    }

    /// Octets it will have allocated.
    pub(super) fn full_bytes(&self) -> usize {
        size::allocated(self.count * size_of::<[u32; WAYS]>())
    }

    /// Octets allocated.
    pub(super) fn bytes(&self) -> usize {
        if self.sets.is_empty() { 0 } else { self.full_bytes() }
    }

    /// Remembers a hash; 0 is not remembered.
    pub(super) fn insert(&mut self, hash: u32) {
        if self.sets.is_empty() {
            self.sets = vec![[0; WAYS]; self.count];
        }
        let at = self.set_of(hash);
        self.sets[at].rotate_right(1);
        self.sets[at][0] = hash;
    }

    /// Whether the hash was remembered; it no longer is.
    pub(super) fn take(&mut self, hash: u32) -> bool {
        if self.sets.is_empty() || hash == 0 {
            return false;
        }
        let at = self.set_of(hash);
        let way = self.sets[at].iter().position(|&held| held == hash);
        if let Some(way) = way {
            self.sets[at][way] = 0;
        }
        way.is_some()
    }

    fn set_of(&self, hash: u32) -> usize {
        hash as usize & (self.count - 1)
    }
}
