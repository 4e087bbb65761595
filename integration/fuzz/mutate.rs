//! Changes at random, a few at a time.

use rand::RngExt;
use rand::rngs::StdRng;

/// Octets at which readers turn: none, one, the ends of labels, pointers, signs.
const TURNS: [u8; 12] = [0, 1, 0x0C, 0x29, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xC1, 0xFE, 0xFF];

pub(crate) fn mutate(random: &mut StdRng, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=input.len());
        let until = random.random_range(at..=input.len());
        match random.random_range(0..10) {
            0 => input.truncate(at),
            1 => input.insert(at, random.random()),
            2 => drop(input.drain(at..until.min(at + 8))),
            3 => input.extend_from_within(at..until),
            4 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                let piece = &other[from..random.random_range(from..=other.len())];
                drop(input.splice(at..until, piece.iter().copied()));
            }
            5 if at + 2 <= input.len() => {
                let value: u16 = if random.random() { random.random() } else { random.random_range(0..64) };
                input[at..at + 2].copy_from_slice(&value.to_be_bytes());
            }
            6 if at + 2 <= input.len() => input[at..at + 2].copy_from_slice(&[0xC0, random.random_range(0..96)]),
            7 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            _ if at < input.len() => input[at] = TURNS[random.random_range(0..TURNS.len())],
            _ => {}
        }
    }
}
