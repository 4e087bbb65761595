//! A client's message, parsed in place: no allocation.

use super::edns::{Ede, Edns};
use super::header::{ANCOUNT, ARCOUNT, CD, HEADER, QDCOUNT, QR, RD, Rcode, u16_at, u32_at};
use super::name::{FoldedName, MAX_LABEL, MAX_NAME};
use super::question::Key;
use super::record::check_name;
use super::rtype::{AXFR, IXFR, MAILA, MAILB, NXNAME, OPT};

/// First and last of the types that are no data but questions or signals (RFC 6895 §3.1); ANY, 255, may be asked.
const META: std::ops::RangeInclusive<u16> = NXNAME..=MAILA;

/// A well-formed query with one question that may be looked up: opcode QUERY, no zone transfer, no meta type.
pub struct Query<'p> {
    /// What is asked.
    pub key: Key,
    /// What the reply repeats.
    pub echo: Echo<'p>,
}

/// What a reply repeats of its query.
#[derive(Clone, Copy, Debug)]
pub struct Echo<'q> {
    /// Message id.
    pub id: u16,
    /// Opcode, 0 to 15.
    pub opcode: u8,
    /// RD.
    pub recursion_desired: bool,
    /// CD, copied to the reply (RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// The question section octet for octet: qname in the client's case, qtype, qclass. Empty where it could not be read.
    pub question: &'q [u8],
    /// The client's OPT, `None` without one.
    pub edns: Option<Edns>,
}

/// Why a message is not looked up, and what its sender gets.
#[derive(Debug)]
pub enum Rejection<'p> {
    /// Nothing: a response, or fewer than 12 octets.
    Silence,
    /// An empty reply with this rcode, and an extended error if there is one to tell.
    Reply(Echo<'p>, Rcode, Option<Ede>),
}

impl<'p> Query<'p> {
    /// Parses one message.
    ///
    /// # Errors
    /// What is no query, or none that is looked up here. Octets after the last record are ignored, as most servers do.
    pub fn parse(packet: &'p [u8]) -> Result<Self, Rejection<'p>> {
        let Some((header, _)) = packet.split_first_chunk::<HEADER>() else { return Err(Rejection::Silence) };
        // A response to a server's port is a mistake or an attack; answering could start two servers talking for ever.
        if header[2] & QR != 0 {
            return Err(Rejection::Silence);
        }
        let mut echo = Echo {
            id: u16::from_be_bytes([header[0], header[1]]),
            opcode: header[2] >> 3 & 0x0F,
            recursion_desired: header[2] & RD != 0,
            checking_disabled: header[3] & CD != 0,
            question: &[],
            edns: None,
        };
        // RFC 8906 §8.1.4: an unknown opcode gets NOTIMP, whatever follows it.
        if echo.opcode != 0 {
            return Err(Rejection::Reply(echo, Rcode::NOT_IMP, Some(Ede::NotSupported)));
        }
        // RFC 9619 §4: QUERY has one question.
        let name_end = if u16_at(packet, QDCOUNT) == Some(1) { question_name_end(packet) } else { None };
        let Some(question) = name_end.and_then(|end| packet.get(HEADER..end + 4)) else {
            return Err(Rejection::Reply(echo, Rcode::FORM_ERR, None));
        };
        echo.question = question;
        let (name, numbers) = question.split_at(question.len() - 4);
        let (qtype, qclass) = (u16::from_be_bytes([numbers[0], numbers[1]]), u16::from_be_bytes([numbers[2], numbers[3]]));
        match read_additional(packet, HEADER + question.len()) {
            // Read before the type is judged: OPT is owed to those who sent one whatever the reply (RFC 6891 §6.1.1).
            Ok(edns) => echo.edns = edns,
            // An IXFR has an SOA in its authority section (RFC 1995 §3): its type is what is wrong with it.
            Err(Rejected::Malformed) if check_type(qtype).is_err() => {}
            Err(rejected) => return Err(rejected.into_reply(echo)),
        }
        check_type(qtype).map_err(|(rcode, ede)| Rejection::Reply(echo, rcode, ede))?;
        let dnssec_ok = echo.edns.is_some_and(|edns| edns.dnssec_ok);
        let key = Key { name: FoldedName::fold(name), qtype, qclass, dnssec_ok, checking_disabled: echo.checking_disabled };
        Ok(Self { key, echo })
    }

    /// Takes the query out of the packet's buffer, to wait for an answer.
    pub fn to_owned(&self) -> OwnedQuery {
        OwnedQuery { key: Box::new(self.key), echo: Echo { question: &[], ..self.echo }, question: self.echo.question.into() }
    }
}

/// A query that outlives its packet: two allocations, for the key and for the question, so that it is cheap to move from task to task.
#[derive(Debug)]
pub struct OwnedQuery {
    key: Box<Key>,
    echo: Echo<'static>,
    question: Box<[u8]>,
}

impl OwnedQuery {
    /// What is asked.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What the reply repeats.
    pub fn echo(&self) -> Echo<'_> {
        Echo { question: &self.question, ..self.echo }
    }
}

