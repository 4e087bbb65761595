//! The cache in virtual time: a base instant and what is added to it.

mod ageing;
mod collision;
mod eviction;
mod failures;
mod model;
mod nxdomain;
mod threads;

use super::{Cache, Config, Epochs, Found, Profile, Stats};
use crate::wire::{Answer, FoldedName, Image, Key, Kind, Rcode};
use std::time::{Duration, Instant};

const EPOCHS: Epochs = Epochs { zone: 1, outage: 1 };

/// A cache with a clock and a zone: what most sentences need.
struct Bench {
    cache: Cache,
    base: Instant,
    now: Instant,
    profile: Profile,
    epochs: Epochs,
}

/// What a lookup saw, taken out of the lock. The `u32` is the answer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Absent,
    Fresh { address: u32, kind: Kind, ttl: u32, prefetch: bool },
    Stale { address: u32, kind: Kind, retry: bool },
    Failed(Rcode, u16),
}

impl Bench {
    fn new(profile: Profile) -> Self {
        Self::with_capacity(profile, Config::default().capacity)
    }

    fn with_capacity(profile: Profile, capacity: usize) -> Self {
        let base = base();
        Self { cache: Cache::new(capacity, base), base, now: base, profile, epochs: EPOCHS }
    }

    /// Sets the clock to so many milliseconds after the cache was born.
    fn at(&mut self, milliseconds: u64) -> &mut Self {
        self.now = self.base + Duration::from_millis(milliseconds);
        self
    }

    fn look(&self, key: &Key) -> Seen {
        look(&self.cache, key, &self.profile, self.epochs, self.now)
    }

    fn insert(&self, key: &Key, answer: Answer) {
        self.cache.insert(key, answer, &self.profile, self.epochs, self.now);
    }

    fn fail(&self, key: &Key) {
        self.cache.insert_failure(key, Rcode::SERV_FAIL, 22, &self.profile, self.epochs, self.now);
    }
}

fn look(cache: &Cache, key: &Key, profile: &Profile, epochs: Epochs, now: Instant) -> Seen {
    let seen = cache.lookup(key, profile, epochs, now, |found| match found {
        Found::Fresh { image, kind, ttl, prefetch } => {
            assert_answers(image, kind, key);
            Seen::Fresh { address: address(image.octets(), kind), kind, ttl, prefetch }
        }
        Found::Stale { image, kind, retry } => {
            assert_answers(image, kind, key);
            Seen::Stale { address: address(image.octets(), kind), kind, retry }
        }
        Found::Failed { rcode, reason } => Seen::Failed(rcode, reason),
    });
    seen.unwrap_or(Seen::Absent)
}

/// NXDOMAIN may have been the answer for another type.
fn assert_answers(image: Image<'_>, kind: Kind, key: &Key) {
    let question = [key.name.as_wire(), &key.qtype.to_be_bytes(), &key.qclass.to_be_bytes()].concat();
    assert!(image.question() == question || kind == Kind::NxDomain && image.is_of_name(key), "an answer to another question");
}

/// The first address of a positive image; 0 for a negative.
fn address(octets: &[u8], kind: Kind) -> u32 {
    let message = usize::from(u16::from_be_bytes([octets[0], octets[1]]));
    if kind == Kind::Positive { u32::from_be_bytes(octets[message - 4..message].try_into().unwrap()) } else { 0 }
}

/// Fresh, not to be prefetched.
fn fresh(address: u32, ttl: u32) -> Seen {
    Seen::Fresh { address, kind: Kind::Positive, ttl, prefetch: false }
}

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn base() -> Instant {
    Instant::now()
}

fn key(text: &str) -> Key {
    let mut wire = Vec::new();
    for label in text.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    Key { name: FoldedName::fold(&wire), qtype: 1, qclass: 1, dnssec_ok: false, checking_disabled: false }
}

fn numbered(number: usize) -> Key {
    key(&format!("service-{number}.default.svc.cluster.local"))
}

/// An upstream's message: `records` after the question, in the answer section or, for negatives, in the authority section.
fn message(key: &Key, rcode: u8, counts: [u8; 2], records: &[u8]) -> Answer {
    let mut message = vec![0, 7, 0x81, 0x80 | rcode, 0, 1, 0, counts[0], 0, counts[1], 0, 0];
    message.extend_from_slice(key.name.as_wire());
    message.extend_from_slice(&key.qtype.to_be_bytes());
    message.extend_from_slice(&key.qclass.to_be_bytes());
    message.extend_from_slice(records);
    Answer::from_upstream(&message, 7, key).unwrap()
}

/// Records of the question's own type, `address` the data of each.
fn positive_of(key: &Key, address: u32, ttl: u32, count: u8) -> Answer {
    let mut record = vec![0xc0, 12];
    record.extend_from_slice(&key.qtype.to_be_bytes());
    record.extend_from_slice(&[0, 1]);
    record.extend_from_slice(&ttl.to_be_bytes());
    record.extend_from_slice(&[0, 4]);
    let records: Vec<u8> =
        (0..count).flat_map(|number| [&record[..], &address.wrapping_add(number.into()).to_be_bytes()].concat()).collect();
    let answer = message(key, 0, [count, 0], &records);
    assert_eq!(answer.kind, Kind::Positive);
    answer
}

fn positive(key: &Key, address: u32, ttl: u32) -> Answer {
    positive_of(key, address, ttl, 1)
}

fn soa(ttl: u32) -> Vec<u8> {
    let mut record = vec![0xc0, 12, 0, 6, 0, 1];
    record.extend_from_slice(&ttl.to_be_bytes());
    record.extend_from_slice(&[0, 24, 0xc0, 12, 0xc0, 12]);
    for field in [1, 7200, 1800, 86400, ttl] {
        record.extend_from_slice(&u32::to_be_bytes(field));
    }
    record
}

fn nxdomain(key: &Key, ttl: u32) -> Answer {
    message(key, 3, [0, 1], &soa(ttl))
}

fn nodata(key: &Key, ttl: u32) -> Answer {
    message(key, 0, [0, 1], &soa(ttl))
}

fn nxdomain_without_soa(key: &Key) -> Answer {
    message(key, 3, [0, 0], &[])
}
