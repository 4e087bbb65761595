//! Writing replies into the caller's buffer: no allocation.
//!
//! A stored answer is copied in one piece and patched: id, flags, the question as the client spelled it, TTLs, our own OPT. Where it
//! does not fit, it loses first the extended error, then the additional section; only then is it truncated (RFC 2181 §9).

use std::net::IpAddr;

use super::edns::Opt;
use super::header::{ANCOUNT, ARCOUNT, CD, HEADER, NSCOUNT, QDCOUNT, QR, RA, RD, TC, u16_at};
use super::image::question_end;
use super::rtype::{A, AAAA, ANY, SOA, TXT};
use super::{Echo, Ede, Image, Rcode};

/// What decides the form of a reply beyond its content.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    /// Largest message the way back takes: 65,535 over TCP; over UDP min(client's payload size or 512, the server's cap).
    pub limit: usize,
    /// Our NSID (RFC 5001), sent if asked for.
    pub nsid: &'a [u8],
    /// Extended error, sent only to clients with OPT (RFC 8914 §3), dropped first.
    pub ede: Option<Ede>,
    /// Its EXTRA-TEXT (RFC 8914 §2), at most 64 octets, else none is sent; dropped before its code.
    pub ede_text: &'a str,
    /// Which record of the trailing address run comes first (spreads clients; truncated replies show different parts).
    pub rotation: usize,
    /// edns-tcp-keepalive timeout in 100 ms units, sent over TCP if the client sent the option (RFC 7828 §3.3.2).
    pub keepalive: Option<u16>,
}

