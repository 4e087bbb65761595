//! What a second worker gives: hits a second where each thread that reads datagrams is held to a share of a core, so that the load,
//! which has a core to itself, is never the limit.

use std::io;

use crate::contenders::{Contender, DOORSTEP, DOORSTEP_TWO, FLOOR, Kind, Room, Site};
use crate::load;
use crate::questions::Questions;
use crate::rounds::{HOT, median, spread};
use crate::saturation::{self, Saturation};
use crate::share::Held;
use crate::table::{grouped, markdown, percent, ratio};
use crate::transport::Transport;
use crate::transports::Setting;
use crate::upstream::Upstream;

/// Who is measured, and how the threads that read datagrams are named.
const ROWS: [(Kind, &str); 3] = [(FLOOR, ""), (DOORSTEP, "udp-"), (DOORSTEP_TWO, "udp-")];
/// Of a core, for each of them.
const SHARE: f64 = 0.15;
/// The kernel spreads sockets over workers by chance: of so many, about half to each of two.
const SOCKETS: usize = 64;

/// A server whose threads are held.
struct Row {
    contender: Contender,
    /// After the server, so that it goes after it.
    held: Held,
    best: f64,
    /// A value a round.
    saturations: Vec<Saturation>,
}

/// Measures all rows; returns the table and a paragraph. `tell` hears what is being done.
///
/// # Errors
/// Something cannot be started, or is gone, or the machine's cgroups cannot be written.
pub(crate) fn compare(setting: &Setting<'_>, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<String> {
    let upstream = Upstream::coredns(setting.programs, setting.certificates, setting.state)?;
    let forward = upstream.over(Transport::Tcp, setting.certificates);
    let site = Site { programs: setting.programs, forward: &forward, room: Room::Ample, state: setting.state };
    let (hot, effort) = (Questions::zipf(HOT), setting.effort);
    let mut rows = Vec::new();
    for (kind, threads) in &ROWS {
        rows.push(Row::start(kind, threads, &site, &hot, setting)?);
    }
    for round in 1..=effort.rounds {
        for row in &mut rows {
            tell(&format!("workers, round {round} of {}: {}", effort.rounds, row.contender.name))?;
            row.saturations.push(saturation::overload(&row.contender, &hot, SOCKETS, &mut row.best, effort.window)?);
        }
    }
    let headings = ["", "threads", "hits/s at saturation", "by one worker's", "least to most", "cores at saturation", "lost"];
    let cells = rows.iter().map(|row| row.cells(rows[0].rate(), rows[1].rate())).collect::<Vec<_>>();
    Ok(format!(
        "{table}\nEach thread that reads datagrams may use {share} of a core (by cgroup), all of them and the rest of their program on one \
         core; {names} names from {SOCKETS} sockets, from another core. Ratios are to the socket floor.\n",
        table = markdown(&headings.map(str::to_owned), &cells),
        share = percent(SHARE, 0),
        names = grouped(f64::from(HOT), 0),
    ))
}

impl Row {
    /// Starts it, fills its cache, and holds its threads only then.
    fn start(kind: &Kind, threads: &str, site: &Site<'_>, hot: &Questions, setting: &Setting<'_>) -> io::Result<Self> {
        let contender = kind.start(site)?;
        load::warm(contender.server.address, HOT, contender.expect)?;
        let held = Held::threads(contender.server.pid(), threads, SHARE)?;
        let mut row = Self { contender, held, best: 0.0, saturations: Vec::new() };
        row.best = saturation::search(&row.contender, hot, SOCKETS, setting.effort.window)?;
        Ok(row)
    }

    fn values(&self, value: fn(&Saturation) -> f64) -> Vec<f64> {
        self.saturations.iter().map(value).collect()
    }

    fn rate(&self) -> f64 {
        median(&self.values(|saturation| saturation.rate))
    }

    fn cells(&self, floor: f64, one: f64) -> Vec<String> {
        let (least, most) = spread(&self.values(|saturation| saturation.rate));
        vec![
            self.contender.name.to_owned(),
            self.held.count().to_string(),
            ratio(self.rate(), floor, 0),
            format!("{:.2} ×", self.rate() / one),
            format!("{} to {}", grouped(least, 0), grouped(most, 0)),
            format!("{:.2}", median(&self.values(|saturation| saturation.busy))),
            percent(median(&self.values(|saturation| saturation.lost)), 0),
        ]
    }
}
