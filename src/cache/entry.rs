//! One entry: an answer, a failure, or an answer with a failure marked on it.

use super::arena::Place;
use super::ttl::{self, Life, Ticks};
use super::{Epochs, Profile, size};
use crate::wire::{Image, Key, Kind, Rcode};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// One entry as a lookup sees it, under the shard's read lock: copy what is needed and return.
pub enum Found<'a> {
    /// Live.
    Fresh {
        /// The stored answer.
        image: Image<'a>,
        /// What it says.
        kind: Kind,
        /// Seconds left, rounded down, at least 1.
        ttl: u32,
        /// Popular and in the last tenth of its life: whoever is told refreshes it. Told once a life.
        prefetch: bool,
    },
    /// Expired, but not longer ago than the profile's `max_stale` (RFC 8767).
    Stale {
        /// The stored answer.
        image: Image<'a>,
        /// What it says.
        kind: Kind,
        /// An upstream may be asked: no failure is remembered for now.
        retry: bool,
    },
    /// A remembered failure, and nothing better known (RFC 9520).
    Failed {
        /// What the failure was answered with.
        rcode: Rcode,
        /// What happened, by the number it was stored with.
        reason: u16,
    },
}

/// A failure to remember.
#[derive(Clone, Copy)]
pub(super) struct Failure {
    pub(super) rcode: Rcode,
    pub(super) reason: u16,
    pub(super) epochs: Epochs,
    /// First and longest time it is remembered.
    pub(super) spans: (Duration, Duration),
}

/// Positives, and all the rest: each has its own share of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Positive,
    Negative,
}

/// The queue an entry waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Probation: seen once.
    Small,
    /// Proven.
    Main,
}

/// Neighbours in a queue, as slot numbers; a vacant slot's `next` is the next vacant one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    pub(super) previous: u32,
    pub(super) next: u32,
}

/// No slot.
pub(super) const NIL: u32 = u32::MAX;

/// 64 octets, one cache line, besides those in its place.
pub(super) struct Entry {
    /// Of the answer's image; of a failure alone, of the folded qname and the qclass.
    pub(super) place: Place,
    hash: u32,
    zone: u32,
    outage: u32,
    ttl: Ticks,
    expires: Ticks,
    stale_until: Ticks,
    failed_until: Ticks,
    pub(super) links: Links,
    rcode: u16,
    reason: u16,
    /// What was asked; here too, so that another type of the same name costs no look at its image.
    qtype: u16,
    answer: Option<Kind>,
    /// It denies the name: it answers for every type (RFC 2308 §5).
    denial: bool,
    flags: u8,
    /// In a row; 0: none is remembered.
    failures: u8,
    pub(super) lane: Lane,
    uses: Uses,
}

impl Entry {
    /// `octets` is what `Answer::into_image` made.
    pub(super) fn answer(hash: u32, key: &Key, octets: Box<[u8]>, kind: Kind, life: Life, zone: u32) -> Self {
        let Life { ttl, expires, stale_until } = life;
        let (qtype, flags) = (key.qtype, flags(key));
        Self { place: Place::Own(octets), zone, ttl, expires, stale_until, qtype, answer: Some(kind), flags, ..Self::vacant(hash) }
    }

    /// The same NXDOMAIN as an answer for every type of its name, at the name's hash.
    pub(super) fn into_denial(self, hash: u32) -> Self {
        Self { hash, denial: true, ..self }
    }

    /// An answer for the type alone that was asked.
    pub(super) fn into_answer(self, hash: u32) -> Self {
        Self { hash, denial: false, ..self }
    }

    /// A first failure.
    pub(super) fn failure(hash: u32, key: &Key, failure: &Failure, now: Ticks) -> Self {
        let mut octets = Vec::with_capacity(key.name.as_wire().len() + 2);
        octets.extend_from_slice(key.name.as_wire());
        octets.extend_from_slice(&key.qclass.to_be_bytes());
        let place = Place::Own(octets.into_boxed_slice());
        let mut entry = Self { place, zone: failure.epochs.zone, qtype: key.qtype, flags: flags(key), ..Self::vacant(hash) };
        entry.mark(failure, now);
        entry
    }

    /// What an empty slot holds.
    pub(super) fn vacant(hash: u32) -> Self {
        Self {
            place: Place::default(),
            hash,
            zone: 0,
            outage: 0,
            ttl: 0,
            expires: 0,
            stale_until: 0,
            failed_until: 0,
            links: Links { previous: NIL, next: NIL },
            rcode: 0,
            reason: 0,
            qtype: 0,
            answer: None,
            denial: false,
            flags: 0,
            failures: 0,
            lane: Lane::Small,
            uses: Uses::default(),
        }
    }

    pub(super) fn hash(&self) -> u32 {
        self.hash
    }

    pub(super) fn class(&self) -> Class {
        if self.answer == Some(Kind::Positive) { Class::Positive } else { Class::Negative }
    }

    /// What it takes from its class' share.
    pub(super) fn charge(&self) -> usize {
        size::charge(self.place.len())
    }

    /// The name, type and class compared in full: a hash alone never answers. `octets`, here and below: those at its place.
    pub(super) fn is_for(&self, octets: &[u8], key: &Key) -> bool {
        (self.qtype == key.qtype || self.denial) && self.is_of_name(octets, key)
    }

    /// Whether it is about the name of `key`, in its class and with its DO and CD, whatever the type.
    pub(super) fn is_of_name(&self, octets: &[u8], key: &Key) -> bool {
        self.flags == flags(key) && if self.answer.is_some() { Image::new(octets).is_of_name(key) } else { failed_for(octets, key) }
    }

