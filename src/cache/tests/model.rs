//! Random walks beside a naive model: as long as the cache holds a name it tells what the model tells; else it tells nothing.

use super::*;
use std::collections::HashMap;

#[derive(Clone, Copy, Default)]
struct Known {
    zone: u32,
    answer: Option<(u32, Kind)>,
    /// Seconds, capped.
    ttl: u64,
    expires: u64,
    stale_until: u64,
    failures: u32,
    failed_until: u64,
    outage: u32,
}

/// Milliseconds since the base, in steps of the cache's own clock, so that rounding plays no part.
const STEP: u64 = 125;

struct Walk {
    bench: Bench,
    known: HashMap<usize, Known>,
    now: u64,
    random: u64,
}

impl Walk {
    fn new(seed: u64, capacity: usize) -> Self {
        Self { bench: Bench::with_capacity(Profile::CLUSTER, capacity), known: HashMap::new(), now: 0, random: seed }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn insert(&mut self, number: usize) {
        let (name, ttl) = (numbered(number), u32::try_from(self.random(60)).unwrap());
        let address = u32::try_from(self.random(1 << 30)).unwrap();
        let (answer, cap) = match self.random(3) {
            0 => (nxdomain(&name, ttl), 5),
            1 => (nodata(&name, ttl), 5),
            _ => (positive_of(&name, address, ttl, 1), 30),
        };
        let kind = answer.kind;
        self.bench.insert(&name, answer);
        self.known.remove(&number);
        if ttl > 0 {
            let ttl = u64::from(ttl.min(cap));
            let expires = self.now + ttl * 1000;
            let address = if kind == Kind::Positive { address } else { 0 };
            let known = Known { answer: Some((address, kind)), ttl, expires, stale_until: expires + 300_000, ..Known::default() };
            self.known.insert(number, Known { zone: self.bench.epochs.zone, ..known });
        }
    }

    fn fail(&mut self, number: usize) {
        if !self.bench.cache.holds(&numbered(number)) {
            // Evicted: the count of its failures is gone as well.
            self.known.remove(&number);
        }
        self.bench.fail(&numbered(number));
        let (now, epochs) = (self.now, self.bench.epochs);
        let known = self.known.entry(number).or_default();
        if known.zone != epochs.zone || known.answer.is_some() && now >= known.stale_until {
            *known = Known { zone: epochs.zone, ..Known::default() };
        }
        let same = known.failures > 0 && known.outage == epochs.outage;
        if !same || now >= known.failed_until {
            known.failures = if same && now < known.failed_until + 5000 { known.failures + 1 } else { 1 };
            known.failed_until = now + (1000 << (known.failures - 1).min(10)).min(5000);
            known.outage = epochs.outage;
        }
    }

    fn look(&self, number: usize) -> bool {
        let seen = self.bench.look(&numbered(number));
        let (now, epochs) = (self.now, self.bench.epochs);
        let known = self.known.get(&number).copied().unwrap_or_default();
        let failed = known.failures > 0 && known.outage == epochs.outage && now < known.failed_until;
        let expected = match known.answer {
            _ if known.zone != epochs.zone || !self.bench.cache.holds(&numbered(number)) => Seen::Absent,
            Some((address, kind)) if now < known.expires => {
                let ttl = u32::try_from((known.expires - now) / 1000).unwrap().max(1);
                let prefetch = matches!(seen, Seen::Fresh { prefetch: true, .. }) && (known.expires - now) * 10 <= known.ttl * 1000;
                Seen::Fresh { address, kind, ttl, prefetch }
            }
            Some((address, kind)) if now < known.stale_until => Seen::Stale { address, kind, retry: !failed },
            _ if failed => Seen::Failed(Rcode::SERV_FAIL, 22),
            _ => Seen::Absent,
        };
        assert_eq!(seen, expected, "at {now}: name {number}, expired at {}, stale until {}", known.expires, known.stale_until);
        seen != Seen::Absent
    }

    fn walk(&mut self, steps: usize, names: u64) -> usize {
        let mut hits = 0;
        for step in 0..steps {
            let number = usize::try_from(self.random(names)).unwrap();
            match self.random(20) {
                0..5 => self.insert(number),
                5..7 => self.fail(number),
                7 if step % 50 == 0 => self.bench.epochs.zone += 1,
                8 if step % 20 == 0 => self.bench.epochs.outage += 1,
                9..11 => {
                    self.now += STEP * (1 + self.random(4));
                    self.bench.at(self.now);
                }
                _ => hits += usize::from(self.look(number)),
            }
            let stats = self.bench.cache.stats();
            assert!(stats.bytes <= stats.capacity, "{stats:?}");
        }
        self.bench.cache.audit();
        hits
    }
}

#[test]
fn without_evictions_nothing_is_forgotten_and_nothing_wrong_is_told() {
    for seed in 1..=4 {
        let mut walk = Walk::new(seed, 8 << 20);
        assert!(walk.walk(20_000, 60) > 3000);
        let stats = walk.bench.cache.stats();
        assert_eq!((stats.evictions_positive, stats.evictions_negative), (0, 0));
        assert!(walk.known.keys().all(|&number| walk.bench.cache.holds(&numbered(number))));
    }
}

#[test]
fn under_evictions_nothing_wrong_is_told_and_bytes_stay_in_bounds() {
    for seed in 1..=3 {
        let mut walk = Walk::new(seed, 1 << 20);
        assert!(walk.walk(150_000, 20_000) > 100);
        let stats = walk.bench.cache.stats();
        assert!(stats.evictions_positive > 0 && stats.evictions_negative > 0, "{stats:?}");
    }
}
