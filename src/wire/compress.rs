//! Answers that came spelled out, made short (RFC 1035 §4.1.4).
//!
//! CoreDNS compresses only what would not fit its transport, so over TCP it spells every name out: a stored answer would take up to
//! three times the room, and a third of its addresses would fit a reply of 512 octets.

use super::class::IN;
use super::header::HEADER;
use super::question::Key;
use super::record::{Layout, Record, check_name, spelled_name};
use super::rtype::{A, AAAA, HTTPS, SVCB, TXT};

/// The last place a pointer can lead to.
const FARTHEST: usize = 0x3FFF;
/// Names that others may point to, and names looked for among them, before it is given up: a message of thousands of different names
/// must not cost more than its octets.
const MOST_NAMES: usize = 8;
const MOST_SEARCHES: usize = 48;

/// The message with its names compressed, and where the TTLs stand then; `None` where there is nothing to gain, or a record of a type
/// whose data may hold names that we do not know.
pub(super) fn compress(message: &[u8], records_at: usize, records: &[Record], asked: &Key) -> Option<(Vec<u8>, Vec<u16>)> {
    let mut draft = Draft { out: message.get(..records_at)?.to_vec(), names: Vec::with_capacity(MOST_NAMES), owner: None, searches: 0 };
    draft.remember(HEADER, asked.name.as_wire().to_vec(), asked.name.as_wire().len());
    let mut ttl_offsets = Vec::with_capacity(records.len());
    let mut start = records_at;
    for found in records {
        if found.class != IN {
            return None;
        }
        draft.put_owner(spelled_name(message, start)?)?;
        // Type and class, and where the TTL stands.
        draft.out.extend_from_slice(message.get(found.ttl_at - 4..found.ttl_at)?);
        ttl_offsets.push(u16::try_from(draft.out.len()).ok()?);
        draft.out.extend_from_slice(message.get(found.ttl_at..found.ttl_at + 4)?);
        draft.put_data(message, found)?;
        start = found.end;
    }
    (draft.out.len() < message.len()).then_some((draft.out, ttl_offsets))
}

struct Draft {
    out: Vec<u8>,
    names: Vec<Known>,
    /// The owner of the record before.
    owner: Option<Owner>,
    searches: usize,
}

/// A name that stands in the message.
struct Known {
    at: usize,
    wire: Vec<u8>,
    /// Octets at its start that are written out; the rest is pointed to.
    literal: usize,
}

struct Owner {
    wire: Vec<u8>,
    pointer: [u8; 2],
}

impl Draft {
    fn put_owner(&mut self, wire: Vec<u8>) -> Option<()> {
        if let Some(owner) = self.owner.as_ref().filter(|owner| owner.wire.eq_ignore_ascii_case(&wire)) {
            self.out.extend_from_slice(&owner.pointer);
            return Some(());
        }
        let at = self.out.len();
        // What differs in case alone follows the question, as an owner that points to it does.
        self.put_name(&wire, <[u8]>::eq_ignore_ascii_case)?;
        let is_pointer = self.out.get(at).is_some_and(|first| *first >= 0xC0);
        let pointer = if is_pointer { self.out.get(at..)?.try_into().ok() } else { pointer_to(at) };
        self.owner = pointer.filter(|_| wire.len() > 1).map(|pointer| Owner { wire, pointer });
        Some(())
    }

    fn put_data(&mut self, message: &[u8], found: &Record) -> Option<()> {
        let length_at = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
        match Layout::of(found.rtype) {
            Some(layout) => self.put_names(message, found, layout)?,
            // The target of SVCB and HTTPS is never compressed (RFC 9460 §2.2).
            None if matches!(found.rtype, A | AAAA | TXT | SVCB | HTTPS) => {
                self.out.extend_from_slice(message.get(found.rdata..found.end)?);
            }
            None => return None,
        }
        let length = u16::try_from(self.out.len() - length_at - 2).ok()?;
        self.out.get_mut(length_at..length_at + 2)?.copy_from_slice(&length.to_be_bytes());
        Some(())
    }

    /// Names that must not be compressed are spelled out, though they may have come so.
    fn put_names(&mut self, message: &[u8], found: &Record, layout: Layout) -> Option<()> {
        let mut at = found.rdata + layout.before;
        self.out.extend_from_slice(message.get(found.rdata..at)?);
        for _ in 0..layout.names {
            let name = spelled_name(message, at)?;
            if layout.compressible {
                self.put_name(&name, <[u8]>::eq)?;
            } else {
                self.out.extend_from_slice(&name);
            }
            at = check_name(message, at)?;
        }
        self.out.extend_from_slice(message.get(at..found.end)?);
        Some(())
    }

    /// Writes a name with the longest end of it that stands in the message already pointed to; `None`: too many were looked for.
    fn put_name(&mut self, wire: &[u8], is_same: impl Fn(&[u8], &[u8]) -> bool) -> Option<()> {
        self.searches += 1;
        if self.searches > MOST_SEARCHES {
            return None;
        }
        let at = self.out.len();
        let shared = labels(wire).find_map(|start| Some((start, self.find(&wire[start..], &is_same)?)));
        let literal = shared.map_or(wire.len(), |(start, _)| start);
        self.out.extend_from_slice(&wire[..literal]);
        if let Some((_, pointer)) = shared {
            self.out.extend_from_slice(&pointer);
        }
        if literal > 1 {
            self.remember(at, wire.to_vec(), literal);
        }
        Some(())
    }

    /// A pointer to where this end of a name stands written out.
    fn find(&self, end: &[u8], is_same: &impl Fn(&[u8], &[u8]) -> bool) -> Option<[u8; 2]> {
        self.names.iter().find_map(|known| {
            let start = known.wire.len().checked_sub(end.len()).filter(|start| *start < known.literal)?;
            let is_label = labels(&known.wire).any(|label| label == start);
            (is_label && is_same(&known.wire[start..], end)).then(|| pointer_to(known.at + start)).flatten()
        })
    }

    fn remember(&mut self, at: usize, wire: Vec<u8>, literal: usize) {
        if self.names.len() < MOST_NAMES {
            self.names.push(Known { at, wire, literal });
        }
    }
}

fn pointer_to(at: usize) -> Option<[u8; 2]> {
    (at <= FARTHEST).then(|| (0xC000 | at as u16).to_be_bytes())
}

/// Where the labels of an uncompressed name start, the root's left out: nothing is gained by a pointer to it.
fn labels(wire: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let length = usize::from(*wire.get(start)?);
        at += 1 + length;
        (length > 0).then_some(start)
    })
}
