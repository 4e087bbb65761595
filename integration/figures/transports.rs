//! Misses by the transport that carries them, through CoreDNS and through an upstream a millisecond away; what they take in connections
//! and packets, and what is left open once nobody asks.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::certificates::Certificates;
use crate::contenders::{COREDNS, Contender, DOORSTEP, Kind, Programs, Room, Site, UNBOUND};
use crate::load::{self, Expect};
use crate::packets::{Counted, Tap};
use crate::questions::{CLUSTER, OUTSIDE, Questions};
use crate::rounds::{Effort, MISSES, median};
use crate::table::{grouped, markdown, number};
use crate::transport::Transport;
use crate::upstream::Upstream;
use crate::{metrics, process};

/// The rows: who asks, by what.
const ROWS: [(Kind, Transport); 10] = [
    (DOORSTEP, Transport::Tcp),
    (DOORSTEP, Transport::Udp),
    (DOORSTEP, Transport::Tls),
    (DOORSTEP, Transport::Quic),
    (UNBOUND, Transport::Tcp),
    (UNBOUND, Transport::Udp),
    (UNBOUND, Transport::Tls),
    (COREDNS, Transport::Tcp),
    (COREDNS, Transport::Udp),
    (COREDNS, Transport::Tls),
];

/// Without a query for this long a node is idle.
const IDLE: Duration = Duration::from_secs(15);

/// One forwarder before one upstream.
struct Forwarder {
    transport: Transport,
    contender: Contender,
    /// Port of the upstream.
    port: u16,
    /// Misses a second, a value a round.
    rates: Vec<f64>,
    /// Microseconds of CPU time a miss, likewise.
    cpu: Vec<f64>,
    asked: u64,
    failed: u64,
}

/// What is measured by, and with what.
pub(crate) struct Setting<'s> {
    /// What to run.
    pub(crate) programs: &'s Programs,
    /// What the upstreams show.
    pub(crate) certificates: &'s Certificates,
    /// Configurations and logs.
    pub(crate) state: &'s Path,
    /// How long to measure.
    pub(crate) effort: Effort,
}

/// Measures all rows; returns the table. `tell` hears what is being done.
///
/// # Errors
/// Something cannot be started, or is gone.
pub(crate) fn compare(setting: &Setting<'_>, tell: impl Fn(&str) -> io::Result<()>) -> io::Result<String> {
    let near = Upstream::coredns(setting.programs, setting.certificates, setting.state)?;
    let far = Upstream::concurrent(setting.programs, setting.certificates, setting.state)?;
    let mut run = 0;
    let mut counted = Vec::new();
    for (row, (kind, transport)) in ROWS.iter().enumerate() {
        tell(&format!("packets: {} over {}", kind.name, transport.name()))?;
        let alone = count(row, &near, &mut run, setting);
        counted.push(alone.inspect_err(|error| drop(tell(&error.to_string()))).ok());
    }
    let (mut near, mut far) = (start_before(&near, setting)?, start_before(&far, setting)?);
    for round in 1..=setting.effort.rounds {
        for forwarder in near.iter_mut().chain(&mut far) {
            tell(&format!("transports, round {round}: {} over {}", forwarder.contender.name, forwarder.transport.name()))?;
            forwarder.measure(&mut run, setting.effort)?;
        }
    }
    tell("nobody asks")?;
    thread::sleep(IDLE);
    let rows = near
        .iter()
        .zip(&far)
        .zip(&counted)
        .map(|((near, far), counted)| io::Result::Ok(cells(near, far, *counted, near.connections()?, setting.effort)));
    Ok(markdown(&headings(setting.effort), &rows.collect::<io::Result<Vec<_>>>()?))
}

