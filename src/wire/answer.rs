//! An upstream's message, checked and made compact.

use std::net::IpAddr;

use super::class::IN;
use super::compress::compress;
use super::header::{ANCOUNT, ARCOUNT, HEADER, NSCOUNT, OPCODE, QDCOUNT, QR, Rcode, TC, u16_at};
use super::image::Image;
use super::name::FoldedName;
use super::question::Key;
use super::record::{Record, read_name};
use super::rtype;

/// What an answer says (RFC 2308 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// NOERROR with data of the type asked, or of any type for ANY.
    Positive,
    /// NOERROR without data of that type (RFC 2308 §2.2), CNAME chains that end without data included.
    NoData,
    /// NXDOMAIN (RFC 2308 §2.1), also at the end of a CNAME chain (RFC 6604 §3).
    NxDomain,
}

/// Why an upstream's message is not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Records that do not parse, pointers that do not point back, lengths past the end.
    #[error("malformed")]
    Malformed,
    /// QR=0, another opcode than QUERY, another id, or another question than was asked (RFC 1035 §4.1.1, RFC 5452 §9.1).
    #[error("mismatch")]
    Mismatch,
    /// TC=1: ask again over TCP, never cache (RFC 1035 §7.4, RFC 2181 §9).
    #[error("truncated")]
    Truncated,
    /// Everything but NOERROR and NXDOMAIN.
    #[error("{0}")]
    Rcode(Rcode),
}

/// One checked answer, ready to be cached, copied and patched.
#[derive(Clone, Debug)]
pub struct Answer {
    image: Box<[u8]>,
    /// What it says.
    pub kind: Kind,
    /// Seconds it may be cached as the upstream says: the smallest TTL of all records kept (RFC 2181 §5.2), for negatives
    /// min(SOA TTL, SOA MINIMUM) (RFC 2308 §5). 0: for this transaction only. Zone caps are the cache's business.
    pub ttl: u32,
    /// Negatives only: whether an SOA came with it; without one it should not be cached (RFC 2308 §5).
    pub has_soa: bool,
}

impl Answer {
    /// Checks `message` (what came after the TCP length, or one datagram) against what was asked.
    ///
    /// The message is kept verbatim but for its tail: since compression pointers only point back, a suffix of the records can go
    /// without touching the rest. OPT goes always (RFC 6891 §6.1.1), authority and additional go from positive answers unless they matter.
    /// Names that the upstream spelled out are compressed, where the types of all records allow.
    ///
    /// # Errors
    /// See [`AnswerError`]; a mismatch is not an answer to give up on: the right one may still come.
    pub fn from_upstream(message: &[u8], id: u16, asked: &Key) -> Result<Self, AnswerError> {
        let records_at = check_question(message, id, asked)?;
        let sections = Sections::read(message, records_at)?;
        if message[2] & TC != 0 {
            return Err(AnswerError::Truncated);
        }
        let rcode = Rcode(u16::from(message[3] & 0x0F) | sections.extended_rcode << 4);
        if rcode != Rcode::NO_ERROR && rcode != Rcode::NX_DOMAIN {
            return Err(AnswerError::Rcode(rcode));
        }
        let kind = sections.kind(rcode, asked);
        let kept = sections.keep(kind, asked);
        let mut ttl_offsets = Vec::with_capacity(kept.iter().sum());
        let (mut end, mut ttl, mut has_soa) = (records_at, u32::MAX, false);
        for found in sections.records.iter().take(kept.iter().sum()) {
            end = found.end;
            // Offsets fit: nothing past 65,535 octets comes over either transport, and longer input was refused.
            ttl_offsets.push(found.ttl_at as u16);
            ttl = ttl.min(found.ttl);
            if found.rtype == rtype::SOA && kind != Kind::Positive {
                has_soa = true;
                ttl = ttl.min(found.soa_minimum(message).unwrap_or(0));
            }
        }
        if ttl_offsets.is_empty() {
            // Nothing that could age; the cache keeps negatives without SOA for a moment only.
            ttl = 1;
        }
        let found = sections.records.get(..ttl_offsets.len()).unwrap_or_default();
        let image = match compress(&message[..end], records_at, found, asked) {
            // Rebuilt, its names borrow from nowhere.
            Some((shorter, offsets)) => Image::build(&shorter, asked, rcode, kept, &offsets),
            None => {
                let image = Image::build(&message[..end], asked, rcode, kept, &ttl_offsets);
                if !Image::new(&image).reads_whatever_its_ttls(message, records_at) {
                    return Err(AnswerError::Malformed);
                }
                image
            }
        };
        Ok(Self { image, kind, ttl, has_soa })
    }

