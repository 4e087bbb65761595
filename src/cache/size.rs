//! What a byte of cache costs: allocator size classes and index, so that the process' memory stays below the sum.

use super::arena::Arena;
use std::mem::size_of;

/// Octets an allocation of `octets` takes, in the dearer of the two allocators the program is built with.
pub(super) const fn allocated(octets: usize) -> usize {
    if octets == 0 {
        return 0;
    }
    let (glibc, jemalloc) = (glibc_chunk(octets), jemalloc_class(octets));
    if glibc > jemalloc { glibc } else { jemalloc }
}

/// glibc: a word in front, multiples of 16, at least 32.
const fn glibc_chunk(octets: usize) -> usize {
    let chunk = (octets + 8).next_multiple_of(16);
    if chunk < 32 { 32 } else { chunk }
}

/// jemalloc: multiples of 16 up to 128, above that four classes a doubling.
const fn jemalloc_class(octets: usize) -> usize {
    if octets <= 128 {
        return octets.next_multiple_of(16);
    }
    octets.next_multiple_of((1 << (octets - 1).ilog2()) / 4)
}

/// One slot's part of its chunk, the chunk's header and the chunk list included.
pub(super) const SLOT: usize = size_of::<super::entry::Entry>() + 2;

/// One entry's part of the index. A table of 32-bit slot numbers has a control octet beside each; it doubles when more than 7/16
/// of its buckets are taken and the rest are tombstones, so an entry pays for at most 32/7 buckets.
pub(super) const INDEX: usize = 5 * 32 / 7 + 1;

/// What an entry with `octets` at its place is charged.
pub(super) const fn charge(octets: usize) -> usize {
    Arena::charge(octets) + SLOT + INDEX
}
