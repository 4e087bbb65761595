//! First in, first out, threaded through the slots.

use super::entry::{Links, NIL};
use super::slab::Slab;

/// A queue of slots and the charge of its entries.
pub(super) struct Queue {
    head: u32,
    tail: u32,
    bytes: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { head: NIL, tail: NIL, bytes: 0 }
    }
}

impl Queue {
    /// Octets charged.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest.
    pub(super) fn head(&self) -> Option<u32> {
        (self.head != NIL).then_some(self.head)
    }

    /// Appends a slot that is in no queue.
    pub(super) fn push(&mut self, slab: &mut Slab, slot: u32) {
        slab[slot].links = Links { previous: self.tail, next: NIL };
        match self.tail {
            NIL => self.head = slot,
            tail => slab[tail].links.next = slot,
        }
        self.tail = slot;
        self.bytes += slab[slot].charge();
    }

    /// Takes out a slot that is in this queue.
    pub(super) fn unlink(&mut self, slab: &mut Slab, slot: u32) {
        let Links { previous, next } = slab[slot].links;
        match previous {
            NIL => self.head = next,
            previous => slab[previous].links.next = next,
        }
        match next {
            NIL => self.tail = previous,
            next => slab[next].links.previous = previous,
        }
        self.bytes -= slab[slot].charge();
    }

    /// Its slots from the oldest on, both ways of the links and the sum of charges checked.
    #[cfg(test)]
    pub(super) fn audit(&self, slab: &Slab) -> Vec<u32> {
        let (mut slots, mut at, mut previous) = (Vec::new(), self.head, NIL);
        while at != NIL {
            assert_eq!(slab[at].links.previous, previous);
            slots.push(at);
            (previous, at) = (at, slab[at].links.next);
        }
        assert_eq!(self.tail, previous);
        assert_eq!(self.bytes, slots.iter().map(|&slot| slab[slot].charge()).sum::<usize>());
        slots
    }
}
