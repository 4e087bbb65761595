//! An upstream of our own that does wrong on purpose, over UDP and TCP on one port, or over TLS.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::names::address_of;

/// What a wrong answer has for an address: seen by a client it is a failure of the proof.
const POISON: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);
/// Between something wrong and the right answer that follows it.
const LATER: Duration = Duration::from_millis(20);
const HEADER: usize = 12;
const TC: u8 = 0x02;

/// What it does to a question that is to meet a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers late.
    Delay(Duration),
    /// Does not answer.
    Drop,
    /// Answers late, the later questions before the earlier ones.
    Reorder,
    /// Over UDP it says that the rest is to be had over TCP.
    Truncate,
    /// Over a stream every octet comes by itself.
    Split,
    /// Answers twice, the second time wrong.
    Twice,
    /// An answer to another id comes first.
    WrongId,
    /// An answer to another question comes first.
    WrongQuestion,
    /// The question comes back in another case.
    WrongCase,
    /// Ends in the middle of the answer.
    CloseAmid,
    /// Ends by RST (closes, over UDP it is silent).
    Reset,
    /// Sends what is no DNS message.
    Garbage,
}

/// What it does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Sends this message.
    Say(Vec<u8>),
    /// The same, octet by octet.
    Dribble(Vec<u8>),
    /// Sends half of this message and ends.
    Half(Vec<u8>),
    /// Ends the stream.
    End,
}

/// What it does to this query, each after this long. `number` counts the questions.
pub(super) fn deeds(fault: Option<Fault>, query: &[u8], number: usize, stream: bool) -> Vec<(Duration, Deed)> {
    const NOW: Duration = Duration::ZERO;
    let Some(right) = right(query) else { return Vec::new() };
    let say = |octets| Deed::Say(octets);
    let then_right = |wrong: Vec<u8>| vec![(NOW, say(wrong)), (LATER, say(right.clone()))];
    let poisoned = || poisoned(&right);
    match fault {
        None => vec![(NOW, say(right))],
        Some(Fault::Delay(delay)) => vec![(delay, say(right))],
        Some(Fault::Drop) => Vec::new(),
        Some(Fault::Reorder) => vec![(LATER * (4 - number as u32 % 4), say(right))],
        Some(Fault::Truncate) if !stream => vec![(NOW, say(truncated(query)))],
        Some(Fault::Truncate) => vec![(NOW, say(right))],
        Some(Fault::Split) => vec![(NOW, Deed::Dribble(right))],
        Some(Fault::Twice) => vec![(NOW, say(right.clone())), (NOW, say(poisoned()))],
        Some(Fault::WrongId) => then_right(changed(poisoned(), 1, 1)),
        Some(Fault::WrongQuestion) => then_right(changed(poisoned(), HEADER + 3, 1)),
        Some(Fault::WrongCase) => vec![(NOW, say(changed(right, HEADER + 1, 0x20)))],
        Some(Fault::CloseAmid) => vec![(NOW, Deed::Half(right))],
        Some(Fault::Reset) => vec![(NOW, Deed::End)],
        Some(Fault::Garbage) => vec![(NOW, say([&query[..2], &[0x81, 0x80, 0, 9, 0xff, 0xff, 0xc0]].concat()))],
    }
}

fn changed(mut octets: Vec<u8>, at: usize, by: u8) -> Vec<u8> {
    octets[at] ^= by;
    octets
}

fn poisoned(right: &[u8]) -> Vec<u8> {
    let address = right.len() - 4;
    [&right[..address], &POISON.octets()].concat()
}

/// The address in the name for A, no such name for what is none of the proof's; `None`: no query.
fn right(query: &[u8]) -> Option<Vec<u8>> {
    let question = question(query)?;
    let address = address_of(question).filter(|_| question.ends_with(&[0, 1, 0, 1]));
    let rcode = if address_of(question).is_none() { 3 } else { 0 };
    let mut message = query[..2].to_vec();
    message.extend([0x81, 0x80 | rcode, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    message.extend(question);
    if let Some(address) = address {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
        message.extend(address.octets());
    }
    Some(message)
}

fn truncated(query: &[u8]) -> Vec<u8> {
    let question = question(query).unwrap_or_default();
    [&query[..2], &[0x81 | TC, 0x80, 0, 1, 0, 0, 0, 0, 0, 0], question].concat()
}

/// The question section of a query.
fn question(query: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER;
    while *query.get(at)? != 0 {
        at += 1 + usize::from(query[at]);
    }
    query.get(HEADER..at + 5)
}
