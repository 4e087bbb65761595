//! One part of the cache behind one lock: index, slots, and a share for each class.

use super::arena::Arena;
use super::entry::{Class, Entry, Failure};
use super::policy::Share;
use super::size;
use super::slab::Slab;
use super::ttl::Ticks;
use super::{Epochs, Found, Profile, Stats};
use crate::wire::Key;
use hashbrown::HashTable;
use std::mem;

/// One in this many octets is for negatives and failures.
const NEGATIVE_PART: usize = 4;

/// A shard.
pub(super) struct Shard {
    index: HashTable<u32>,
    slab: Slab,
    arena: Arena,
    positive: Share,
    negative: Share,
    /// Limit of `bytes`.
    capacity: usize,
    refused: u64,
}

impl Shard {
    /// `capacity`: octets, itself included.
    pub(super) fn new(capacity: usize) -> Self {
        // The last chunk is mostly empty, and the index' group at the end is nobody's: no entry is charged for these.
        let room = capacity.saturating_sub(size_of::<Self>() + Slab::CHUNK_BYTES + Arena::OVERHEAD + 256);
        let negative = room / NEGATIVE_PART;
        Self {
            index: HashTable::new(),
            slab: Slab::default(),
            arena: Arena::default(),
            positive: Share::new(room - negative),
            negative: Share::new(negative),
            capacity,
            refused: 0,
        }
    }

