//! Slots for entries, in chunks: growing never moves or doubles what is there.

use super::entry::{Entry, NIL};
use super::size;
use std::ops::{Index, IndexMut};

/// Slots a chunk: 4 KiB.
const CHUNK: usize = 64;

/// Entries by slot number. Slots are reused, chunks kept.
#[derive(Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Entry>>,
    /// First of the vacant slots, chained through their links; meaningless while `vacant` is 0.
    first_vacant: u32,
    vacant: u32,
}

impl Slab {
    /// One chunk's allocation.
    pub(super) const CHUNK_BYTES: usize = size::allocated(CHUNK * size_of::<Entry>());

    /// Puts an entry into a slot of its own.
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        if self.vacant > 0 {
            let slot = self.first_vacant;
            self.first_vacant = self[slot].links.next;
            self.vacant -= 1;
            self[slot] = entry;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("a chunk with room was just made sure of");
        chunk.push(entry);
        u32::try_from(before + chunk.len() - 1).expect("a shard of at most 4 GiB has fewer than 2^32 slots of 64 octets")
    }

    /// Vacates a slot.
    pub(super) fn remove(&mut self, slot: u32) -> Entry {
        let mut vacant = Entry::vacant(0);
        vacant.links.next = if self.vacant > 0 { self.first_vacant } else { NIL };
        self.first_vacant = slot;
        self.vacant += 1;
        std::mem::replace(&mut self[slot], vacant)
    }

    /// Slots that are not vacant.
    #[cfg(test)]
    pub(super) fn occupied(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum::<usize>() - self.vacant as usize
    }

    /// Octets allocated.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * Self::CHUNK_BYTES + size::allocated(self.chunks.capacity() * size_of::<Vec<Entry>>())
    }
}

impl Index<u32> for Slab {
    type Output = Entry;

    fn index(&self, slot: u32) -> &Entry {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }
}

impl IndexMut<u32> for Slab {
    fn index_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }
}
