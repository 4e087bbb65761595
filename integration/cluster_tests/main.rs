//! The product's promise on a real cluster: the very manifests, the real binary in its image, real Kubernetes, Cilium's own redirect logic.
//!
//! `cargo test --test cluster` starts the cluster, plays the scenarios one after the other, and ends it. A name, or a part of one, picks
//! scenarios. What each lost is also written to `losses.md` beside the cluster's logs.

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
    let trials = scenarios::ALL.iter().map(|(name, play)| {
        let cluster = Arc::clone(&cluster);
        Trial::test(*name, move || {
            play(&cluster);
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
