//! The most that a server answers from its cache.

use std::io;
use std::time::Duration;

use crate::contenders::Contender;
use crate::load::{Pace, Stream};
use crate::questions::Questions;

/// Where the search begins, in queries a second, and its steps.
const SEARCH: (f64, f64) = (20_000.0, 1.3);
/// Saturated is who answers less than this share of what is asked.
const SATURATED: f64 = 0.9;
/// At saturation this many times as much is asked as was answered at best.
const OVERLOAD: f64 = 1.3;

/// A server that is asked more than it can answer.
pub(crate) struct Saturation {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Share of the queries that got no answer. None lost: it was not saturated, and can do more.
    pub(crate) lost: f64,
    /// Cores that it had.
    pub(crate) busy: f64,
}

/// Roughly how many queries a second `contender` answers, asked from so many `sockets`; `hot` is cached.
///
/// # Errors
/// It is gone, or what the operating system says against the sockets; likewise below.
pub(crate) fn search(contender: &Contender, hot: &Questions, sockets: usize, window: Duration) -> io::Result<f64> {
    let (mut rate, step) = SEARCH;
    let mut best: f64 = 0.0;
    loop {
        let outcome = stream(contender, hot, sockets, rate).run(window / 4)?;
        best = best.max(outcome.rate());
        if outcome.rate() < rate * SATURATED {
            return Ok(best);
        }
        rate *= step;
    }
}

/// Asks for more than it answered at `best`, which grows where it answers more now: the search may have met a noisy moment.
pub(crate) fn overload(contender: &Contender, hot: &Questions, sockets: usize, best: &mut f64, window: Duration) -> io::Result<Saturation> {
    let before = contender.server.cpu_time()?;
    let outcome = stream(contender, hot, sockets, *best * OVERLOAD).run(window)?;
    let spent = contender.server.cpu_time()?.saturating_sub(before);
    *best = best.max(outcome.rate());
    // The answers that came after the window cost the same as those within.
    let each = spent.as_secs_f64() / outcome.latencies.len() as f64;
    let lost = (outcome.lost + outcome.wrong) as f64 / outcome.sent as f64;
    Ok(Saturation { rate: outcome.rate(), lost, busy: each * outcome.rate() })
}

fn stream<'q>(contender: &Contender, hot: &'q Questions, sockets: usize, rate: f64) -> Stream<'q> {
    let (target, expect) = (contender.server.address, contender.expect);
    Stream { target, questions: hot, expect, pace: Pace::PerSecond(rate), sockets }
}
