//! Walking the resource records of a message, every length and pointer checked (RFC 1035 §4.1.3, §4.1.4).

use super::class::IN;
use super::header::{HEADER, u16_at, u32_at};
use super::name::{FoldedName, MAX_LABEL, MAX_NAME};
use super::rtype::{A, AAAA, CNAME, DNAME, MX, NS, PTR, SOA, SRV};

/// One record: offsets into its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// TYPE.
    pub(super) rtype: u16,
    /// CLASS (of OPT: the payload size).
    pub(super) class: u16,
    /// TTL in seconds, unsigned (RFC 8767 §4).
    pub(super) ttl: u32,
    /// Where the TTL stands.
    pub(super) ttl_at: usize,
    /// Where RDATA starts.
    pub(super) rdata: usize,
    /// Where the record ends.
    pub(super) end: usize,
}

impl Record {
    /// Reads the record at `at`; `None` if anything about it is wrong.
    pub(super) fn read(message: &[u8], at: usize) -> Option<Self> {
        let name_end = check_name(message, at)?;
        let record = Self {
            rtype: u16_at(message, name_end)?,
            class: u16_at(message, name_end + 2)?,
            ttl: u32_at(message, name_end + 4)?,
            ttl_at: name_end + 4,
            rdata: name_end + 10,
            end: name_end + 10 + usize::from(u16_at(message, name_end + 8)?),
        };
        (record.end <= message.len() && record.rdata_is_sound(message)).then_some(record)
    }

    /// MINIMUM of an SOA: the last of its numbers.
    pub(super) fn soa_minimum(&self, message: &[u8]) -> Option<u32> {
        u32_at(message, self.end.checked_sub(4)?)
    }

    /// Where its names begin: the owner, which stands at `at`, and those in its data.
    pub(super) fn names(&self, message: &[u8], at: usize) -> [Option<usize>; 3] {
        let first = Layout::of(self.rtype).map(|layout| (self.rdata + layout.before, layout));
        let second = first.filter(|(_, layout)| layout.names > 1).and_then(|(first, _)| check_name(message, first));
        [Some(at), first.map(|(first, _)| first), second]
    }

    fn rdata_is_sound(&self, message: &[u8]) -> bool {
        match self.rtype {
            A => self.end - self.rdata == 4 || self.class != IN,
            AAAA => self.end - self.rdata == 16,
            rtype => Layout::of(rtype).is_none_or(|layout| {
                let names_end = (0..layout.names).try_fold(self.rdata + layout.before, |at, _| check_name(message, at));
                names_end.is_some_and(|at| at + layout.after == self.end)
            }),
        }
    }
}

/// RDATA that holds names, which may come compressed (RFC 3597 §4).
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Octets before the first name.
    pub(super) before: usize,
    /// Names in a row: one or two.
    pub(super) names: usize,
    /// Octets after the last.
    pub(super) after: usize,
    /// Whether they may go out compressed: those of the types of RFC 1035 alone (RFC 3597 §4).
    pub(super) compressible: bool,
}

impl Layout {
    /// The one table of such types. Of any other type RDATA is octets and passes as it came (RFC 3597 §3).
    pub(super) fn of(rtype: u16) -> Option<Self> {
        let row = |before, names, after, compressible| Some(Self { before, names, after, compressible });
        match rtype {
            NS | CNAME | PTR => row(0, 1, 0, true),
            MX => row(2, 1, 0, true),
            // SERIAL, REFRESH, RETRY, EXPIRE and MINIMUM follow.
            SOA => row(0, 2, 20, true),
            // RFC 2782; RFC 6672 §2.5.
            SRV => row(6, 1, 0, false),
            DNAME => row(0, 1, 0, false),
            _ => None,
        }
    }
}

/// Checks the name at `at` and returns where it ends. A pointer leads to an earlier name that ends before the one it is followed from
/// begins (RFC 1035 §4.1.4: a prior occurrence), so no chain of them can run in a circle or behind its record; the whole name has at
/// most 255 octets.
pub(super) fn check_name(message: &[u8], at: usize) -> Option<usize> {
    walk_name(message, at, |_| ())
}

/// The name at `at`, uncompressed and folded.
pub(super) fn read_name(message: &[u8], at: usize) -> Option<FoldedName> {
    spelled_name(message, at).map(|wire| FoldedName::fold(&wire))
}

/// The name at `at`, uncompressed, in its own case.
pub(super) fn spelled_name(message: &[u8], at: usize) -> Option<Vec<u8>> {
    let mut wire = Vec::with_capacity(64);
    walk_name(message, at, |label| wire.extend_from_slice(label))?;
    wire.push(0);
    Some(wire)
}

fn walk_name<'m>(message: &'m [u8], at: usize, mut label: impl FnMut(&'m [u8])) -> Option<usize> {
    let (mut position, mut start, mut limit, mut length, mut end) = (at, at, message.len(), 1, None);
    loop {
        let here = message.get(position..limit)?;
        match *here.first()? {
            0 => return Some(end.unwrap_or(position + 1)),
            first @ 1..=MAX_LABEL => {
                let octets = here.get(..1 + usize::from(first))?;
                length += octets.len();
                if length > MAX_NAME {
                    return None;
                }
                label(octets);
                position += octets.len();
            }
            0xC0.. => {
                let target = usize::from(u16_at(here, 0)? & 0x3FFF);
                end = end.or(Some(position + 2));
                // There are no names in the header, and it changes on the way out.
                if !(HEADER..start).contains(&target) {
                    return None;
                }
                (position, start, limit) = (target, target, start);
            }
            _ => return None,
        }
    }
}
