//! The vocabulary of the scenarios: a stage, a CoreDNS behind, a doorstep in front, and clients that ask.

pub(crate) mod certificates;
mod client;
pub(crate) mod coredns;
mod doorstep;
mod load;
mod ports;
mod process;
mod question;
mod reply;
mod stage;

use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) use certificates::Authority;
pub(crate) use client::{Tcp, Udp};
pub(crate) use coredns::CoreDns;
pub(crate) use doorstep::Doorstep;
pub(crate) use load::{Load, p99};
pub(crate) use ports::free_port;
pub(crate) use process::{Process, run};
pub(crate) use question::{Question, a, aaaa, txt};
pub(crate) use reply::{Rcode, Reply};
pub(crate) use stage::Stage;

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// So many seconds.
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
