//! The rounds: every contender in turn, again and again, so that a noisy minute hits all alike. Medians go into the table.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::contenders::Contender;
use crate::load::{self, Expect, Outcome, Pace, SOCKETS};
use crate::memory::Weight;
use crate::questions::{CLUSTER, OUTSIDE, Questions};
use crate::{saturation, tcp};

/// Popular names.
pub(crate) const HOT: u32 = 1_000;
/// Queries a second when latency is measured.
const LATENCY_RATES: [f64; 2] = [10_000.0, 50_000.0];
/// Who answers less than this share of what is asked does not keep up, and has no latency at that rate.
pub(crate) const KEPT_UP: f64 = 0.99;
/// Queries a second when CPU time is measured.
const CPU_RATE: f64 = 20_000.0;
/// Misses waiting at once.
pub(crate) const MISSES: u64 = 100;

/// How long the benchmark takes.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds over all contenders.
    pub(crate) rounds: u32,
    /// One measurement.
    pub(crate) window: Duration,
    /// Misses of one round, where they are counted.
    pub(crate) misses: u32,
    /// How long a trace is replayed.
    pub(crate) trace: Duration,
}

/// One contender, measured. Every list has one value a round.
#[derive(Default)]
pub(crate) struct Figures {
    /// Whether it forwards; a floor does not.
    pub(crate) forwards: bool,
    /// Answers a second at saturation.
    pub(crate) saturation: Vec<f64>,
    /// Share of the queries that got no answer then. None lost: it was not saturated, and can do more.
    pub(crate) overload: Vec<f64>,
    /// Share of its core that it had then.
    pub(crate) busy: Vec<f64>,
    /// Microseconds of CPU time for one answer from the cache.
    pub(crate) cpu: Vec<f64>,
    /// Microseconds that half, nine tenths and 99 hundredths of the answers stay below, at each rate.
    pub(crate) latency: [[Vec<f64>; 3]; 2],
    /// Answers a second over TCP; the floor has none.
    pub(crate) tcp: Vec<f64>,
    /// Misses a second, names of the cluster; the floor has none.
    pub(crate) cluster: Vec<f64>,
    /// Misses a second, other names; the floor has none.
    pub(crate) outside: Vec<f64>,
    /// Microseconds of CPU time for one miss, of either kind.
    pub(crate) cpu_miss: Vec<f64>,
    /// Milliseconds from the start of a process to its first answer.
    pub(crate) start: Vec<f64>,
    /// Octets of a cached answer; NaN before it is weighed.
    pub(crate) weight: Weight,
    /// Resident MiB after the start.
    pub(crate) idle: f64,
    /// Queries sent at the fixed rates, over TCP and as misses.
    pub(crate) asked: u64,
    /// Of these, without a right answer.
    pub(crate) failed: u64,
}

/// Everyone under measurement, and what came of it so far.
pub(crate) struct Rounds<'c> {
    contenders: &'c [Contender],
    effort: Effort,
    /// In the order of the contenders.
    pub(crate) figures: Vec<Figures>,
    /// Queries a second that each answered at most.
    best: Vec<f64>,
}

impl<'c> Rounds<'c> {
    /// Weighs and warms everyone, and finds roughly how many queries a second each answers.
    ///
    /// # Errors
    /// A contender is gone, or does not answer at all; likewise below.
    pub(crate) fn prepare(contenders: &'c [Contender], effort: Effort) -> io::Result<Self> {
        let mut rounds = Self { contenders, effort, figures: Vec::new(), best: Vec::new() };
        for contender in contenders {
            let (figures, best) = prepare(contender, effort)?;
            rounds.figures.push(figures);
            rounds.best.push(best);
        }
        Ok(rounds)
    }

