//! Octets of answers: written one behind the other into segments of one size, and moved together where many lie dead.
//!
//! Answers differ in size and leave in another order than they came. An allocation for each leaves holes between them that nothing
//! fits into, up to a third of what they take; here all that is allocated is segments, and all of it is counted. Known as
//! log-structured memory (Rumble, Kejriwal, Ousterhout, FAST 2014).

use super::size;
use super::slab::Slab;
use std::mem;

/// Octets a segment: with the allocator's word, 16 KiB. Small, so that emptying one takes microseconds.
const SEGMENT: usize = (16 << 10) - 8;
const SEGMENT_BYTES: usize = size::allocated(SEGMENT);
/// Bits of a place that tell the offset within a segment.
const OFFSET_BITS: u32 = 14;

/// In front of each run of octets: whose they are, a slot of 32 bits, and their length, 16 bits.
const HEADER: usize = 6;

/// What may live in a segment that is emptied: fifteen sixteenths. More would move much for little room.
const FULLEST: usize = SEGMENT / 16 * 15;

/// In the place of a count: the segment has no memory.
const GONE: u32 = u32::MAX;

/// Where an entry's octets are.
pub(super) enum Place {
    /// In an allocation of their own: not stored yet, or longer than [`Arena::LONGEST`].
    Own(Box<[u8]>),
    /// In a segment.
    Packed(Span),
}

impl Default for Place {
    fn default() -> Self {
        Self::Own(Box::default())
    }
}

impl Place {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Own(octets) => octets.len(),
            Self::Packed(span) => span.length as usize,
        }
    }
}

/// Octets in a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    at: u32,
    length: u32,
}

impl Span {
    fn new(segment: usize, offset: usize, length: usize) -> Self {
        let at =
            u32::try_from(segment << OFFSET_BITS | offset).expect("a shard of at most 64 MiB has fewer segments than 18 bits tell apart");
        Self { at, length: length as u32 }
    }

    fn segment(self) -> usize {
        (self.at >> OFFSET_BITS) as usize
    }

    fn range(self) -> std::ops::Range<usize> {
        let start = (self.at & ((1 << OFFSET_BITS) - 1)) as usize;
        start..start + self.length as usize
    }

    /// With its header.
    fn taken(self) -> u32 {
        self.length + HEADER as u32
    }
}

/// All octets of a shard's entries.
#[derive(Default)]
pub(super) struct Arena {
    segments: Vec<Vec<u8>>,
    /// Of each segment, the octets that entries still have, headers included; or `GONE`.
    live: Vec<u32>,
    /// The sum of these.
    lives: usize,
    /// Segments without memory.
    gone: Vec<u32>,
    /// The segment that is written.
    open: usize,
    /// Memory kept for the next segment: given back and taken again, it would come back with holes.
    spare: Option<Vec<u8>>,
    /// Octets allocated for those that are too long for a segment.
    own: usize,
}

impl Arena {
    /// Octets of the longest that shares a segment.
    pub(super) const LONGEST: usize = 2 << 10;
    /// Octets that no entry is charged for: the segment that is written is partly empty, and one is kept.
    pub(super) const OVERHEAD: usize = 2 * SEGMENT_BYTES;

    /// What an entry with so many is charged: a sixteenth of a segment may lie dead.
    pub(super) const fn charge(octets: usize) -> usize {
        if octets > Self::LONGEST { size::allocated(octets) } else { (octets + HEADER) * 16 / 15 + 1 }
    }

    /// The octets at a place.
    pub(super) fn read<'a>(&'a self, place: &'a Place) -> &'a [u8] {
        match place {
            Place::Packed(span) => &self.segments[span.segment()][span.range()],
            Place::Own(octets) => octets,
        }
    }

    /// Stores what is not stored yet, for the entry in `slot`.
    pub(super) fn store(&mut self, slot: u32, place: Place) -> Place {
        match place {
            Place::Own(octets) if octets.len() <= Self::LONGEST => Place::Packed(self.write(slot, &octets)),
            place => {
                self.own += size::allocated(place.len());
                place
            }
        }
    }

    /// Stores it in place of `old`, which belongs to the same slot.
    pub(super) fn replace(&mut self, slot: u32, old: Place, new: Place) -> Place {
        if let (Place::Packed(span), Place::Own(octets)) = (&old, &new)
            && octets.len() == span.length as usize
        {
            self.segments[span.segment()][span.range()].copy_from_slice(octets);
            return old;
        }
        self.free(&old);
        self.store(slot, new)
    }

