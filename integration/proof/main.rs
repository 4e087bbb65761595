//! The upstream's proof: what clients lose, and how long they wait, while servers and networks fail behind the real program.
//!
//! `cargo test --test proof` plays every scenario briefly and prints a row for each; `-- --long` plays them with the loads of a busy node.
//! A name, or a part of one, picks scenarios. A row fails only where a query was lost that must not be, or a bound far from the usual is
//! passed: the figures are for whoever reads them.

#![expect(clippy::disallowed_methods, reason = "whole processes are watched by the real clock and the real environment")]
#![expect(clippy::disallowed_macros, reason = "what a scenario measured is for whoever runs it")]
#![expect(clippy::unwrap_used, reason = "a harness that cannot go on fails its scenario")]

mod account;
mod fault;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other targets' vocabulary too")]
mod harness;
mod load;
mod names;
mod scenarios;
mod servers;
mod shown;
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;

use account::{Row, table};
use libtest_mimic::{Arguments, Trial};
use parking_lot::Mutex;

/// Scenarios mostly wait, but each also loads the machine.
const AT_A_TIME: usize = 2;

/// How much is asked, and what came of it.
pub(crate) struct Proof {
    /// With the loads of a busy node.
    pub(crate) long: bool,
    rows: Mutex<Vec<Row>>,
}

impl Proof {
    /// The first where the scenarios are played briefly, else the second.
    pub(crate) fn choose<T>(&self, brief: T, long: T) -> T {
        if self.long { long } else { brief }
    }

    /// Keeps a line of the table.
    pub(crate) fn keep(&self, row: Row) {
        self.rows.lock().push(row);
    }
}

fn main() -> ExitCode {
    let (long, rest): (Vec<String>, Vec<String>) = std::env::args().partition(|argument| argument == "--long");
    let proof = Arc::new(Proof { long: !long.is_empty(), rows: Mutex::default() });
    if rest.get(1).is_some_and(|argument| argument == scenarios::INSIDE) {
        scenarios::play_inside(&proof);
        print!("{}", table(std::mem::take(&mut proof.rows.lock())));
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_iter(rest);
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let trials = scenarios::all().into_iter().map(|(name, play)| {
        let proof = Arc::clone(&proof);
        Trial::test(name, move || {
            play(&proof);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let rows = std::mem::take(&mut *proof.rows.lock());
    if !rows.is_empty() {
        println!("{}", table(rows));
    }
    conclusion.exit_code()
}