    /// The stored form.
    pub fn image(&self) -> Image<'_> {
        Image::new(&self.image)
    }

    /// Gives the stored form away, for the cache: one allocation of just its size.
    pub fn into_image(self) -> Box<[u8]> {
        self.image
    }

    /// NXDOMAIN for the name that was asked, and so for all its types (RFC 2308 §5). Not so at the end of a CNAME chain, where it is
    /// the last name that does not exist (RFC 2308 §2.1), nor without the SOA that says how long it holds.
    pub fn denies_name(&self) -> bool {
        self.kind == Kind::NxDomain && self.has_soa && self.image().counts()[0] == 0
    }

    /// The addresses in the answer section, whatever their owner: those at the end of a CNAME chain too.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let message = self.image().message();
        let address = |found: Record| {
            let data = message.get(found.rdata..found.end).unwrap_or_default();
            let v4 = || data.first_chunk::<4>().map(|octets| IpAddr::from(*octets));
            let v6 = || data.first_chunk::<16>().map(|octets| IpAddr::from(*octets));
            match found.rtype {
                rtype::A if found.class == IN => v4(),
                rtype::AAAA => v6(),
                _ => None,
            }
        };
        self.answers().filter_map(address).collect()
    }

    /// The names that the CNAME chain leads to, one after the other; none without a chain.
    pub fn chain(&self) -> impl Iterator<Item = FoldedName> {
        let message = self.image().message();
        self.answers().filter(|found| found.rtype == rtype::CNAME).filter_map(|found| read_name(message, found.rdata))
    }

    /// The records of the answer section.
    fn answers(&self) -> impl Iterator<Item = Record> {
        let image = self.image();
        let message = image.message();
        let mut at = HEADER + image.question().len();
        (0..image.counts()[0]).map_while(move |_| {
            let found = Record::read(message, at)?;
            at = found.end;
            Some(found)
        })
    }
}

/// Checks id, QR, opcode and question; returns where the records start.
pub(super) fn check_question(message: &[u8], id: u16, asked: &Key) -> Result<usize, AnswerError> {
    if message.len() < HEADER || message.len() > usize::from(u16::MAX) {
        return Err(AnswerError::Malformed);
    }
    if u16_at(message, 0) != Some(id) || message[2] & (QR | OPCODE) != QR {
        return Err(AnswerError::Mismatch);
    }
    let name = asked.name.as_wire();
    let (name_end, end) = (HEADER + name.len(), HEADER + name.len() + 4);
    let is_asked = u16_at(message, QDCOUNT) == Some(1)
        && message.get(HEADER..name_end).is_some_and(|found| found.eq_ignore_ascii_case(name))
        && u16_at(message, name_end) == Some(asked.qtype)
        && u16_at(message, name_end + 2) == Some(asked.qclass);
    if is_asked {
        return Ok(end);
    }
    // Servers that cannot parse a query answer without its question.
    let rcode = Rcode(u16::from(message[3] & 0x0F));
    let says_why = u16_at(message, QDCOUNT) == Some(0) && rcode != Rcode::NO_ERROR && rcode != Rcode::NX_DOMAIN;
    Err(if says_why { AnswerError::Rcode(rcode) } else { AnswerError::Mismatch })
}

/// All records of a message, in order, and where the sections part.
struct Sections {
    records: Vec<Record>,
    answers: usize,
    authority: usize,
    /// Additional records before the first OPT.
    additional: usize,
    extended_rcode: u16,
}

impl Sections {
    fn read(message: &[u8], mut at: usize) -> Result<Self, AnswerError> {
        let counts = [ANCOUNT, NSCOUNT, ARCOUNT].map(|field| u16_at(message, field).map_or(0, usize::from));
        let [answers, authority, additional] = counts;
        // A record has at least 11 octets: a count cannot make us reserve more than the message could hold.
        let mut records = Vec::with_capacity((answers + authority + additional).min((message.len() - at) / 11));
        let (mut extended_rcode, mut before_opt) = (0, additional);
        for index in 0..answers + authority + additional {
            // A truncated message may end anywhere; what came is not used.
            let found = match Record::read(message, at) {
                Some(found) => found,
                None if message[2] & TC != 0 => return Err(AnswerError::Truncated),
                None => return Err(AnswerError::Malformed),
            };
            at = found.end;
            if found.rtype == rtype::OPT {
                let Some(position) = index.checked_sub(answers + authority) else { return Err(AnswerError::Malformed) };
                before_opt = before_opt.min(position);
                extended_rcode = (found.ttl >> 24) as u16;
            }
            records.push(found);
        }
        Ok(Self { records, answers, authority, additional: before_opt, extended_rcode })
    }

    fn kind(&self, rcode: Rcode, asked: &Key) -> Kind {
        if rcode == Rcode::NX_DOMAIN {
            return Kind::NxDomain;
        }
        let answers = self.records.get(..self.answers).unwrap_or_default();
        let is_there = answers.iter().any(|found| asked.qtype == rtype::ANY || found.rtype == asked.qtype);
        if is_there { Kind::Positive } else { Kind::NoData }
    }

    /// How many records of each section are kept.
    fn keep(&self, kind: Kind, asked: &Key) -> [usize; 3] {
        // Proofs stand in the authority section (RFC 4035 §3.1.3); negatives need their SOA (RFC 2308 §3).
        if kind != Kind::Positive || asked.dnssec_ok {
            return [self.answers, self.authority, 0];
        }
        // Addresses of the hosts that these types name save the client a question each.
        let names_hosts = matches!(asked.qtype, rtype::SRV | rtype::MX | rtype::NS | rtype::SVCB | rtype::HTTPS);
        let additional = if names_hosts && self.authority == 0 { self.additional } else { 0 };
        [self.answers, 0, additional]
    }
}
