//! The watchdog: a thread that does nothing else, so that nothing but the machine can keep it from waking.

use std::io;
use std::process::{abort, exit};
use std::thread;
use std::time::Duration;

use crate::lifecycle::{Health, Latch, Supervisor};

const PERIOD: Duration = Duration::from_secs(1);

/// Watches the loops from now on. Loops that are late hold `workers`; one that hangs aborts the process, loops that die too often end it
/// with exit code 1: the sockets close with it, and the kubelet starts anew.
///
/// # Errors
/// The operating system has no thread to give.
pub fn watch(supervisor: &Supervisor, workers: Latch) -> io::Result<()> {
    let supervisor = supervisor.clone();
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        loop {
            thread::sleep(PERIOD);
            act(&supervisor.wake(), &workers);
        }
    })?;
    Ok(())
}

fn act(health: &Health, workers: &Latch) {
    match health {
        Health::Well => workers.release(),
        Health::Late(names) => workers.hold(&format!("no sign of life for 2 s: {}", names.join(", "))),
        Health::Hung(name) => {
            workers.hold(&format!("{name} hangs"));
            tracing::error!(worker = name, "no sign of life for ten wake-ups of the watchdog: aborting");
            abort();
        }
        Health::GaveUp => {
            workers.hold("workers die too often");
            tracing::error!("workers died three times in 10 s: exiting");
            exit(1);
        }
    }
}