    /// Nobody has these any more.
    pub(super) fn free(&mut self, place: &Place) {
        match place {
            Place::Packed(span) => {
                self.live[span.segment()] -= span.taken();
                self.lives -= span.taken() as usize;
            }
            Place::Own(octets) => self.own -= size::allocated(octets.len()),
        }
    }

    /// Octets allocated, or about to be: the kept segment counts from the first on.
    pub(super) fn bytes(&self) -> usize {
        let held = if self.segments.is_empty() { 0 } else { self.held() + 1 };
        let books = self.segments.capacity() * size_of::<Vec<u8>>() + (self.live.capacity() + self.gone.capacity()) * size_of::<u32>();
        held * SEGMENT_BYTES + size::allocated(books) + self.own
    }

    /// More than a quarter lies dead: it is time to compact whether room is short or not.
    pub(super) fn is_sparse(&self) -> bool {
        self.held() > 2 && self.lives * 4 < (self.held() - 1) * SEGMENT * 3
    }

    /// Empties the segment in which the least lives, into the open one. False: it would gain little, or the open one has no room.
    pub(super) fn compact(&mut self, slab: &mut Slab) -> bool {
        let others = (0..self.live.len()).filter(|number| *number != self.open);
        let Some(emptiest) = others.min_by_key(|number| self.live[*number]) else { return false };
        let room = SEGMENT - self.segments[self.open].len();
        if self.live[emptiest] as usize > room.min(FULLEST) {
            return false;
        }
        let mut old = mem::take(&mut self.segments[emptiest]);
        let mut offset = 0;
        while let Some((header, rest)) = old[offset..].split_first_chunk::<HEADER>() {
            let &[a, b, c, d, high, low] = header;
            let (slot, length) = (u32::from_be_bytes([a, b, c, d]), usize::from(u16::from_be_bytes([high, low])));
            offset += HEADER;
            // A slot may have been given to another since.
            let place = &mut slab[slot].place;
            if matches!(place, Place::Packed(span) if *span == Span::new(emptiest, offset, length)) {
                *place = Place::Packed(self.write(slot, &rest[..length]));
            }
            offset += length;
        }
        self.lives -= self.live[emptiest] as usize;
        self.live[emptiest] = GONE;
        self.gone.push(emptiest as u32);
        old.clear();
        self.spare.get_or_insert(old);
        true
    }

    fn write(&mut self, slot: u32, octets: &[u8]) -> Span {
        if self.segments.get(self.open).is_none_or(|open| open.len() + HEADER + octets.len() > SEGMENT) {
            self.open_segment();
        }
        let open = &mut self.segments[self.open];
        let span = Span::new(self.open, open.len() + HEADER, octets.len());
        open.extend_from_slice(&slot.to_be_bytes());
        open.extend_from_slice(&(octets.len() as u16).to_be_bytes());
        open.extend_from_slice(octets);
        self.live[self.open] += span.taken();
        self.lives += span.taken() as usize;
        span
    }

    fn open_segment(&mut self) {
        let memory = self.spare.take().unwrap_or_else(|| Vec::with_capacity(SEGMENT));
        if let Some(number) = self.gone.pop() {
            self.open = number as usize;
            (self.segments[self.open], self.live[self.open]) = (memory, 0);
        } else {
            self.open = self.segments.len();
            self.segments.push(memory);
            self.live.push(0);
        }
    }

    fn held(&self) -> usize {
        self.segments.len() - self.gone.len()
    }

    /// Checks that the counts agree with these places, which are all there are.
    #[cfg(test)]
    pub(super) fn audit<'a>(&self, places: impl Iterator<Item = &'a Place>) {
        let (mut live, mut own) = (vec![0; self.live.len()], 0);
        for place in places {
            match place {
                Place::Packed(span) => live[span.segment()] += span.taken(),
                Place::Own(octets) => own += size::allocated(octets.len()),
            }
        }
        assert_eq!(self.lives, live.iter().map(|octets| *octets as usize).sum::<usize>());
        self.gone.iter().for_each(|number| live[*number as usize] = GONE);
        assert_eq!((&self.live, self.own), (&live, own));
        assert!(self.segments.iter().all(|segment| segment.capacity() == 0 || segment.capacity() == SEGMENT));
    }
}
