//! What an entry costs, as the kernel sees it: the resident memory of a process that holds many.

use std::error::Error;
use std::io::Write;
use std::process::Command;
use std::{fs, io};

use crate::contenders;
use crate::names::Named;

/// Entries held.
pub(crate) const ENTRIES: usize = 100_000;
/// Room for all of them in each cache.
const CAPACITY: u64 = 64 << 20;

/// Octets an entry of this contender costs, in a process to itself.
pub(crate) fn each(contender: &str) -> Result<f64, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).args(["bytes", contender]).output()?;
    let said = String::from_utf8(output.stdout)?;
    said.trim().parse().map_err(|_| format!("bytes {contender}: {said}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// The child's part: prints it.
pub(crate) fn print(contender: &str) -> Result<(), Box<dyn Error>> {
    let cache = contenders::build(contender, CAPACITY, CAPACITY / (2 * ENTRIES as u64));
    cache.store(&Named::address("first", 0));
    let before = anonymous(std::process::id())?;
    (0..ENTRIES).for_each(|number| cache.store(&Named::address("service", number)));
    let grown = anonymous(std::process::id())?.saturating_sub(before);
    let held = (0..ENTRIES).filter(|number| cache.ask(&Named::address("service", *number))).count();
    writeln!(anstream::stdout(), "{}", grown as f64 / held as f64)?;
    Ok(())
}

/// Octets resident that are no file's.
pub(crate) fn anonymous(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map(|size| size * 1024).ok_or_else(|| io::Error::other("no RssAnon in /proc/PID/status"))
}
