//! Walking the resource records of a message, every length and pointer checked (RFC 1035 §4.1.3, §4.1.4).

use super::header::{HEADER, u16_at, u32_at};
use super::name::{FoldedName, MAX_LABEL, MAX_NAME};

/// Record types that the walk must know: those whose RDATA may hold compressed names (RFC 3597 §4), addresses, and OPT.
pub(super) const A: u16 = 1;
pub(super) const NS: u16 = 2;
pub(super) const CNAME: u16 = 5;
pub(super) const SOA: u16 = 6;
pub(super) const PTR: u16 = 12;
pub(super) const MX: u16 = 15;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;
pub(super) const DNAME: u16 = 39;
pub(super) const OPT: u16 = 41;

/// The octets of SOA after its two names: five numbers, MINIMUM last.
pub(super) const SOA_NUMBERS: usize = 20;

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
        let [first, second] = match self.rtype {
            NS | CNAME | PTR | DNAME => [Some(self.rdata), None],
            MX => [Some(self.rdata + 2), None],
            SRV => [Some(self.rdata + 6), None],
            SOA => [Some(self.rdata), check_name(message, self.rdata)],
            _ => [None, None],
        };
        [Some(at), first, second]
    }

    fn rdata_is_sound(&self, message: &[u8]) -> bool {
        let ends_name = |at: usize| check_name(message, at) == Some(self.end);
        match self.rtype {
            A => self.end - self.rdata == 4 || self.class != 1,
            AAAA => self.end - self.rdata == 16,
            NS | CNAME | PTR | DNAME => ends_name(self.rdata),
            MX => ends_name(self.rdata + 2),
            SRV => ends_name(self.rdata + 6),
            SOA => {
                let numbers = check_name(message, self.rdata).and_then(|second| check_name(message, second));
                numbers.is_some_and(|at| at + SOA_NUMBERS == self.end)
            }
            _ => true,
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
