//! What misses wait while others have hits: alone, beside a fixed rate of hits, and beside as many as are answered.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::contenders::{COREDNS, Contender, DOORSTEP, DOORSTEP_TWO, FLOOR, Kind, Room, Site, UNBOUND};
use crate::load::{self, Expect, Outcome, Pace, SOCKETS, Stream};
use crate::questions::{CLUSTER, OUTSIDE, Questions};
use crate::rounds::{HOT, KEPT_UP, MISSES, median};
use crate::table::{grouped, markdown, number, percent, ratio};
use crate::transport::Transport;
use crate::transports::Setting;
use crate::upstream::Upstream;

/// Who is measured. Before the floor, which has no misses, these are asked of the upstream itself: nobody can be faster.
const ROWS: [Kind; 5] = [FLOOR, DOORSTEP, DOORSTEP_TWO, UNBOUND, COREDNS];
/// Misses a second, half names of the cluster and half others.
const RATE: f64 = 500.0;
/// Hits a second beside them.
const STEADY: f64 = 50_000.0;
/// How many hits are asked for beside the misses: none, a fixed rate, as many as are answered with [`MISSES`] waiting at once.
const FLOODS: [Option<Pace>; 3] = [None, Some(Pace::PerSecond(STEADY)), Some(Pace::Waiting(MISSES))];
/// The latencies that are shown.
const QUANTILES: [f64; 2] = [0.5, 0.99];

/// A server and what came of it.
struct Row {
    contender: Contender,
    /// Whom the misses are asked of.
    misses: SocketAddr,
    /// Microseconds, for each flood and quantile a value a round; infinite where so many misses had no answer.
    latencies: [[Vec<f64>; QUANTILES.len()]; FLOODS.len()],
    /// Hits a second as many as are answered, a value a round.
    hits: Vec<f64>,
    asked: u64,
    failed: u64,
}

/// Measures all rows; returns the table and a paragraph. `tell` hears what is being done.
///
/// # Errors
/// Something cannot be started, or is gone, or the upstream cannot go before the load: that takes root.
pub(crate) fn compare(setting: &Setting<'_>, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<String> {
    let upstream = Upstream::prompt_coredns(setting.programs, setting.certificates, setting.state)?;
    let forward = upstream.over(Transport::Tcp, setting.certificates);
    let site = Site { programs: setting.programs, forward: &forward, room: Room::Ample, state: setting.state };
    let mut rows = ROWS.iter().map(|kind| Row::start(kind, &site, &upstream)).collect::<io::Result<Vec<_>>>()?;
    let (hot, effort) = (Questions::zipf(HOT), setting.effort);
    let mut run = 0;
    for round in 1..=effort.rounds {
        for row in &mut rows {
            tell(&format!("misses beside hits, round {round} of {}: {}", effort.rounds, row.contender.name))?;
            for flood in 0..FLOODS.len() {
                row.measure(flood, &hot, run, effort.window)?;
                run += 2;
            }
        }
    }
    let cells = rows.iter().map(|row| row.cells(&rows[0])).collect::<Vec<_>>();
    Ok(format!(
        "{table}\n{misses} misses a second, half names of the cluster and half others, through CoreDNS over TCP, which goes before the load \
         on their core; hits from {SOCKETS} sockets. Ratios are to the misses asked of that CoreDNS directly, over UDP, while the hits are \
         asked of the socket floor. A dash: less than {kept} of the hits were answered.\n",
        table = markdown(&headings(), &cells),
        misses = grouped(RATE, 0),
        kept = percent(KEPT_UP, 0),
    ))
}

impl Row {
    fn start(kind: &Kind, site: &Site<'_>, upstream: &Upstream) -> io::Result<Self> {
        let contender = kind.start(site)?;
        load::warm(contender.server.address, HOT, contender.expect)?;
        let forwards = contender.expect == Expect::Record;
        let misses = if forwards { contender.server.address } else { upstream.server.address };
        Ok(Self { contender, misses, latencies: Default::default(), hits: Vec::new(), asked: 0, failed: 0 })
    }

    /// Asks for misses under the names of `run` and the one after it.
    fn measure(&mut self, flood: usize, hot: &Questions, run: u32, window: Duration) -> io::Result<()> {
        let names = [Questions::unique(CLUSTER, run), Questions::unique(OUTSIDE, run + 1)];
        let (pace, expect) = (Pace::PerSecond(RATE / names.len() as f64), Expect::Record);
        let mut streams: Vec<Stream<'_>> =
            names.iter().map(|questions| Stream { target: self.misses, questions, expect, pace, sockets: SOCKETS }).collect();
        let (target, expect) = (self.contender.server.address, self.contender.expect);
        streams.extend(FLOODS[flood].map(|pace| Stream { target, questions: hot, expect, pace, sockets: SOCKETS }));
        let mut misses = load::run_together(&streams, window)?;
        let hits = misses.split_off(names.len());
        let keeps_up = match FLOODS[flood] {
            Some(Pace::PerSecond(rate)) => hits.iter().all(|hits| hits.rate() >= KEPT_UP * rate),
            _ => true,
        };
        if keeps_up {
            self.asked += misses.iter().map(|outcome| outcome.sent).sum::<u64>();
            self.failed += misses.iter().map(|outcome| outcome.lost + outcome.wrong).sum::<u64>();
        }
        for (values, quantile) in self.latencies[flood].iter_mut().zip(QUANTILES) {
            values.push(if keeps_up { latency(&misses, quantile) } else { f64::NAN });
        }
        if matches!(FLOODS[flood], Some(Pace::Waiting(_))) {
            self.hits.extend(hits.iter().map(Outcome::rate));
        }
        Ok(())
    }

    fn cells(&self, floor: &Self) -> Vec<String> {
        let mut cells = vec![self.contender.name.to_owned()];
        for (here, there) in self.latencies.iter().flatten().zip(floor.latencies.iter().flatten()) {
            cells.push(ratio(median(here), median(there), 0));
        }
        cells.push(number(median(&self.hits), 0));
        cells.push(percent(self.failed as f64 / self.asked.max(1) as f64, 3));
        cells
    }
}

/// Microseconds that the share `quantile` of all queries waited less than; infinite where more had no right answer.
fn latency(outcomes: &[Outcome], quantile: f64) -> f64 {
    let mut answered: Vec<u64> = outcomes.iter().flat_map(|outcome| &outcome.latencies).copied().collect();
    answered.sort_unstable();
    let sent: u64 = outcomes.iter().map(|outcome| outcome.sent).sum();
    answered.get((sent as f64 * quantile) as usize).map_or(f64::INFINITY, |&nanos| nanos as f64 / 1e3)
}

fn headings() -> Vec<String> {
    let beside = ["alone".to_owned(), format!("beside {} hits/s", grouped(STEADY, 0)), "beside a flood of hits".to_owned()];
    let latencies = beside.iter().flat_map(|beside| QUANTILES.map(|quantile| format!("p{:.0} µs {beside}", 100.0 * quantile)));
    let rest = ["hits/s of the flood", "misses failed"].map(str::to_owned);
    std::iter::once(String::new()).chain(latencies).chain(rest).collect()
}
