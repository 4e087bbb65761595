//! The figures of README: doorstep, unbound and CoreDNS beside the socket floor, in one run on one machine. `integration/bench` starts
//! it; servers on one core, load and upstream on the other.

mod contenders;
mod floor;
mod floor_epoll;
mod in_flight;
mod load;
mod machine;
mod process;
mod questions;
mod rounds;
mod server;
mod table;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use contenders::Programs;
use questions::CLUSTER;
use rounds::{Effort, Rounds, median};

const FULL: Effort = Effort { rounds: 5, window: Duration::from_secs(2) };
const QUICK: Effort = Effort { rounds: 1, window: Duration::from_millis(300) };

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(anstream::stderr(), "figures: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = arguments();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["floor", address] => match floor::serve(address.parse()?)? {},
        ["floor-epoll", address] => match floor_epoll::serve(address.parse()?)? {},
        ["compare", coredns, unbound] => compare(coredns, unbound, FULL),
        ["compare", coredns, unbound, "--quick"] => compare(coredns, unbound, QUICK),
        _ => Err("started by integration/bench: see integration/bench --help".into()),
    }
}

fn compare(coredns: &str, unbound: &str, effort: Effort) -> Result<(), Box<dyn Error>> {
    let doorstep = PathBuf::from(env!("CARGO_BIN_EXE_doorstep"));
    let target = doorstep.ancestors().nth(2).unwrap_or(Path::new("target")).to_owned();
    let state = target.join("figures");
    fs::create_dir_all(&state)?;
    let programs = Programs { doorstep, figures: std::env::current_exe()?, coredns: coredns.into(), unbound: unbound.into() };
    let machine = machine::describe(&programs);

    let upstream = contenders::start_upstream(&programs, &state)?;
    let contenders = contenders::start_all(&programs, upstream.address, &state)?;
    let tell = |step: &str| writeln!(anstream::stderr(), "{step}");
    let mut rounds = Rounds::prepare(&contenders, effort)?;
    // One thread each, and one of each core: whoever else wants a core makes them stand in line.
    let ours = || io::Result::Ok((process::scheduled(std::process::id())?, contenders[0].server.scheduled()?));
    let before = ours()?;
    rounds.hits(tell)?;
    let after = ours()?;
    let (load, floor) = (after.0.disturbed_since(before.0), after.1.disturbed_since(before.1));
    rounds.misses(tell)?;
    let upstream = ask_upstream(upstream.address, effort)?;

    let names: Vec<&str> = contenders.iter().map(|contender| contender.name).collect();
    let text = format!(
        "{table}\n{machine}\n\n\
         Ratios are to the socket floor, which only sends each query back; for misses, to the best. Medians of {count} interleaved rounds \
         of {seconds} s; servers on one core, load and upstream (CoreDNS, asked over TCP) on another. Asked directly, over UDP, the \
         upstream answers {upstream:.0} a second. Failed: share of the queries at the fixed rates and of the misses without a right \
         answer within 1 s; at saturation 30 % more is asked than was answered at best. Nobody beats the floor: a ratio on its wrong \
         side, or within the spread of the floor's own rounds, is noise. During the hits others had the core of the load {load:.1} % of \
         the time that it could have run, and the floor's core {floor:.1} %: above 1 %, these are no figures to go by.\n",
        table = table::render(&names, &rounds.figures),
        count = effort.rounds,
        seconds = effort.window.as_secs_f64(),
    );
    fs::write(target.join("figures.md"), &text)?;
    write!(anstream::stdout(), "{text}")?;
    Ok(())
}

/// Answers a second of the upstream over UDP without anyone before it. Over TCP, which spares it a goroutine a query, it can do more.
fn ask_upstream(upstream: SocketAddr, effort: Effort) -> io::Result<f64> {
    let runs = (0..effort.rounds).map(|run| Ok(rounds::ask_misses(upstream, CLUSTER, u32::MAX - run, effort)?.rate()));
    Ok(median(&runs.collect::<io::Result<Vec<_>>>()?))
}

/// Without the `--bench` that cargo adds.
#[expect(clippy::disallowed_methods, reason = "a program of its own, with its own argv")]
fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}