/// Connections and packets of one round's misses, those of the start among them, with no other forwarder about.
fn count(row: usize, upstream: &Upstream, run: &mut u32, setting: &Setting<'_>) -> io::Result<Counted> {
    let tap = Tap::on(upstream.over(ROWS[row].1, setting.certificates).address.port())?;
    let mut forwarder = Forwarder::start(row, upstream, setting)?;
    forwarder.ask(run, setting.effort)?;
    let counted = tap.read()?;
    // QUIC has no SYN to count: all its connections are open still.
    let connections = if forwarder.transport == Transport::Quic { forwarder.connections()? } else { counted.connections };
    Ok(Counted { connections, ..counted })
}

/// All rows before `upstream`.
fn start_before(upstream: &Upstream, setting: &Setting<'_>) -> io::Result<Vec<Forwarder>> {
    (0..ROWS.len()).map(|row| Forwarder::start(row, upstream, setting)).collect()
}

impl Forwarder {
    fn start(row: usize, upstream: &Upstream, setting: &Setting<'_>) -> io::Result<Self> {
        let (kind, transport) = ROWS[row];
        let forward = upstream.over(transport, setting.certificates);
        let site = Site { programs: setting.programs, forward: &forward, room: Room::Ample, state: setting.state };
        let (contender, port) = (kind.start(&site)?, forward.address.port());
        Ok(Self { transport, contender, port, rates: Vec::new(), cpu: Vec::new(), asked: 0, failed: 0 })
    }

    fn measure(&mut self, run: &mut u32, effort: Effort) -> io::Result<()> {
        let before = self.contender.server.cpu_time()?;
        let (answered, seconds) = self.ask(run, effort)?;
        let spent = self.contender.server.cpu_time()?.saturating_sub(before);
        self.rates.push(answered as f64 / seconds);
        self.cpu.push(spent.as_secs_f64() * 1e6 / answered as f64);
        Ok(())
    }

    /// Half of names of the cluster, half of others. Returns how many were answered, and in how many seconds.
    fn ask(&mut self, run: &mut u32, effort: Effort) -> io::Result<(u64, f64)> {
        let (mut answered, mut seconds) = (0, 0.0);
        for zone in [CLUSTER, OUTSIDE] {
            let questions = Questions::unique(zone, *run);
            let outcome = load::ask_all(self.contender.server.address, &questions, Expect::Record, MISSES, effort.misses / 2)?;
            *run += 1;
            answered += outcome.answered;
            seconds += outcome.seconds;
            self.asked += outcome.sent;
            self.failed += outcome.lost + outcome.wrong;
        }
        Ok((answered, seconds))
    }

    /// To the upstream, open now.
    fn connections(&self) -> io::Result<f64> {
        let server = &self.contender.server;
        if self.transport.is_stream() {
            return process::connections(server.pid(), self.port).map(|count| count as f64);
        }
        let metered = metrics::sum(server.address, "doorstep_upstream_connections", "");
        Ok(if self.transport == Transport::Quic { metered } else { 0.0 })
    }
}

fn headings(effort: Effort) -> Vec<String> {
    let misses = grouped(f64::from(effort.misses), 0);
    [
        "",
        "over",
        "misses/s, CoreDNS",
        "CPU µs a miss",
        "misses/s, 1 ms away",
        "CPU µs a miss",
        &format!("connections for {misses} misses"),
        "packets a miss",
        &format!("connections after {} s idle", IDLE.as_secs()),
        "failed",
    ]
    .map(str::to_owned)
    .into()
}

fn cells(near: &Forwarder, far: &Forwarder, counted: Option<Counted>, idle: f64, effort: Effort) -> Vec<String> {
    let share = 100.0 * (near.failed + far.failed) as f64 / (near.asked + far.asked).max(1) as f64;
    vec![
        near.contender.name.to_owned(),
        near.transport.name().to_owned(),
        number(median(&near.rates), 0),
        number(median(&near.cpu), 1),
        number(median(&far.rates), 0),
        number(median(&far.cpu), 1),
        number(counted.map_or(f64::NAN, |counted| counted.connections), 0),
        number(counted.map_or(f64::NAN, |counted| counted.packets / f64::from(effort.misses)), 2),
        number(idle, 0),
        format!("{share:.3} %"),
    ]
}
