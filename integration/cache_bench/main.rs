//! doorstep's cache beside what else it could be: quick_cache, and a sharded LRU. What is kept is what wins. `cargo bench --bench cache`
//! prints the table, `cargo bench --bench cache -- --flood 10000000` what so many unique names do to the real program.

mod agent;
mod contenders;
mod memory;
mod names;
mod workloads;

use std::error::Error;
use std::fs;
use std::io::Write;
use std::process::ExitCode;

use agent::Agent;
use contenders::{CONTENDERS, Contender, build};

/// What each cache may take for the hit ratios: a fraction of what the names would need.
const CAPACITY: u64 = 6 << 20;
const ROUNDS: usize = 9;
const GETS: usize = 300_000;
const THREADS: [usize; 3] = [1, 2, 4];
const EXPONENTS: [f64; 3] = [0.9, 1.0, 1.1];
/// Of the flooded program's cache: the default.
const MEBIBYTES: u64 = 32;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(anstream::stderr(), "cache: {error}; [--flood NAMES]").ok();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = arguments();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => compare(),
        ["bytes", contender] => memory::print(contender),
        ["--flood", names] => flood(names.parse()?),
        _ => Err("what is not known was asked for".into()),
    }
}

/// One contender's line.
struct Row {
    name: &'static str,
    /// Octets an entry.
    each: f64,
    /// By exponent.
    zipf: Vec<f64>,
    flood: f64,
    /// Nanoseconds of each round, by number of threads.
    times: [Vec<f64>; THREADS.len()],
}

fn compare() -> Result<(), Box<dyn Error>> {
    let mut rows = Vec::new();
    for name in CONTENDERS {
        let each = memory::each(name)?;
        let fresh = || build(name, CAPACITY, each as u64);
        let zipf = EXPONENTS.iter().map(|exponent| workloads::zipf(&*fresh(), *exponent, 1)).collect();
        rows.push(Row { name, each, zipf, flood: workloads::flood(&*fresh()), times: Default::default() });
    }
    let caches: Vec<Box<dyn Contender>> = rows.iter().map(|row| build(row.name, CAPACITY, row.each as u64)).collect();
    let hot: Vec<_> = caches.iter().map(|cache| workloads::hot(&**cache)).collect();
    for round in 0..ROUNDS {
        for (at, threads) in THREADS.into_iter().enumerate() {
            // Interleaved, and not always in the same order.
            for number in 0..rows.len() {
                let number = (number + round) % caches.len();
                let time = workloads::time(&*caches[number], &hot[number], threads, GETS / threads);
                rows[number].times[at].push(time.as_secs_f64() * 1e9);
            }
        }
    }
    print(&mut rows, own_account(), agent_each()?)
}

/// What doorstep's cache itself says an entry costs.
fn own_account() -> f64 {
    let cache = build("doorstep", CAPACITY * 8, 1);
    (0..memory::ENTRIES).for_each(|number| cache.store(&names::Named::address("service", number)));
    cache.told().unwrap_or_default()
}

/// Octets of the real program for each answer, as it counts them and as the kernel does.
fn agent_each() -> Result<[f64; 2], Box<dyn Error>> {
    let agent = Agent::start(32)?;
    let (bytes, resident) = (agent.metric("doorstep_cache_bytes")?, agent.resident()?);
    let answered = agent.ask("service", 0..memory::ENTRIES)? as f64;
    let grown = agent.resident()?.saturating_sub(resident) as f64;
    Ok([(agent.metric("doorstep_cache_bytes")? - bytes) / answered, grown / answered])
}

fn print(rows: &mut [Row], told: f64, agent: [f64; 2]) -> Result<(), Box<dyn Error>> {
    let mut out = anstream::stdout();
    writeln!(out, "| | Zipf 0.9 | Zipf 1.0 | Zipf 1.1 | hot in a flood | octets an entry | 1 thread | 2 threads | 4 threads | ratio |")?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    let mut first = None;
    for row in rows {
        let zipf: String = row.zipf.iter().map(|ratio| format!("{:.1} % | ", ratio * 100.0)).collect();
        let times = row.times.each_mut().map(|times| median(times));
        let ratio = times[0] / *first.get_or_insert(times[0]);
        let shown: String = times.iter().map(|time| format!("{time:.0} ns | ")).collect();
        writeln!(out, "| {} | {zipf}{:.1} % | {:.0} | {shown}{ratio:.2} |", row.name, row.flood * 100.0, row.each)?;
    }
    writeln!(
        out,
        "\nOf doorstep's entries its own account says {told:.0} octets. The program itself, with {} answers: {:.0} octets each by \
         `doorstep_cache_bytes`, {:.0} by its resident memory.\n\n{}",
        memory::ENTRIES,
        agent[0],
        agent[1],
        machine()
    )?;
    Ok(())
}

fn flood(names: usize) -> Result<(), Box<dyn Error>> {
    let agent = Agent::start(MEBIBYTES)?;
    let flooded = agent.flood(names)?;
    let mib = flooded.resident.map(|octets| octets as f64 / f64::from(1 << 20));
    let [start, peak, end] = mib;
    writeln!(
        anstream::stdout(),
        "{names} unique names, {} of them answered, with a cache of {MEBIBYTES} MiB: resident {start:.1} MiB before, {peak:.1} MiB at \
         most, {end:.1} MiB at the end; of questions for hot names {:.3} % were hits. {}",
        flooded.answered,
        flooded.hot * 100.0,
        machine()
    )?;
    Ok(())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Where, and what else went on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model =
        processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("unknown CPU", |(_, model)| model);
    let cores = processor.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned();
    format!("{model}, {cores} cores, Linux {}, load average {load}.", read("/proc/sys/kernel/osrelease").trim())
}

/// Without the `--bench` that cargo adds.
#[expect(clippy::disallowed_methods, reason = "a program of its own, with its own argv")]
fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}
