//! What the caches are asked.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::contenders::Contender;
use crate::names::Named;

/// Names that are asked again, and questions.
const NAMES: usize = 100_000;
const QUESTIONS: usize = 400_000;
/// Names that nearly all hits are for.
const HOT: usize = 1_000;
/// In a flood, one question in so many is for a hot name.
const SELDOM: usize = 20;

/// Hits by questions. A miss is stored.
pub(crate) fn zipf(cache: &dyn Contender, exponent: f64, seed: u64) -> f64 {
    let names: Vec<Named> = (0..NAMES).map(|number| Named::mixed("service", number)).collect();
    let mut sums = Vec::with_capacity(NAMES);
    let mut sum = 0.0;
    for rank in 1..=NAMES {
        sum += (rank as f64).powf(-exponent);
        sums.push(sum);
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut hits = 0;
    for number in 0..QUESTIONS {
        if random.random_range(0..10) < 4 {
            ask_or_store(cache, &Named::mixed("once", number));
        } else {
            let drawn = random.random_range(0.0..sum);
            let rank = sums.partition_point(|sum| *sum < drawn).min(NAMES - 1);
            hits += usize::from(ask_or_store(cache, &names[rank]));
        }
    }
    hits as f64 / QUESTIONS as f64
}

/// Hits of hot names by questions for them, while names that are asked once pass.
pub(crate) fn flood(cache: &dyn Contender) -> f64 {
    let hot = hot(cache);
    let mut hits = 0;
    for number in 0..QUESTIONS {
        if number % SELDOM == 0 {
            hits += usize::from(ask_or_store(cache, &hot[number / SELDOM % HOT]));
        } else {
            ask_or_store(cache, &Named::mixed("once", number));
        }
    }
    hits as f64 / (QUESTIONS / SELDOM) as f64
}

/// Names that are known and were asked a few times.
pub(crate) fn hot(cache: &dyn Contender) -> Vec<Named> {
    let names: Vec<Named> = (0..HOT).map(|number| Named::address("hot", number)).collect();
    for _ in 0..4 {
        for named in &names {
            ask_or_store(cache, named);
        }
    }
    names
}

/// Asks for hot names by so many threads, each for all of them in turn; the time that passes, by the answers of all.
pub(crate) fn time(cache: &dyn Contender, names: &[Named], threads: usize, gets: usize) -> Duration {
    let begun = now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let order = names.iter().cycle().skip(thread * HOT / threads).take(gets);
            scope.spawn(|| order.for_each(|named| assert!(black_box(cache.ask(black_box(named))), "a hot name is known")));
        }
    });
    now().duration_since(begun) / (threads * gets) as u32
}

/// Whether it was known; it is now.
fn ask_or_store(cache: &dyn Contender, named: &Named) -> bool {
    let known = cache.ask(named);
    if !known {
        cache.store(named);
    }
    known
}

#[expect(clippy::disallowed_methods, reason = "a program that measures time")]
fn now() -> Instant {
    Instant::now()
}
