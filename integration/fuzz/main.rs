//! Everything that reads octets, fed with octets that nobody would send: a kept corpus, changed at random. README.md says how, for how
//! long and what came of it.

mod corpus;
mod differential;
mod mutate;
mod targets;

use std::collections::HashSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use targets::{TARGETS, Target};

/// What every run of the tests spends on each target.
const BRIEFLY: Duration = Duration::from_secs(2);
/// Inputs of one run's corpus; beyond, new ones take the place of any.
const MOST_INPUTS: usize = 4_096;
/// Looks at the clock once in so many inputs.
const BATCH: u64 = 256;

struct Effort {
    seconds: Duration,
    seed: u64,
    only: Option<String>,
}

fn main() -> ExitCode {
    let effort = match arguments() {
        Ok(effort) => effort,
        Err(wrong) => {
            say(&format!("fuzz: {wrong}; [--seconds N] [--seed N] [TARGET]"));
            return ExitCode::from(64);
        }
    };
    // A panic is told below, with the input that brought it.
    std::panic::set_hook(Box::new(|_| {}));
    let chosen: Vec<&Target> = TARGETS.iter().filter(|target| effort.only.as_deref().is_none_or(|only| only == target.name)).collect();
    let is_blind = self_test();
    let failed = fuzz_all(&chosen, &effort);
    if is_blind || failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Targets side by side, one on each core; whether any failed.
fn fuzz_all(targets: &[&Target], effort: &Effort) -> bool {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        while let Some(target) = targets.get(next.fetch_add(1, Relaxed)) {
            match fuzz(target, effort) {
                Ok(said) => say(&format!("fuzz {} (seed {}): {said}", target.name, effort.seed)),
                Err(wrong) => {
                    failed.store(true, Relaxed);
                    say(&format!("fuzz {} (seed {}): {wrong}", target.name, effort.seed));
                }
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner()
}

/// A fault must be found before none is believed.
fn self_test() -> bool {
    let breaks =
        Target { name: "query", longest: 4_096, run: |input| if input.first() == Some(&0xFF) { Err("found".to_owned()) } else { Ok(0) } };
    let panics = Target { name: "query", longest: 4_096, run: |input| Ok(u64::from(input[20])) };
    let effort = Effort { seconds: Duration::from_secs(30), seed: 1, only: None };
    let blind = fuzz(&breaks, &effort).is_ok() || fuzz(&panics, &effort).is_ok();
    if blind {
        say("fuzz: finds neither a broken promise nor a panic");
    }
    blind
}

fn fuzz(target: &Target, effort: &Effort) -> Result<String, String> {
    let mut random = StdRng::seed_from_u64(effort.seed);
    let mut inputs = [corpus::written(target.name), corpus::grown(target.name)].concat();
    let mut seen = HashSet::new();
    for input in &inputs {
        seen.insert(try_one(target, input)?);
    }
    let (kept, begun, mut tried) = (inputs.len(), now(), 0_u64);
    while now() - begun < effort.seconds {
        for _ in 0..BATCH {
            let mut input = inputs[random.random_range(0..inputs.len())].clone();
            let other = &inputs[random.random_range(0..inputs.len())];
            mutate::mutate(&mut random, &mut input, other);
            input.truncate(target.longest);
            tried += 1;
            if !seen.insert(try_one(target, &input)?) {
                continue;
            }
            if inputs.len() < MOST_INPUTS {
                inputs.push(input);
            } else {
                let place = random.random_range(kept..MOST_INPUTS);
                inputs[place] = input;
            }
        }
    }
    Ok(format!("{tried} inputs, {} kinds of results", seen.len()))
}

fn try_one(target: &Target, input: &[u8]) -> Result<u64, String> {
    let shown = || input.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    match catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        Ok(Ok(kind)) => Ok(kind),
        Ok(Err(wrong)) => Err(format!("{wrong}\n{}", shown())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}\n{}", text.unwrap_or("?"), shown()))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, with its own argv")]
fn arguments() -> Result<Effort, String> {
    let mut effort = Effort { seconds: BRIEFLY, seed: 1, only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse().ok()).ok_or(format!("a number must follow {word}"));
        match word.as_str() {
            "--seconds" => effort.seconds = Duration::from_secs(number()?),
            "--seed" => effort.seed = number()?,
            name if TARGETS.iter().any(|target| target.name == name) => effort.only = Some(word),
            // What cargo passes on to every test, and filters for others.
            _ => {}
        }
    }
    Ok(effort)
}

#[expect(clippy::disallowed_methods, reason = "for as long as it was told to")]
fn now() -> Instant {
    Instant::now()
}

fn say(line: &str) {
    writeln!(anstream::stderr(), "{line}").ok();
}
