//! Who goes when room is needed: S3-FIFO (doi 10.1145/3600006.3613147), bounded in bytes.
//!
//! Most names are asked once. They wait in a small queue and leave it without having touched the main one, so a flood of unique
//! names pushes out only itself.

use super::entry::{Entry, Lane};
use super::ghost::Ghost;
use super::queue::Queue;
use super::slab::Slab;
use super::ttl::Ticks;

/// The small queue's part of a share is one in this many.
const SMALL_PART: usize = 10;

/// Hits in the small queue that prove an entry.
const PROVEN: u8 = 2;

/// Entries given another chance before the next must go, so that one insert's time under the lock is bounded.
const PATIENCE: usize = 256;

/// The part of a shard that one class of entries has to itself.
pub(super) struct Share {
    small: Queue,
    main: Queue,
    ghost: Ghost,
    budget: usize,
    /// Entries held.
    pub(super) entries: u64,
    /// Entries dropped to make room.
    pub(super) evictions: u64,
}

impl Share {
    /// `budget`: octets, by charge.
    pub(super) fn new(budget: usize) -> Self {
        let ghost = Ghost::for_budget(budget);
        let budget = budget.saturating_sub(ghost.full_bytes());
        Self { small: Queue::default(), main: Queue::default(), ghost, budget, entries: 0, evictions: 0 }
    }

    /// The largest charge it takes: well below the small queue's part, so that no single answer empties that.
    pub(super) fn largest(&self) -> usize {
        self.budget / 16
    }

    /// Octets charged.
    pub(super) fn bytes(&self) -> usize {
        self.small.bytes() + self.main.bytes()
    }

    /// Octets beside the entries.
    pub(super) fn ghost_bytes(&self) -> usize {
        self.ghost.bytes()
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes() > self.budget
    }

    /// How full it is, in 1/1024.
    pub(super) fn fullness(&self) -> usize {
        self.bytes() * 1024 / self.budget.max(1)
    }

    /// Queues a new entry: in the main queue if it was here not long ago.
    pub(super) fn admit(&mut self, slab: &mut Slab, slot: u32) {
        let lane = if self.ghost.take(slab[slot].hash()) { Lane::Main } else { Lane::Small };
        slab[slot].lane = lane;
        self.attach(slab, slot);
    }

    /// Queues an entry in the lane it says.
    pub(super) fn attach(&mut self, slab: &mut Slab, slot: u32) {
        let lane = slab[slot].lane;
        self.queue(lane).push(slab, slot);
        self.entries += 1;
    }

    /// Takes an entry out of its queue.
    pub(super) fn detach(&mut self, slab: &mut Slab, slot: u32) {
        let lane = slab[slot].lane;
        self.queue(lane).unlink(slab, slot);
        self.entries -= 1;
    }

    /// Detaches the entry that must go; `None` when there is none.
    pub(super) fn evict(&mut self, slab: &mut Slab, now: Ticks) -> Option<u32> {
        let mut patience = PATIENCE;
        loop {
            let lane = if self.small.bytes() > self.budget / SMALL_PART { Lane::Small } else { Lane::Main };
            let slot = self.queue(lane).head().or_else(|| self.small.head())?;
            if patience > 0 && self.spare(slab, slot, now) {
                patience -= 1;
                continue;
            }
            self.detach(slab, slot);
            self.evictions += 1;
            if slab[slot].lane == Lane::Small && !slab[slot].is_dead(now) {
                self.ghost.insert(slab[slot].hash());
            }
            return Some(slot);
        }
    }

    /// Gives the head of a queue another chance, if it deserves one.
    fn spare(&mut self, slab: &mut Slab, slot: u32, now: Ticks) -> bool {
        let entry: &mut Entry = &mut slab[slot];
        let frequency = match (entry.lane, entry.frequency()) {
            _ if entry.is_dead(now) => return false,
            (Lane::Small, frequency) if frequency >= PROVEN => 0,
            (Lane::Main, frequency) if frequency > 0 => frequency - 1,
            _ => return false,
        };
        entry.set_frequency(frequency);
        self.detach(slab, slot);
        slab[slot].lane = Lane::Main;
        self.attach(slab, slot);
        true
    }

    /// Its slots, after a check that its queues and counts agree.
    #[cfg(test)]
    pub(super) fn audit(&self, slab: &Slab) -> Vec<u32> {
        let (small, main) = (self.small.audit(slab), self.main.audit(slab));
        assert!(small.iter().all(|&slot| slab[slot].lane == Lane::Small) && main.iter().all(|&slot| slab[slot].lane == Lane::Main));
        let slots = [small, main].concat();
        assert_eq!(self.entries, slots.len() as u64);
        assert!(!self.is_over());
        slots
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Small => &mut self.small,
            Lane::Main => &mut self.main,
        }
    }
}
