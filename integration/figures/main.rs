//! The figures of README: doorstep beside the socket floor and the other forwarders, in one run on one machine. `integration/bench`
//! starts it; servers on one core, load and upstream on the other.

mod certificates;
mod compare;
mod concurrent;
mod contenders;
mod flood;
mod floor;
mod floor_epoll;
mod in_flight;
mod load;
mod machine;
mod memory;
mod metrics;
mod packets;
mod process;
mod questions;
mod rounds;
mod saturation;
mod server;
mod share;
#[path = "../proof/shown.rs"]
mod shown;
mod start;
mod table;
mod tcp;
mod trace;
mod transport;
mod transports;
mod upstream;
mod workers;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use compare::{Part, Request, compare};
use concurrent::Listen;
use rounds::Effort;

const FULL: Effort = Effort { rounds: 9, window: Duration::from_secs(1), misses: 20_000, trace: Duration::from_secs(100) };
const QUICK: Effort = Effort { rounds: 1, window: Duration::from_millis(300), misses: 2_000, trace: Duration::from_secs(3) };

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
        ["concurrent", plain, encrypted, certificate, key] => {
            let (plain, encrypted) = (plain.parse()?, encrypted.parse()?);
            match concurrent::serve(&Listen { plain, encrypted, certificate: certificate.into(), key: key.into() })? {}
        }
        ["compare", coredns, ref flags @ ..] => compare(coredns, &read(flags)?),
        _ => Err("started by integration/bench: see integration/bench --help".into()),
    }
}

/// `--quick`, `--rounds N`, `--only PART,…`, `--doorstep FILE`.
fn read(flags: &[&str]) -> Result<Request, Box<dyn Error>> {
    let mut request = Request { effort: FULL, parts: Part::ALL.to_vec(), doorstep: None };
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let mut value = || flags.next().ok_or_else(|| format!("{flag} takes a value"));
        match *flag {
            "--quick" => request.effort = QUICK,
            "--rounds" => request.effort.rounds = value()?.parse()?,
            "--only" => request.parts = value()?.split(',').map(Part::named).collect::<Result<_, _>>()?,
            "--doorstep" => request.doorstep = Some(value()?.into()),
            _ => return Err(format!("no flag {flag}: see integration/bench --help").into()),
        }
    }
    Ok(request)
}

/// Without the `--bench` that cargo adds.
#[expect(clippy::disallowed_methods, reason = "a program of its own, with its own argv")]
fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}