/// Where the question's name ends; `None` if it is compressed (there is nothing before it to point to), too long or cut off.
fn question_name_end(packet: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        let length = *packet.get(at)?;
        at += 1 + usize::from(length);
        if length > MAX_LABEL || at > HEADER + MAX_NAME {
            return None;
        }
        if length == 0 {
            return Some(at);
        }
    }
}

/// Zone transfers are not a cache's business (RFC 5936); types that are no data are not looked up (RFC 6895 §3.1, RFC 9824 §3.4).
fn check_type(qtype: u16) -> Result<(), (Rcode, Option<Ede>)> {
    match qtype {
        AXFR | IXFR => Err((Rcode::REFUSED, Some(Ede::NotSupported))),
        MAILA | MAILB => Err((Rcode::NOT_IMP, Some(Ede::NotSupported))),
        0 | OPT => Err((Rcode::FORM_ERR, Some(Ede::InvalidQueryType))),
        meta if META.contains(&meta) => Err((Rcode::FORM_ERR, Some(Ede::InvalidQueryType))),
        _ => Ok(()),
    }
}

/// Why the rest of a query is wrong.
enum Rejected {
    Malformed,
    /// The version is above 0; the reply says which we speak, in an OPT.
    Version(Edns),
}

impl Rejected {
    fn into_reply(self, echo: Echo<'_>) -> Rejection<'_> {
        match self {
            Self::Malformed => Rejection::Reply(echo, Rcode::FORM_ERR, None),
            Self::Version(edns) => Rejection::Reply(Echo { edns: Some(edns), ..echo }, Rcode::BAD_VERS, None),
        }
    }
}

/// Finds the OPT among the additional records. A query has no answers and no authority; what is signed there (TSIG, SIG(0)) is skipped.
fn read_additional(packet: &[u8], mut at: usize) -> Result<Option<Edns>, Rejected> {
    // ANCOUNT and NSCOUNT stand side by side.
    if u32_at(packet, ANCOUNT) != Some(0) {
        return Err(Rejected::Malformed);
    }
    let mut edns = None;
    for _ in 0..u16_at(packet, ARCOUNT).unwrap_or(0) {
        let owner_end = check_name(packet, at).ok_or(Rejected::Malformed)?;
        let (rtype, length) = u16_at(packet, owner_end).zip(u16_at(packet, owner_end + 8)).ok_or(Rejected::Malformed)?;
        let rdata = packet.get(owner_end + 10..owner_end + 10 + usize::from(length)).ok_or(Rejected::Malformed)?;
        if rtype == OPT {
            let is_root = owner_end == at + 1;
            if !is_root || edns.is_some() {
                return Err(Rejected::Malformed);
            }
            edns = Some(read_opt(packet, owner_end, rdata)?);
        }
        at = owner_end + 10 + usize::from(length);
    }
    Ok(edns)
}

fn read_opt(packet: &[u8], owner_end: usize, rdata: &[u8]) -> Result<Edns, Rejected> {
    let (payload_size, ttl) = u16_at(packet, owner_end + 2).zip(u32_at(packet, owner_end + 4)).ok_or(Rejected::Malformed)?;
    // RFC 6891 §6.1.3; what a later version's options look like is not ours to judge.
    if ttl >> 16 & 0xFF != 0 {
        let edns = Edns { payload_size: payload_size.max(512), dnssec_ok: ttl & 0x8000 != 0, nsid: false, keepalive: false };
        return Err(Rejected::Version(edns));
    }
    Edns::read(payload_size, ttl, rdata).ok_or(Rejected::Malformed)
}
