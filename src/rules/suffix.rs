//! A table of name suffixes.

use std::collections::HashMap;

use ahash::RandomState;

use crate::wire::{FoldedName, Name};

/// The most labels that 255 octets hold besides the root.
const MOST_LABELS: usize = 127;

/// Values by name. A search costs one hash for each depth that occurs among the names, whatever their number.
#[derive(Default)]
pub(super) struct SuffixMap<T> {
    entries: HashMap<Box<[u8]>, T, RandomState>,
    /// Bit number n: there is a name of n labels.
    depths: u128,
}

impl<T: Default> SuffixMap<T> {
    /// The value of just this name, a default one if there was none.
    pub(super) fn entry(&mut self, name: &Name) -> &mut T {
        let wire = name.as_wire();
        self.depths |= 1 << Labels::of(wire).count;
        self.entries.entry(wire.into()).or_default()
    }
}

impl<T> SuffixMap<T> {
    /// Shows `accept` the values of all suffixes of `name`, the longest first, until it takes one. Never allocates.
    #[inline]
    pub(super) fn longest<'m, R>(&'m self, name: &FoldedName, mut accept: impl FnMut(&'m T) -> Option<R>) -> Option<R> {
        let wire = name.as_wire();
        let labels = Labels::of(wire);
        let mut depths = self.depths & (u128::MAX >> (MOST_LABELS - labels.count));
        while depths != 0 {
            let depth = MOST_LABELS - depths.leading_zeros() as usize;
            depths ^= 1 << depth;
            let suffix = &wire[usize::from(labels.starts[labels.count - depth])..];
            if let Some(taken) = self.entries.get(suffix).and_then(&mut accept) {
                return Some(taken);
            }
        }
        None
    }
}

/// Where the labels of a name start.
struct Labels {
    /// The root's too, as the last.
    starts: [u8; MOST_LABELS + 1],
    /// Without the root.
    count: usize,
}

impl Labels {
    fn of(wire: &[u8]) -> Self {
        let mut labels = Self { starts: [0; MOST_LABELS + 1], count: 0 };
        let mut at = 0;
        while labels.count < MOST_LABELS {
            match wire.get(at) {
                None | Some(0) => break,
                Some(length) => at += 1 + usize::from(*length),
            }
            labels.count += 1;
            labels.starts[labels.count] = at.min(wire.len()) as u8;
        }
        labels
    }
}
