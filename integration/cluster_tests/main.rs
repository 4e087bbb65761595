//! The product's promise on a real cluster: the very manifests, the real binary in its image, real Kubernetes, Cilium's own redirect logic.
//!
//! `cargo test --test cluster` starts the cluster, plays the scenarios one after the other, and ends it. A name, or a part of one, picks
//! scenarios; `-- --ignored` plays the measurements, which are not part of the tests. What each lost is also written to `losses.md` beside the cluster's logs.

#![expect(clippy::disallowed_methods, reason = "whole clusters are watched by the real clock and the real environment")]
#![expect(clippy::disallowed_macros, reason = "what a scenario measured is for whoever runs it")]
#![expect(clippy::unwrap_used, reason = "a harness that cannot go on fails its scenario")]

mod harness;
mod scenarios;

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use harness::Cluster;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    // Started by the first scenario that is played, ended when all have been.
    let cluster: Arc<LazyLock<Cluster>> = Arc::new(LazyLock::new(Cluster::up));
    let all = scenarios::ALL.iter().map(|scenario| (scenario, false));
    let measurements = scenarios::MEASUREMENTS.iter().map(|scenario| (scenario, true));
    let trials = all.chain(measurements).map(|((name, play), is_asked_for)| {
        let cluster = Arc::clone(&cluster);
        let trial = Trial::test(*name, move || {
            play(&cluster);
            Ok(())
        });
        trial.with_ignored_flag(is_asked_for)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