    /// Answers from the cache. `tell` hears what is being done.
    pub(crate) fn hits(&mut self, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<()> {
        let hot = Questions::zipf(HOT);
        for round in 1..=self.effort.rounds {
            for ((contender, figures), best) in self.contenders.iter().zip(&mut self.figures).zip(&mut self.best) {
                tell(&format!("hits, round {round} of {}: {}", self.effort.rounds, contender.name))?;
                measure_latency(contender, &hot, self.effort, figures)?;
                measure_cpu(contender, &hot, self.effort, figures)?;
                measure_saturation(contender, &hot, self.effort, best, figures)?;
            }
        }
        Ok(())
    }

    /// Answers from the cache over TCP. The floor has none.
    pub(crate) fn tcp(&mut self, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<()> {
        let hot = Questions::zipf(HOT);
        for round in 1..=self.effort.rounds {
            for (contender, figures) in self.contenders.iter().zip(&mut self.figures) {
                if contender.expect == Expect::Record {
                    tell(&format!("TCP, round {round} of {}: {}", self.effort.rounds, contender.name))?;
                    let outcome = tcp::run(contender.server.address, &hot, self.effort.window)?;
                    figures.tcp.push(outcome.answered.get() as f64 / self.effort.window.as_secs_f64());
                    figures.asked += outcome.answered.get() + outcome.lost.get();
                    figures.failed += outcome.lost.get();
                }
            }
        }
        Ok(())
    }

    /// Answers that must be asked for. The floor has none.
    pub(crate) fn misses(&mut self, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<()> {
        let mut run = 0;
        for round in 1..=self.effort.rounds {
            for (contender, figures) in self.contenders.iter().zip(&mut self.figures) {
                if contender.expect == Expect::Record {
                    tell(&format!("misses, round {round} of {}: {}", self.effort.rounds, contender.name))?;
                    measure_misses(contender, run, self.effort, figures)?;
                    run += 2;
                }
            }
        }
        Ok(())
    }
}

/// Misses a second that `server` answers, [`MISSES`] waiting at once. No two calls with another `run` ask the same name.
///
/// # Errors
/// What the operating system says against the sockets.
pub(crate) fn ask_misses(server: SocketAddr, zone: &str, run: u32, effort: Effort) -> io::Result<Outcome> {
    load::run(server, &Questions::unique(zone, run), Expect::Record, Pace::Waiting(MISSES), effort.window)
}

/// Weighs it, warms it, and finds roughly how many queries a second the contender answers.
fn prepare(contender: &Contender, effort: Effort) -> io::Result<(Figures, f64)> {
    let server = &contender.server;
    let idle = server.resident()?;
    load::warm(server.address, HOT, contender.expect)?;
    let best = saturation::search(contender, &Questions::zipf(HOT), SOCKETS, effort.window)?;
    let forwards = contender.expect == Expect::Record;
    Ok((Figures { forwards, idle, ..Figures::default() }, best))
}

/// Who does not keep up with a rate is not charged for what it loses there.
fn measure_latency(contender: &Contender, hot: &Questions, effort: Effort, figures: &mut Figures) -> io::Result<()> {
    for (at, rate) in LATENCY_RATES.into_iter().enumerate() {
        let mut outcome = load::run(contender.server.address, hot, contender.expect, Pace::PerSecond(rate), effort.window)?;
        let keeps_up = outcome.rate() >= KEPT_UP * rate;
        if keeps_up {
            figures.note(&outcome);
        }
        for (values, quantile) in figures.latency[at].iter_mut().zip([0.5, 0.9, 0.99]) {
            values.push(if keeps_up { outcome.latency(quantile) } else { f64::NAN });
        }
    }
    Ok(())
}

fn measure_cpu(contender: &Contender, hot: &Questions, effort: Effort, figures: &mut Figures) -> io::Result<()> {
    let before = contender.server.cpu_time()?;
    let outcome = load::run(contender.server.address, hot, contender.expect, Pace::PerSecond(CPU_RATE), effort.window)?;
    let spent = contender.server.cpu_time()?.saturating_sub(before);
    figures.note(&outcome);
    figures.cpu.push(spent.as_secs_f64() * 1e6 / outcome.latencies.len() as f64);
    Ok(())
}

fn measure_saturation(contender: &Contender, hot: &Questions, effort: Effort, best: &mut f64, figures: &mut Figures) -> io::Result<()> {
    let saturation = saturation::overload(contender, hot, SOCKETS, best, effort.window)?;
    figures.saturation.push(saturation.rate);
    figures.overload.push(saturation.lost);
    figures.busy.push(saturation.busy);
    Ok(())
}

/// Asks under the names of `run` and the one after it.
fn measure_misses(contender: &Contender, run: u32, effort: Effort, figures: &mut Figures) -> io::Result<()> {
    let before = contender.server.cpu_time()?;
    let cluster = ask_misses(contender.server.address, CLUSTER, run, effort)?;
    let outside = ask_misses(contender.server.address, OUTSIDE, run + 1, effort)?;
    let spent = contender.server.cpu_time()?.saturating_sub(before);
    figures.note(&cluster);
    figures.note(&outside);
    figures.cluster.push(cluster.rate());
    figures.outside.push(outside.rate());
    figures.cpu_miss.push(spent.as_secs_f64() * 1e6 / (cluster.latencies.len() + outside.latencies.len()) as f64);
    Ok(())
}

impl Figures {
    fn note(&mut self, outcome: &Outcome) {
        self.asked += outcome.sent;
        self.failed += outcome.lost + outcome.wrong;
    }
}

/// The smallest and the largest value.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    (values.iter().copied().fold(f64::NAN, f64::min), values.iter().copied().fold(f64::NAN, f64::max))
}

/// The middle value; NaN for none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
