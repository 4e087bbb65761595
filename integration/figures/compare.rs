//! The parts of the benchmark in their order, and the text that it prints.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::contenders::{Contender, DNSMASQ_MOST, KINDS, Kind, Programs, Room, Site, start_all};
use crate::load::Expect;
use crate::questions::CLUSTER;
use crate::rounds::{self, Effort, Figures, Rounds, median};
use crate::transport::Transport;
use crate::transports::{self, Setting};
use crate::upstream::Upstream;
use crate::{certificates, flood, machine, memory, process, start, table, trace, workers};

/// What can be asked for by `--only`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Hits over UDP.
    Hits,
    /// Hits over TCP.
    Tcp,
    /// Misses over TCP.
    Misses,
    /// What a cached answer takes.
    Memory,
    /// The time to the first answer.
    Start,
    /// What a second worker gives.
    Workers,
    /// What misses wait beside hits.
    Flood,
    /// Misses by transport.
    Transports,
    /// The share of queries that stays on the node.
    Trace,
}

impl Part {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 9] =
        [Self::Hits, Self::Tcp, Self::Misses, Self::Memory, Self::Start, Self::Workers, Self::Flood, Self::Transports, Self::Trace];

    /// By its word on the command line.
    ///
    /// # Errors
    /// There is none of that name.
    pub(crate) fn named(word: &str) -> Result<Self, String> {
        Ok(match word {
            "hits" => Self::Hits,
            "tcp" => Self::Tcp,
            "misses" => Self::Misses,
            "memory" => Self::Memory,
            "start" => Self::Start,
            "workers" => Self::Workers,
            "flood" => Self::Flood,
            "transports" => Self::Transports,
            "trace" => Self::Trace,
            _ => return Err(format!("no part {word}: hits, tcp, misses, memory, start, workers, flood, transports, trace")),
        })
    }
}

/// What is asked for on the command line.
pub(crate) struct Request {
    /// How long to measure.
    pub(crate) effort: Effort,
    /// What to measure.
    pub(crate) parts: Vec<Part>,
    /// Another doorstep than the one built with this program, such as an image's.
    pub(crate) doorstep: Option<PathBuf>,
}

/// Measures what `request` asks for and prints what README and integration/figures/README.md show of them.
///
/// # Errors
/// The upstream cannot be started, or a contender that was there is gone.
pub(crate) fn compare(coredns: &str, request: &Request) -> Result<(), Box<dyn Error>> {
    let Request { effort, ref parts, ref doorstep } = *request;
    let built = Path::new(env!("CARGO_BIN_EXE_doorstep"));
    let target = built.ancestors().nth(2).unwrap_or(Path::new("target")).to_owned();
    let state = target.join("figures");
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    fs::create_dir_all(&state)?;
    let doorstep = doorstep.clone().unwrap_or(built.to_owned());
    let programs = Programs { doorstep, figures: std::env::current_exe()?, coredns: coredns.into() };
    let certificates = certificates::issue(&state)?;
    let setting = Setting { programs: &programs, certificates: &certificates, state: &state, effort };

    let mut text = machine::describe(&programs) + "\n";
    if parts.iter().any(|part| !matches!(part, Part::Workers | Part::Flood | Part::Transports | Part::Trace)) {
        text = beside_others(&setting, parts)? + "\n" + &text;
    }
    // These two take root; without it there are all other tables.
    if parts.contains(&Part::Workers) {
        text += &shown("Workers", workers::compare(&setting, tell));
    }
    if parts.contains(&Part::Flood) {
        text += &shown("Misses beside hits", flood::compare(&setting, tell));
    }
    if parts.contains(&Part::Transports) {
        text += &format!("\n{}", transports::compare(&setting, tell)?);
    }
    if parts.contains(&Part::Trace) {
        text += &format!("\n{}", trace::replay(&setting, tell)?);
    }
    fs::write(target.join("figures.md"), &text)?;
    write!(anstream::stdout(), "{text}")?;
    Ok(())
}

/// A table, or why there is none.
fn shown(subject: &str, table: io::Result<String>) -> String {
    table.map_or_else(|error| format!("\n{subject}: left out, {error}\n"), |table| format!("\n{table}"))
}

