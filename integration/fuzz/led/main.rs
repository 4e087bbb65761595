//! What `cargo test --test fuzz` feeds at random, led by coverage: libFuzzer owns `main`, reports what breaks, and keeps each input that
//! reaches code which none reached before. `run`, beside this file, builds it as it must be and starts it.
#![no_main]

#[path = "../corpus.rs"]
mod corpus;
#[path = "../differential.rs"]
mod differential;
#[path = "../targets.rs"]
mod targets;

use std::path::Path;
use std::sync::LazyLock;
use std::{fs, io};

use libfuzzer_sys::fuzz_target;

use targets::{TARGETS, Target};

/// `--target=NAME` names it. libFuzzer leaves alone what begins with two dashes, and hands it to the processes that it starts.
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = argument("--target=").expect("--target=NAME names what to fuzz");
    let found = TARGETS.into_iter().chain([PLANTED]).find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
});

/// A fault that must be found before none is believed: at random once in 2^40 inputs, octet by octet where coverage leads.
const PLANTED: Target = Target { name: "planted", longest: 64, run: planted };

fuzz_target!(init: write_kept(), |input: &[u8]| {
    let input = &input[..input.len().min(TARGET.longest)];
    if let Err(wrong) = (TARGET.run)(input) {
        panic!("{wrong}");
    }
});

/// Writes what `corpus/` keeps for the target where `--kept=DIRECTORY` says, a file each, for libFuzzer to begin with.
fn write_kept() {
    let Some(directory) = argument("--kept=") else { return };
    for (origin, inputs) in [("written", corpus::written(TARGET.name)), ("grown", corpus::grown(TARGET.name))] {
        let place = Path::new(&directory).join(origin);
        write_all(&place, &inputs).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    }
}

fn write_all(place: &Path, inputs: &[Vec<u8>]) -> io::Result<()> {
    fs::create_dir_all(place)?;
    inputs.iter().enumerate().try_for_each(|(number, input)| fs::write(place.join(number.to_string()), input))
}

fn planted(input: &[u8]) -> Result<u64, String> {
    match input {
        [b'f', b'a', b'u', b'l', b't', ..] => Err("found".to_owned()),
        _ => Ok(0),
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, with its own argv")]
fn argument(flag: &str) -> Option<String> {
    std::env::args().find_map(|word| word.strip_prefix(flag).map(str::to_owned))
}
