//! Where and with what the figures were made.

use std::fs;
use std::process::Command;

use crate::contenders::Programs;
use crate::process::field;

/// One paragraph: machine, kernel, versions, date, and what else the machine was doing.
pub(crate) fn describe(programs: &Programs) -> String {
    let cpu = read("/proc/cpuinfo");
    let model = field(&cpu, "model name").map_or("unknown CPU", |value| value.trim_start_matches([':', ' ', '\t']));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "{model}, {cores} cores, Linux {kernel}; doorstep {doorstep} ({commit}), unbound {unbound}, dnsdist {dnsdist}, dnsmasq {dnsmasq}, \
         Knot Resolver {knot}, {coredns}, {rustc}; {date}, load average before the run {load}.",
        kernel = read("/proc/sys/kernel/osrelease").trim(),
        doorstep = env!("CARGO_PKG_VERSION"),
        commit = say("git", &["describe", "--always", "--dirty"]),
        unbound = version("unbound", "-V"),
        dnsdist = version("dnsdist", "--version"),
        dnsmasq = version("dnsmasq", "--version"),
        knot = version("kresd", "--version"),
        coredns = say(&programs.coredns.display().to_string(), &["-version"]),
        rustc = say("rustc", &["--version"]),
        date = say("date", &["-u", "+%F"]),
        load = read("/proc/loadavg").split(' ').next().unwrap_or("unknown"),
    )
}

/// The first number with dots that a program says of itself.
fn version(program: &str, flag: &str) -> String {
    let line = say(program, &[flag]);
    let is_version = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
    line.split_whitespace().find(is_version).unwrap_or("unknown").to_owned()
}

/// The first line a command prints, `unknown` where it cannot be run.
fn say(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
