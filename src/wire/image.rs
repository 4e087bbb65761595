//! The stored form of an answer: one run of octets that says all about itself.

use super::header::{ANCOUNT, ARCOUNT, HEADER, NSCOUNT, QR, Rcode, u16_at};
use super::question::Key;
use super::record::{Record, spelled_name};

/// Neither a label's length nor a pointer (RFC 1035 §4.1.4: the 10 combination is reserved).
const NO_LENGTH: u8 = 0x80;

/// A view of a stored answer.
///
/// `[message without OPT, question folded; its id field holds the message's length][one big-endian u16 offset per record's TTL]`.
/// The message has at most 65,535 octets; there are as many TTL offsets as the three record counts add up to.
#[derive(Clone, Copy)]
pub struct Image<'a>(&'a [u8]);

impl<'a> Image<'a> {
    /// Views octets that [`super::Answer::into_image`] gave away. Others show as an empty answer or as nonsense, never as a panic.
    #[inline]
    pub fn new(octets: &'a [u8]) -> Self {
        Image(octets)
    }

    /// All octets: what the cache stores and accounts.
    pub fn octets(&self) -> &'a [u8] {
        self.0
    }

    /// The folded question: qname, qtype, qclass.
    pub fn question(&self) -> &'a [u8] {
        let end = question_end(self.0).unwrap_or(HEADER);
        self.0.get(HEADER..end).unwrap_or_default()
    }

    /// The rcode stored: NOERROR or NXDOMAIN.
    pub fn rcode(&self) -> Rcode {
        Rcode(self.0.get(3).map_or(0, |octet| u16::from(octet & 0x0F)))
    }

    /// Whether the question is about the name and the class of `key`, whatever the type.
    #[inline]
    pub fn is_of_name(&self, key: &Key) -> bool {
        let name = key.name.as_wire();
        let end = HEADER + name.len();
        self.0.get(HEADER..end) == Some(name) && u16_at(self.0, end + 2) == Some(key.qclass)
    }

    /// The message: header, question and records.
    #[inline]
    pub(super) fn message(&self) -> &'a [u8] {
        let length = u16_at(self.0, 0).map_or(0, usize::from);
        self.0.get(..length).unwrap_or_default()
    }

    /// Records in answer, authority and additional.
    #[inline]
    pub(super) fn counts(&self) -> [usize; 3] {
        [ANCOUNT, NSCOUNT, ARCOUNT].map(|at| u16_at(self.0, at).map_or(0, usize::from))
    }

    /// Where each record's TTL stands, in the order of the records.
    #[inline]
    pub(super) fn ttl_offsets(&self) -> impl ExactSizeIterator<Item = usize> + 'a {
        let table = self.0.get(self.message().len()..).unwrap_or_default();
        table.chunks_exact(2).map(|pair| usize::from(u16::from_be_bytes([pair[0], pair[1]])))
    }

    /// Where the TTL of the record at `index` stands.
    pub(super) fn ttl_offset(&self, index: usize) -> Option<usize> {
        u16_at(self.0, self.message().len() + 2 * index).map(usize::from)
    }

    /// Where the record at `index` ends.
    pub(super) fn record_end(&self, index: usize) -> Option<usize> {
        let ttl = self.ttl_offset(index)?;
        Some(ttl + 6 + usize::from(u16_at(self.0, ttl + 4)?))
    }

    /// Whether its records say what they said in `source`, the message it was built from, although TTLs change on the way out: none
    /// of their names borrows octets of a TTL.
    pub(super) fn reads_whatever_its_ttls(&self, source: &[u8], records_at: usize) -> bool {
        let message = self.message();
        let is_same = |name: usize| match (spelled_name(message, name), spelled_name(source, name)) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(&theirs),
            _ => false,
        };
        let mut at = records_at;
        (0..self.ttl_offsets().len()).all(|_| {
            let Some(found) = Record::read(message, at) else { return false };
            let names = found.names(message, at);
            at = found.end;
            names.into_iter().flatten().all(is_same)
        })
    }

    /// Builds the octets. `message` holds header, question and exactly the records whose TTLs stand at `ttl_offsets`; both fit 16 bits.
    /// The TTLs themselves are not kept, since no reply repeats them: in their place stands what cannot be part of a name.
    pub(super) fn build(message: &[u8], key: &Key, rcode: Rcode, counts: [usize; 3], ttl_offsets: &[u16]) -> Box<[u8]> {
        let mut octets = Vec::with_capacity(message.len() + 2 * ttl_offsets.len());
        octets.extend_from_slice(&(message.len() as u16).to_be_bytes());
        octets.extend_from_slice(&[QR, (rcode.0 & 0x0F) as u8, 0, 1]);
        for count in counts {
            octets.extend_from_slice(&(count as u16).to_be_bytes());
        }
        octets.extend_from_slice(key.name.as_wire());
        octets.extend_from_slice(&key.qtype.to_be_bytes());
        octets.extend_from_slice(&key.qclass.to_be_bytes());
        octets.extend_from_slice(message.get(octets.len()..).unwrap_or_default());
        for offset in ttl_offsets {
            if let Some(ttl) = octets.get_mut(usize::from(*offset)..usize::from(*offset) + 4) {
                ttl.fill(NO_LENGTH);
            }
        }
        for offset in ttl_offsets {
            octets.extend_from_slice(&offset.to_be_bytes());
        }
        octets.into_boxed_slice()
    }
}

/// Where the question that starts after the header ends; its name is uncompressed.
pub(super) fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at + 4);
        }
    }
}