    /// Says that its name exists, or did so a short while ago: a server that denies the name for another type is not to be believed
    /// for all of them.
    pub(super) fn affirms(&self, zone: u32, now: Ticks) -> bool {
        self.zone == zone && now < self.stale_until && matches!(self.answer, Some(Kind::Positive | Kind::NoData))
    }

    /// What a lookup may use of it, if anything.
    pub(super) fn found<'a>(&self, octets: &'a [u8], profile: &Profile, epochs: Epochs, now: Ticks) -> Option<Found<'a>> {
        if self.zone != epochs.zone {
            return None;
        }
        self.uses.touch();
        let failed = self.failures > 0 && self.outage == epochs.outage && now < self.failed_until;
        let image = Image::new(octets);
        match self.answer {
            Some(kind) if now < self.expires => {
                let rest = self.expires - now;
                let prefetch = rest <= self.ttl / 10 && self.uses.tell_popular();
                Some(Found::Fresh { image, kind, ttl: ttl::whole_seconds(rest), prefetch })
            }
            // The stored end counts too: an answer may have been stored under a stricter profile than its qname's, for a name
            // of its CNAME chain.
            Some(kind) if now < self.stale_until && now - self.expires < ttl::span(profile.max_stale) => {
                Some(Found::Stale { image, kind, retry: !failed })
            }
            _ if failed => Some(Found::Failed { rcode: Rcode(self.rcode), reason: self.reason }),
            _ => None,
        }
    }

    /// Whether a failure is marked on it instead of taking its place.
    pub(super) fn takes_mark(&self, zone: u32, now: Ticks) -> bool {
        self.zone == zone && (self.answer.is_none() || now < self.stale_until)
    }

    /// Remembers a failure. One that is still in force stays as it is; one within the longest span of the last doubles it.
    pub(super) fn mark(&mut self, failure: &Failure, now: Ticks) {
        let known = self.failures > 0 && self.outage == failure.epochs.outage;
        (self.rcode, self.reason, self.outage) = (failure.rcode.0, failure.reason, failure.epochs.outage);
        if known && now < self.failed_until {
            return;
        }
        let longest = ttl::span(failure.spans.1);
        let repeated = known && now < self.failed_until.saturating_add(longest);
        self.failures = if repeated { self.failures.saturating_add(1) } else { 1 };
        self.failed_until = now.saturating_add(ttl::failure_span(failure.spans, self.failures));
        if self.answer.is_none() {
            // Kept beyond its time for the count.
            self.stale_until = self.failed_until.saturating_add(longest);
        }
    }

    /// Nothing can be served from it any more.
    pub(super) fn is_dead(&self, now: Ticks) -> bool {
        now >= self.stale_until && now >= self.failed_until
    }

    /// Takes the place of `old`: its standing with the eviction goes on, its life starts anew.
    pub(super) fn succeed(&mut self, old: &Self) {
        self.lane = old.lane;
        self.uses = Uses(AtomicU8::new(old.uses.frequency()));
    }

    pub(super) fn frequency(&self) -> u8 {
        self.uses.frequency()
    }

    pub(super) fn set_frequency(&mut self, frequency: u8) {
        self.uses.set_frequency(frequency);
    }
}

/// Whether a failure's octets are those of `key`.
fn failed_for(octets: &[u8], key: &Key) -> bool {
    octets.split_last_chunk::<2>().is_some_and(|(name, class)| name == key.name.as_wire() && *class == key.qclass.to_be_bytes())
}

/// DO and CD: the part of the key that the image does not tell.
fn flags(key: &Key) -> u8 {
    u8::from(key.dnssec_ok) | u8::from(key.checking_disabled) << 1
}

/// Two saturating 2-bit counters and a flag. Bits 0–1: hits as the eviction counts them; 2–3: hits of this life; 4: prefetch told.
#[derive(Default)]
struct Uses(AtomicU8);

const FREQUENCY: u8 = 0b11;
const HIT: u8 = 0b100;
const HITS: u8 = 0b1100;
const TOLD: u8 = 0b1_0000;

/// Hits in a life that make an entry popular.
const POPULAR: u8 = 2 * HIT;

impl Uses {
    /// Counts a hit. The line is written only while a counter still moves, so that hot entries are only read.
    fn touch(&self) {
        let old = self.0.load(Ordering::Relaxed);
        let frequency = u8::from(old & FREQUENCY < FREQUENCY);
        let hit = if old & HITS < HITS { HIT } else { 0 };
        if frequency | hit != 0 {
            // A lost race loses one hit; a plain store could lose `TOLD`.
            self.0.compare_exchange(old, old + frequency + hit, Ordering::Relaxed, Ordering::Relaxed).ok();
        }
    }

    /// Whether it is popular and nobody was told in this life.
    fn tell_popular(&self) -> bool {
        let uses = self.0.load(Ordering::Relaxed);
        uses & HITS >= POPULAR && uses & TOLD == 0 && self.0.fetch_or(TOLD, Ordering::Relaxed) & TOLD == 0
    }

    fn frequency(&self) -> u8 {
        self.0.load(Ordering::Relaxed) & FREQUENCY
    }

    fn set_frequency(&mut self, frequency: u8) {
        let uses = self.0.get_mut();
        *uses = *uses & !FREQUENCY | frequency & FREQUENCY;
    }
}
