//! What reads octets, and what each promises.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use doorstep::cache::{Cache, Config as CacheConfig, Epochs, Found, Profile};
use doorstep::config::File;
use doorstep::wire::reply::{self, Form};
use doorstep::wire::{Answer, Ede, Frames, Key, Kind, Query, Rejection};

use super::differential;

/// Something that reads octets.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Octets of the longest input.
    pub(crate) longest: usize,
    /// Promises that it must keep; what comes back tells one kind of result from another.
    pub(crate) run: fn(&[u8]) -> Result<u64, String>,
}

pub(crate) const TARGETS: [Target; 6] = [
    Target { name: "query", longest: BRIEF, run: query },
    Target { name: "answer", longest: MESSAGE, run: answer },
    Target { name: "framing", longest: BRIEF, run: framing },
    Target { name: "config", longest: BRIEF, run: config },
    Target { name: "query-differential", longest: BRIEF, run: differential::query },
    Target { name: "answer-differential", longest: MESSAGE, run: differential::answer },
];

/// Nothing new is to be met beyond, but time passes.
const BRIEF: usize = 4_096;
/// A message's length has 16 bits, over TCP as over UDP.
const MESSAGE: usize = 65_535;

/// The most that a message may have over UDP.
const UDP: usize = 1_232;

/// A query is answered within its limit, with its id and as a response; or not at all.
fn query(input: &[u8]) -> Result<u64, String> {
    let (echo, rcode, ede) = match Query::parse(input) {
        Ok(query) => (query.echo, doorstep::wire::Rcode::SERV_FAIL, Some(Ede::Other)),
        Err(Rejection::Reply(echo, rcode, ede)) => (echo, rcode, ede),
        Err(Rejection::Silence) if input.len() < 12 || input[2] & 0x80 != 0 => return Ok(0),
        Err(Rejection::Silence) => return Err("a query without a reply".to_owned()),
    };
    let mut out = [0; UDP];
    let limit = reply::udp_limit(&echo, UDP as u16);
    let written =
        reply::write_error(&mut out, &echo, rcode, &Form { limit, nsid: b"pod", ede, ede_text: "servfail", rotation: 0, keepalive: None });
    if !(12..=limit).contains(&written) || out[..2] != input[..2] || out[2] & 0x80 == 0 {
        return Err(format!("a reply of {written} octets where {limit} may be: {:02x?}", &out[..12]));
    }
    Ok(1 | u64::from(rcode.0) << 8 | u64::from(echo.edns.is_some()) << 16 | (written as u64 / 16) << 24)
}

thread_local! {
    /// Every answer of a run goes through one cache, which evicts.
    static CACHE: RefCell<(Cache, Instant, u32)> = RefCell::new((Cache::new(CacheConfig::MIN_CAPACITY, differential::base()), differential::base(), 0));
}

/// An answer that is taken can be stored, found, aged and written within any limit.
fn answer(input: &[u8]) -> Result<u64, String> {
    let (key, packet) = differential::question_of(input);
    let Ok(taken) = Answer::from_upstream(input, differential::id_of(input), &key) else { return Ok(0) };
    let kind = taken.kind;
    let result = (kind as u64 + 1) | (taken.image().octets().len() as u64 / 16) << 8 | u64::from(taken.chain().next().is_some()) << 40;
    let Ok(query) = Query::parse(&packet) else { return Ok(result) };
    for limit in [512, UDP, 65_535] {
        let mut out = vec![0xEE; limit];
        let form = Form { limit, nsid: b"pod", ede: Some(Ede::StaleAnswer), ede_text: "", rotation: input.len(), keepalive: None };
        let written = reply::write_answer(&mut out, &query.echo, taken.image(), 60, &form);
        if !(12..=limit).contains(&written) {
            return Err(format!("a reply of {written} octets where {limit} may be"));
        }
    }
    store(&key, taken, kind)?;
    Ok(result)
}

fn store(key: &Key, taken: Answer, kind: Kind) -> Result<(), String> {
    CACHE.with_borrow_mut(|(cache, born, steps)| {
        *steps += 1;
        let (now, epochs, has_ttl) = (*born + Duration::from_millis(u64::from(*steps)), Epochs { zone: 1, outage: 1 }, taken.ttl > 0);
        let refused = cache.stats().refused;
        cache.insert(key, taken, &Profile::EXTERNAL, epochs, now);
        let found = cache.lookup(key, &Profile::EXTERNAL, epochs, now, |found| match found {
            Found::Fresh { kind, .. } => Some(kind),
            Found::Stale { .. } | Found::Failed { .. } => None,
        });
        let stats = cache.stats();
        match found.flatten() {
            found if found == Some(kind) || !has_ttl || stats.refused > refused => {}
            found => return Err(format!("stored as {kind:?}, found as {found:?}")),
        }
        if stats.bytes > stats.capacity { Err(format!("over its bound: {stats:?}")) } else { Ok(()) }
    })
}

/// However a stream is cut, the same messages come out of it, and no more is held than one message and what came with it.
fn framing(input: &[u8]) -> Result<u64, String> {
    let whole = messages(input, input.len().max(1))?;
    for size in [1, 2, 3, 7, 64] {
        if messages(input, size)? != whole {
            return Err(format!("in pieces of {size} other messages come out"));
        }
    }
    Ok(whole.len() as u64 | (whole.iter().map(Vec::len).max().unwrap_or(0) as u64 / 64) << 16)
}

fn messages(input: &[u8], size: usize) -> Result<Vec<Vec<u8>>, String> {
    let (mut frames, mut taken) = (Frames::new(), Vec::new());
    for piece in input.chunks(size) {
        frames.room().extend_from_slice(piece);
        while let Some(message) = frames.take_next() {
            taken.push(message.to_vec());
        }
        if frames.room().capacity() > 2 + 65_535 + piece.len() {
            return Err(format!("{} octets are held", frames.room().capacity()));
        }
    }
    Ok(taken)
}

/// A file is read or told what is wrong with it, each mistake in a place that it has.
fn config(input: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(input);
    match File::parse(&text) {
        Ok(file) => Ok(1 | (file.zones.len() as u64) << 8 | (file.rules.len() as u64) << 16 | (file.groups.len() as u64) << 24),
        Err(mistakes) if mistakes.is_empty() => Err("wrong, without a mistake".to_owned()),
        Err(mistakes) => Ok(2 | (mistakes.len() as u64) << 8),
    }
}