/// Content decided at this node, without any lookup.
#[derive(Clone, Copy)]
pub enum Local<'a> {
    /// NXDOMAIN with an SOA whose owner is the last `zone` octets of the qname.
    NxDomain {
        /// Length in octets of the zone's wire name: a suffix of the qname.
        zone: u8,
    },
    /// NOERROR without records, with the same SOA.
    NoData {
        /// As above.
        zone: u8,
    },
    /// Addresses; those of a family that was not asked are left out, ANY asks for both.
    Addresses(&'a [IpAddr]),
    /// One TXT record of one character-string (CHAOS id.server and the like); class copied from the question.
    Text(&'a [u8]),
}

/// A compression pointer to the qname, which every message holds at the same place (RFC 1035 §4.1.4).
const QNAME: [u8; 2] = [0xC0, HEADER as u8];

/// Octets of a record before its RDATA: a pointer for the owner, type, class, TTL, length.
const RECORD_HEAD: usize = 12;

/// What follows MNAME in a synthesised SOA: a mailbox that cannot exist (as RFC 6303 §3 does), then SERIAL, REFRESH, RETRY, EXPIRE.
const SOA_TAIL: &[u8] = b"\x06nobody\x07invalid\x00\x00\x00\x00\x01\x00\x00\x0e\x10\x00\x00\x04\xb0\x00\x09\x3a\x80";

/// The size limit for a reply over UDP: what the client takes, never more than `cap` (1232: RFC 9715, DNS flag day 2020).
pub fn udp_limit(echo: &Echo<'_>, cap: u16) -> usize {
    // RFC 1035 §4.2.1; RFC 6891 §6.2.3 has made less than 512 of an OPT into 512.
    let takes = echo.edns.map_or(512, |edns| edns.payload_size);
    usize::from(takes.min(cap))
}

/// Writes a cached or fresh answer to the question of `echo`; every TTL becomes `ttl` seconds. Returns the length. `out` must hold
/// `form.limit` octets.
pub fn write_answer(out: &mut [u8], echo: &Echo<'_>, image: Image<'_>, ttl: u32, form: &Form<'_>) -> usize {
    let message = image.message();
    let records_at = HEADER + echo.question.len();
    if question_end(message) != Some(records_at) || message.len() < records_at {
        // Not an answer to this question, or none at all: nothing of it may leave.
        return write_error(out, echo, Rcode::SERV_FAIL, form);
    }
    let mut opt = Opt::new(echo.edns, image.rcode(), form);
    let mut kept = Kept { end: message.len(), counts: image.counts(), truncated: false };
    let limit = form.limit.min(out.len());
    if kept.end + opt.len() > limit {
        opt.drop_ede();
        opt.shrink(limit.saturating_sub(records_at));
        kept = kept.shorten(image, records_at, limit.saturating_sub(opt.len()));
        if kept.end + opt.len() > limit {
            return write_bare(out, echo, image.rcode(), true, form);
        }
    }
    copy_rotated(&mut out[..kept.end], message, &address_run(image, records_at), form.rotation);
    write_header(out, echo, image.rcode(), kept.truncated, [1, kept.counts[0], kept.counts[1], kept.counts[2] + opt.count()]);
    out[HEADER..records_at].copy_from_slice(echo.question);
    for at in image.ttl_offsets() {
        // Offsets rise: behind the first that was cut off there are none to patch.
        let Some(stored) = out[..kept.end].get_mut(at..at + 4) else { break };
        stored.copy_from_slice(&ttl.to_be_bytes());
    }
    kept.end + opt.write(&mut out[kept.end..])
}

/// Writes an empty reply with `rcode`. Returns the length; `out` must hold `form.limit` octets.
pub fn write_error(out: &mut [u8], echo: &Echo<'_>, rcode: Rcode, form: &Form<'_>) -> usize {
    write_bare(out, echo, rcode, false, form)
}

/// Writes a local answer. Returns the length; `out` must hold `form.limit` octets.
pub fn write_local(out: &mut [u8], echo: &Echo<'_>, content: &Local<'_>, ttl: u32, form: &Form<'_>) -> usize {
    let rcode = if matches!(content, Local::NxDomain { .. }) { Rcode::NX_DOMAIN } else { Rcode::NO_ERROR };
    let Some(mut draft) = Draft::open(out, echo, rcode, form) else { return 0 };
    let (qtype, qclass) = numbers(echo.question);
    match *content {
        Local::NxDomain { zone } | Local::NoData { zone } => draft.put_soa(echo.question, zone, ttl),
        Local::Addresses(addresses) => draft.put_addresses(addresses, qtype, ttl, form.rotation),
        Local::Text(text) => {
            let text = &text[..text.len().min(255)];
            draft.put_answer(TXT, qclass, ttl, &[&[text.len() as u8], text]);
        }
    }
    draft.close()
}

/// What of a stored answer goes out: a run of whole records from the first on.
struct Kept {
    /// Where the last record ends.
    end: usize,
    /// Records of answer, authority and additional.
    counts: [usize; 3],
    /// Something that the client needs was left out.
    truncated: bool,
}

impl Kept {
    /// As much as `room` octets hold.
    #[cold]
    fn shorten(self, image: Image<'_>, records_at: usize, room: usize) -> Self {
        if self.end <= room {
            return self;
        }
        let [answers, authority, _] = self.counts;
        let longest = self.end.min(room);
        let end_of = |records: usize| {
            let end = if records == 0 { Some(records_at) } else { image.record_end(records - 1) };
            end.filter(|end| *end <= longest)
        };
        // Nobody misses additional records enough to ask again over TCP (RFC 2181 §9).
        if let Some(end) = end_of(answers + authority) {
            return Self { end, counts: [answers, authority, 0], truncated: false };
        }
        // As many whole answers as fit: there are stubs that never look at TC and use what is there.
        let fitting = (1..=answers).take_while(|records| end_of(*records).is_some()).count();
        Self { end: end_of(fitting).unwrap_or(records_at), counts: [fitting, 0, 0], truncated: true }
    }
}

/// The A or AAAA records at the end of a message that may trade places.
struct AddressRun {
    /// Where the first one starts.
    start: usize,
    /// Octets of each.
    each: usize,
}

/// Owners must be the same octets: a pointer among them then leads to before the run, since the first record's does. And the run must
/// be the message's end, so that no pointer leads into it.
fn address_run(image: Image<'_>, records_at: usize) -> Option<AddressRun> {
    let message = image.message();
    let [answers @ (2..), 0, 0] = image.counts() else { return None };
    let start_of = |index: usize| if index == 0 { Some(records_at) } else { image.record_end(index - 1) };
    let (last, last_ttl) = (start_of(answers - 1)?, image.ttl_offset(answers - 1)?);
    let each = message.len().checked_sub(last)?;
    // Owner, type, class.
    let head = message.get(last..last_ttl)?;
    if !matches!(u16_at(message, last_ttl - 4), Some(A | AAAA)) {
        return None;
    }
    let mut start = last;
    for index in (0..answers - 1).rev() {
        let is_alike = start_of(index).is_some_and(|at| at + each == start && message.get(at..at + head.len()) == Some(head));
        if !is_alike {
            break;
        }
        start -= each;
    }
    (start < last).then_some(AddressRun { start, each })
}

/// Fills `out` from the start of `message`, the run's records turned so that number `rotation` of them comes first.
fn copy_rotated(out: &mut [u8], message: &[u8], run: &Option<AddressRun>, rotation: usize) {
    let Some(AddressRun { start, each }) = run else {
        return out.copy_from_slice(&message[..out.len()]);
    };
    let first = start + rotation % ((message.len() - start) / each) * each;
    let mut at = 0;
    for piece in [&message[..*start], &message[first..], &message[*start..first]] {
        let length = piece.len().min(out.len() - at);
        out[at..at + length].copy_from_slice(&piece[..length]);
        at += length;
    }
}

/// Counts: questions, answers, authority, additional. AA is clear since nothing here is authoritative, AD since nothing was
/// validated (RFC 6840 §5.8), Z always.
fn write_header(out: &mut [u8], echo: &Echo<'_>, rcode: Rcode, truncated: bool, counts: [usize; 4]) {
    let set = |condition, bit| if condition { bit } else { 0 };
    out[..2].copy_from_slice(&echo.id.to_be_bytes());
    out[2] = QR | (echo.opcode & 0x0F) << 3 | set(truncated, TC) | set(echo.recursion_desired, RD);
    out[3] = RA | set(echo.checking_disabled, CD) | (rcode.0 & 0x0F) as u8;
    for (at, count) in [QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT].into_iter().zip(counts) {
        out[at..at + 2].copy_from_slice(&(count as u16).to_be_bytes());
    }
}

fn write_bare(out: &mut [u8], echo: &Echo<'_>, rcode: Rcode, truncated: bool, form: &Form<'_>) -> usize {
    let Some(mut draft) = Draft::open(out, echo, rcode, form) else { return 0 };
    draft.truncated = truncated;
    draft.close()
}

/// A reply made record by record.
struct Draft<'o, 'a> {
    /// Cut at the size limit.
    out: &'o mut [u8],
    /// Where the next record goes.
    at: usize,
    /// Where the last one must end.
    room: usize,
    echo: &'a Echo<'a>,
    rcode: Rcode,
    opt: Opt<'a>,
    counts: [usize; 4],
    truncated: bool,
}

impl<'o, 'a> Draft<'o, 'a> {
    /// Writes the question; `None` where not even header and OPT have room.
    fn open(out: &'o mut [u8], echo: &'a Echo<'a>, rcode: Rcode, form: &Form<'a>) -> Option<Self> {
        let limit = form.limit.min(out.len());
        let out = &mut out[..limit];
        let mut opt = Opt::new(echo.edns, rcode, form);
        let at = HEADER + echo.question.len();
        opt.shrink(limit.saturating_sub(at));
        let room = limit.checked_sub(opt.len()).filter(|room| *room >= at)?;
        out[HEADER..at].copy_from_slice(echo.question);
        let counts = [usize::from(!echo.question.is_empty()), 0, 0, opt.count()];
        Some(Self { out, at, room, echo, rcode, opt, counts, truncated: false })
    }

    /// Writes one record of the answer section, its owner the qname. One that does not fit truncates the reply.
    fn put_answer(&mut self, rtype: u16, class: u16, ttl: u32, rdata: &[&[u8]]) {
        if self.put(&QNAME, [rtype, class], ttl, rdata) {
            self.counts[1] += 1;
        }
    }

    fn put_addresses(&mut self, addresses: &[IpAddr], qtype: u16, ttl: u32, rotation: usize) {
        let rtype = |address: &IpAddr| if address.is_ipv4() { A } else { AAAA };
        let asked = addresses.iter().filter(|address| qtype == ANY || qtype == rtype(address));
        let count = asked.clone().count();
        for address in asked.cycle().skip(rotation % count.max(1)).take(count) {
            match address {
                IpAddr::V4(v4) => self.put_answer(A, 1, ttl, &[&v4.octets()]),
                IpAddr::V6(v6) => self.put_answer(AAAA, 1, ttl, &[&v6.octets()]),
            }
        }
    }

    /// The SOA that makes a negative answer cacheable (RFC 2308 §3), for the last `zone` octets of the qname.
    fn put_soa(&mut self, question: &[u8], zone: u8, ttl: u32) {
        let qname = question.len().saturating_sub(4);
        let zone_at = HEADER + qname.saturating_sub(usize::from(zone).max(1));
        let apex = (0xC000 | zone_at as u16).to_be_bytes();
        if self.put(&apex, [SOA, numbers(question).1], ttl, &[&apex, SOA_TAIL, &ttl.to_be_bytes()]) {
            self.counts[2] += 1;
        }
    }

    fn put(&mut self, owner: &[u8; 2], [rtype, class]: [u16; 2], ttl: u32, rdata: &[&[u8]]) -> bool {
        let length: usize = rdata.iter().map(|part| part.len()).sum();
        if self.truncated || self.at + RECORD_HEAD + length > self.room {
            self.truncated = true;
            return false;
        }
        let (rtype, class, ttl, octets) = (rtype.to_be_bytes(), class.to_be_bytes(), ttl.to_be_bytes(), (length as u16).to_be_bytes());
        for part in [&owner[..], &rtype, &class, &ttl, &octets].iter().chain(rdata) {
            self.out[self.at..self.at + part.len()].copy_from_slice(part);
            self.at += part.len();
        }
        true
    }

    /// Writes header and OPT.
    fn close(self) -> usize {
        write_header(self.out, self.echo, self.rcode, self.truncated, self.counts);
        self.at + self.opt.write(&mut self.out[self.at..])
    }
}

/// QTYPE and QCLASS.
fn numbers(question: &[u8]) -> (u16, u16) {
    let at = question.len().saturating_sub(4);
    u16_at(question, at).zip(u16_at(question, at + 2)).unwrap_or_default()
}