/// The two tables that have a row for each contender, and a paragraph.
fn beside_others(setting: &Setting<'_>, parts: &[Part]) -> Result<String, Box<dyn Error>> {
    let Setting { programs, state, effort, .. } = *setting;
    let upstream = Upstream::coredns(programs, setting.certificates, state)?;
    let forward = upstream.over(Transport::Tcp, setting.certificates);
    let site = Site { programs, forward: &forward, room: Room::Ample, state };
    let contenders = start_all(&KINDS, &site, tell)?;
    let mut rounds = Rounds::prepare(&contenders, effort)?;
    let disturbed = measure(&mut rounds, &contenders, parts)?;
    let asked_directly = ask_upstream(upstream.server.address, effort)?;
    let mut figures = rounds.figures;
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
    drop(contenders);
    weigh_and_start(&names, &mut figures, &site, effort, parts)?;
    Ok(format!(
        "{hits}\n{others}\n\
         Ratios are to the socket floor, which only sends each query back; for TCP and misses, to the best. Medians of {count} \
         interleaved rounds of {seconds} s; servers on one core, load and upstream (CoreDNS, asked over TCP, by dnsmasq over UDP) on \
         another. dnsmasq has the largest cache that it does not warn of, {dnsmasq} answers, and is weighed with as many. Asked directly, over UDP, the upstream answers {asked_directly:.0} a second. Nobody beats the floor: a ratio on its \
         wrong side, or within the spread of the floor's own rounds, is noise. During the hits others had the core of the load \
         {load:.1} % of the time that it could have run, and the floor's core {floor:.1} %: above 1 %, these are no figures to go by.",
        hits = table::hits(&names, &figures),
        others = table::others(&names, &figures),
        count = effort.rounds,
        seconds = effort.window.as_secs_f64(),
        dnsmasq = table::grouped(f64::from(DNSMASQ_MOST), 0),
        load = disturbed.0,
        floor = disturbed.1,
    ))
}

/// What is measured of the contenders that run. Returns the share of the time, in percent, that others had the core of the load and of
/// the floor during the hits.
fn measure(rounds: &mut Rounds<'_>, contenders: &[Contender], parts: &[Part]) -> io::Result<(f64, f64)> {
    // One thread each, and one of each core: whoever else wants a core makes them stand in line.
    let ours = || io::Result::Ok((process::scheduled(std::process::id())?, contenders[0].server.scheduled()?));
    let before = ours()?;
    if parts.contains(&Part::Hits) {
        rounds.hits(tell)?;
    }
    let after = ours()?;
    if parts.contains(&Part::Tcp) {
        rounds.tcp(tell)?;
    }
    if parts.contains(&Part::Misses) {
        rounds.misses(tell)?;
    }
    Ok((after.0.disturbed_since(before.0), after.1.disturbed_since(before.1)))
}

/// What is measured of processes started for it. The others have ended, so that they take no part.
fn weigh_and_start(names: &[&str], figures: &mut [Figures], site: &Site<'_>, effort: Effort, parts: &[Part]) -> io::Result<()> {
    let of_name = |name: &str| KINDS.iter().find(|kind| kind.name == name && kind.expect == Expect::Record);
    let mut measured: Vec<(&Kind, &mut Figures)> =
        names.iter().zip(figures).filter_map(|(name, figures)| Some((of_name(name)?, figures))).collect();
    if parts.contains(&Part::Memory) {
        for (kind, figures) in &mut measured {
            tell(&format!("memory: {}", kind.name))?;
            figures.weight = memory::weigh(kind, site)?;
        }
    }
    if parts.contains(&Part::Start) {
        for round in 1..=effort.rounds {
            for (kind, figures) in &mut measured {
                tell(&format!("start, round {round} of {}: {}", effort.rounds, kind.name))?;
                figures.start.push(start::until_first_answer(&kind.program(site)?, site.state)?);
            }
        }
    }
    Ok(())
}

/// Answers a second of the upstream over UDP without anyone before it. Over TCP, which spares it a goroutine a query, it can do more.
fn ask_upstream(upstream: SocketAddr, effort: Effort) -> io::Result<f64> {
    let runs = (0..effort.rounds).map(|run| Ok(rounds::ask_misses(upstream, CLUSTER, u32::MAX - run, effort)?.rate()));
    Ok(median(&runs.collect::<io::Result<Vec<_>>>()?))
}

fn tell(step: &str) -> io::Result<()> {
    writeln!(anstream::stderr(), "{step}")
}
