//! What we read against what another DNS library reads.

use std::time::Instant;

use doorstep::wire::reply::{self, Form};
use doorstep::wire::{Answer, FoldedName, Key, Query, Rejection};
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::DecodeError;

const NAPTR: u16 = 35;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
/// Of their own, for private use.
const ANAME: u16 = 65_305;
/// The first octet of types that nobody knows.
const UNASSIGNED: u8 = 0xFE;

/// Of a query that both read they read the same; what only the other one reads, we refuse with an rcode.
pub(crate) fn query(input: &[u8]) -> Result<u64, String> {
    let theirs = Message::from_vec(input).ok();
    let Ok(query) = Query::parse(input) else { return refused(input, theirs.as_ref()) };
    let Some(theirs) = theirs else { return Ok(1) };
    let (key, edns) = (query.key, query.echo.edns);
    let asked = theirs.queries.first().ok_or("they read no question")?;
    let (ours, others) = (key.name.to_string(), asked.name().to_string());
    // They escape other octets than we do.
    let is_plain = ours.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.');
    if is_plain && !others.eq_ignore_ascii_case(&ours) {
        return Err(format!("{ours} for us, {others} for them"));
    }
    if (u16::from(asked.query_type()), u16::from(asked.query_class())) != (key.qtype, key.qclass) {
        return Err(format!("type and class {} {} for us, {asked} for them", key.qtype, key.qclass));
    }
    let (ours, others) = (edns.map(|edns| edns.dnssec_ok), theirs.edns.as_ref().map(|edns| edns.flags().dnssec_ok));
    if ours != others { Err(format!("OPT with DO {ours:?} for us, {others:?} for them")) } else { Ok(2 | u64::from(ours.is_some()) << 8) }
}

fn refused(input: &[u8], theirs: Option<&Message>) -> Result<u64, String> {
    match Query::parse(input) {
        Err(Rejection::Reply(_, rcode, _)) => Ok(3 | u64::from(rcode.0) << 8 | u64::from(theirs.is_some()) << 16),
        Ok(_) | Err(Rejection::Silence) => Ok(4),
    }
}

/// Of an answer that both read, a client gets the records that they read in it.
pub(crate) fn answer(input: &[u8]) -> Result<u64, String> {
    let (key, packet) = question_of(input);
    let Ok(taken) = Answer::from_upstream(input, id_of(input), &key) else { return Ok(0) };
    let (Ok(theirs), Ok(query)) = (read(input), Query::parse(&packet)) else { return Ok(1) };
    let mut out = vec![0; 65_535];
    let form = Form { limit: out.len(), nsid: b"", ede: None, ede_text: "", rotation: input.len(), keepalive: None };
    let written = reply::write_answer(&mut out, &query.echo, taken.image(), 60, &form);
    let reply = read(&out[..written]).map_err(|error| format!("they cannot read what we send ({error}): {:02x?}", &out[..written]))?;
    if out[2] & 0x02 != 0 {
        // Ours comes with an OPT, for which the longest messages have no room.
        return if input.len() + 11 > out.len() { Ok(3) } else { Err(format!("{} octets were truncated", input.len())) };
    }
    if theirs.answers != reply.answers {
        compare(&show(&theirs.answers), &show(&reply.answers))?;
    }
    let (answers, authorities) = (theirs.answers.len() as u64, reply.authorities.len() as u64);
    Ok(2 | answers << 8 | authorities << 24 | (written as u64 / 32) << 40)
}

/// Their reading, but that the data of types in which they follow pointers though none may stand there (RFC 3597 §4, RFC 9460 §2.2) are
/// so many octets: that is how they must pass.
fn read(message: &[u8]) -> Result<Message, DecodeError> {
    let mut message = message.to_vec();
    // What does not parse here does not for them.
    hide_types(&mut message);
    Message::from_vec(&message)
}

fn hide_types(message: &mut [u8]) -> Option<()> {
    let u16_at = |message: &[u8], at: usize| Some(u16::from_be_bytes(*message.get(at..)?.first_chunk()?));
    let mut at = 12;
    for _ in 0..u16_at(message, 4)? {
        at = name_end(message, at)? + 4;
    }
    let records: u32 = [6, 8, 10].iter().filter_map(|count| u16_at(message, *count)).map(u32::from).sum();
    for _ in 0..records {
        let type_at = name_end(message, at)?;
        if matches!(u16_at(message, type_at)?, NAPTR | SVCB | HTTPS | ANAME) {
            message[type_at] = UNASSIGNED;
        }
        at = type_at + 10 + usize::from(u16_at(message, type_at + 8)?);
    }
    Some(())
}

fn name_end(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            0xC0.. => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn compare(came: &[String], left: &[String]) -> Result<(), String> {
    if came == left {
        return Ok(());
    }
    let only = |here: &[String], there: &[String]| here.iter().filter(|record| !there.contains(record)).cloned().collect::<Vec<_>>();
    Err(format!("{} came and {} left, without {:#?}, with {:#?}", came.len(), left.len(), only(came, left), only(left, came)))
}

/// Owner, type, class and data; the order is ours to choose, and the case of what points to the question the client's.
fn show(records: &[Record]) -> Vec<String> {
    let show = |record: &Record| format!("{} {} {} {:?}", record.name, record.record_type(), record.dns_class, record.data);
    let mut shown: Vec<String> = records.iter().map(|record| show(record).to_ascii_lowercase()).collect();
    shown.sort_unstable();
    shown
}

pub(crate) fn id_of(message: &[u8]) -> u16 {
    message.first_chunk().map_or(0, |id| u16::from_be_bytes(*id))
}

/// The question that a message answers, as a key and as a client would ask it; DO in every second.
pub(crate) fn question_of(message: &[u8]) -> (Key, Vec<u8>) {
    let mut at = 12;
    while let Some(length) = message.get(at).filter(|length| (1..64).contains(*length)) {
        at += 1 + usize::from(*length);
    }
    let question = message.get(12..at + 5).filter(|question| question.len() <= 259).unwrap_or(b"\x03www\x07example\x00\x00\x01\x00\x01");
    let dnssec_ok = message.len() % 2 == 1;
    let opt = [0, 0, 41, 4, 208, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0];
    let packet = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1][..], question, &opt].concat();
    let key = match Query::parse(&packet) {
        Ok(query) => query.key,
        Err(_) => Key { name: FoldedName::fold(b"\x01x\x00"), qtype: 1, qclass: 1, dnssec_ok, checking_disabled: false },
    };
    (key, packet)
}

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
pub(crate) fn base() -> Instant {
    Instant::now()
}