    /// What may be used of the entry for `key`, if anything.
    pub(super) fn look_up(&self, hash: u32, key: &Key, profile: &Profile, epochs: Epochs, now: Ticks) -> Option<Found<'_>> {
        let (entry, octets) = self.find(hash, key)?;
        entry.found(octets, profile, epochs, now)
    }

    /// The entry for `key`, live or not, and its octets.
    pub(super) fn find(&self, hash: u32, key: &Key) -> Option<(&Entry, &[u8])> {
        // What the comparison has looked up is not looked up again.
        let mut found = None;
        self.index.find(spread(hash), |&slot| {
            found = self.entry_for(slot, hash, key);
            found.is_some()
        });
        found
    }

    fn slot_of(&self, hash: u32, key: &Key) -> Option<u32> {
        self.index.find(spread(hash), |&slot| self.entry_for(slot, hash, key).is_some()).copied()
    }

    fn entry_for(&self, slot: u32, hash: u32, key: &Key) -> Option<(&Entry, &[u8])> {
        let entry = &self.slab[slot];
        let octets = self.arena.read(&entry.place);
        (entry.hash() == hash && entry.is_for(octets, key)).then_some((entry, octets))
    }

    /// Stores an entry in place of the one that `key` has.
    pub(super) fn store(&mut self, key: &Key, mut entry: Entry, now: Ticks) {
        let hash = entry.hash();
        if entry.charge() > self.share(entry.class()).largest() {
            self.refused += 1;
            return self.forget(hash, key);
        }
        if let Some(slot) = self.slot_of(hash, key) {
            self.detach(slot);
            entry.succeed(&self.slab[slot]);
            let old = mem::take(&mut self.slab[slot].place);
            entry.place = self.arena.replace(slot, old, entry.place);
            self.slab[slot] = entry;
            let (share, slab) = self.share_of(slot);
            share.attach(slab, slot);
        } else {
            let slot = self.slab.insert(entry);
            let unstored = mem::take(&mut self.slab[slot].place);
            self.slab[slot].place = self.arena.store(slot, unstored);
            let slab = &self.slab;
            self.index.insert_unique(spread(hash), slot, |&slot| spread(slab[slot].hash()));
            let (share, slab) = self.share_of(slot);
            share.admit(slab, slot);
        }
        self.make_room(now);
    }

    /// Stores an NXDOMAIN for every type of its name, in place of all that was known of the name at this hash; gives it back where
    /// another type says that the name exists.
    pub(super) fn deny(&mut self, key: &Key, denial: Entry, zone: u32, now: Ticks) -> Option<Entry> {
        let hash = denial.hash();
        let is_other = |slot: &u32| {
            let entry = &self.slab[*slot];
            let octets = self.arena.read(&entry.place);
            entry.hash() == hash && entry.is_of_name(octets, key) && !entry.is_for(octets, key)
        };
        let others: Vec<u32> = self.index.iter_hash(spread(hash)).copied().filter(is_other).collect();
        if others.iter().any(|slot| self.slab[*slot].affirms(zone, now)) {
            return Some(denial);
        }
        for slot in others {
            self.detach(slot);
            self.remove(slot);
        }
        self.store(key, denial, now);
        None
    }

    /// Whether there is an answer to `key` that may still be served, or a failure of it, for a failure to be marked on.
    pub(super) fn takes_mark(&self, hash: u32, key: &Key, failure: &Failure, now: Ticks) -> bool {
        self.find(hash, key).is_some_and(|(entry, _)| entry.takes_mark(failure.epochs.zone, now))
    }

    /// Marks a failure on it; false: there is none.
    pub(super) fn mark(&mut self, hash: u32, key: &Key, failure: &Failure, now: Ticks) -> bool {
        let slot = self.slot_of(hash, key).filter(|slot| self.slab[*slot].takes_mark(failure.epochs.zone, now));
        slot.inspect(|slot| self.slab[*slot].mark(failure, now)).is_some()
    }

    /// Remembers a failure: as a mark where there is something to mark, else by itself.
    pub(super) fn fail(&mut self, hash: u32, key: &Key, failure: &Failure, now: Ticks) {
        if !self.mark(hash, key, failure, now) {
            self.store(key, Entry::failure(hash, key, failure, now), now);
        }
    }

    /// Drops the entry of a key whose answer is not to be stored: what was known before is no longer so.
    pub(super) fn forget(&mut self, hash: u32, key: &Key) {
        if let Some(slot) = self.slot_of(hash, key) {
            self.detach(slot);
            self.remove(slot);
        }
    }

    /// Adds what this shard has.
    pub(super) fn count(&self, stats: &mut Stats) {
        stats.positive_entries += self.positive.entries;
        stats.negative_entries += self.negative.entries;
        stats.bytes += self.bytes() as u64;
        stats.evictions_positive += self.positive.evictions;
        stats.evictions_negative += self.negative.evictions;
        stats.refused += self.refused;
    }

    /// Octets allocated, itself included.
    fn bytes(&self) -> usize {
        let index = size::allocated(self.index.allocation_size());
        let ghosts = self.positive.ghost_bytes() + self.negative.ghost_bytes();
        size_of::<Self>() + self.arena.bytes() + self.slab.bytes() + index + ghosts
    }

    /// Evicts until each class keeps to its share. Slots and index keep the size of their busiest time, which the charges of
    /// fewer, larger entries do not cover: then, where moving what lives does not help, the class that is fuller gives way.
    fn make_room(&mut self, now: Ticks) {
        loop {
            let full = self.bytes() > self.capacity;
            let share = if self.positive.is_over() {
                &mut self.positive
            } else if self.negative.is_over() {
                &mut self.negative
            } else if (full || self.arena.is_sparse()) && self.arena.compact(&mut self.slab) {
                continue;
            } else if !full {
                return;
            } else if self.positive.fullness() >= self.negative.fullness() {
                &mut self.positive
            } else {
                &mut self.negative
            };
            let Some(slot) = share.evict(&mut self.slab, now) else { return };
            self.remove(slot);
        }
    }

    /// Removes an entry that is in no queue.
    fn remove(&mut self, slot: u32) {
        let entry = self.slab.remove(slot);
        self.arena.free(&entry.place);
        if let Ok(bucket) = self.index.find_entry(spread(entry.hash()), |&held| held == slot) {
            bucket.remove();
        }
    }

    /// Checks that index, slots, queues and sums agree.
    #[cfg(test)]
    pub(super) fn audit(&self) {
        let (positive, negative) = (self.positive.audit(&self.slab), self.negative.audit(&self.slab));
        assert!(positive.iter().all(|&slot| self.slab[slot].class() == Class::Positive));
        assert!(negative.iter().all(|&slot| self.slab[slot].class() == Class::Negative));
        let mut queued = [positive, negative].concat();
        self.arena.audit(queued.iter().map(|&slot| &self.slab[slot].place));
        let mut indexed: Vec<u32> = self.index.iter().copied().collect();
        queued.sort_unstable();
        indexed.sort_unstable();
        assert_eq!(queued, indexed);
        assert_eq!(queued.len(), self.slab.occupied());
        assert!(self.bytes() <= self.capacity);
    }

    fn detach(&mut self, slot: u32) {
        let (share, slab) = self.share_of(slot);
        share.detach(slab, slot);
    }

    fn share_of(&mut self, slot: u32) -> (&mut Share, &mut Slab) {
        let share = match self.slab[slot].class() {
            Class::Positive => &mut self.positive,
            Class::Negative => &mut self.negative,
        };
        (share, &mut self.slab)
    }

    fn share(&self, class: Class) -> &Share {
        match class {
            Class::Positive => &self.positive,
            Class::Negative => &self.negative,
        }
    }
}

/// The index takes its bucket from the low bits and its tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
