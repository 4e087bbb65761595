//! What scenarios speak of: the cluster, doorstep in it, clients that ask.

mod account;
mod agents;
mod ask;
mod cluster;
mod install;

use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) use account::{calls, calls_since};
pub(crate) use agents::Agent;
pub(crate) use ask::{Ask, Asking, Outcome};
pub(crate) use cluster::{Cluster, NODES, OTHER_CILIUMS, root};
pub(crate) use install::OURS;

/// Asks every fifth of a second until it is so.
///
/// # Panics
/// After `limit`, with what was wrong last.
pub(crate) fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(wrong) => assert!(Instant::now() < deadline, "{what}: not within {limit:?}: {wrong}"),
        }
        sleep(Duration::from_millis(200));
    }
}

/// Looks again and again for the whole time.
///
/// # Panics
/// As soon as it is not so.
pub(crate) fn throughout(time: Duration, what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        look().unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        sleep(Duration::from_millis(500));
    }
}

/// `Err(say)` unless it holds.
pub(crate) fn holds(it: bool, say: impl FnOnce() -> String) -> Result<(), String> {
    if it { Ok(()) } else { Err(say()) }
}
