//! What every client is owed, as a table: `rows.txt` names each row by RFC and section and says who shows it, a scenario of
//! `scenarios/` or a test elsewhere; the house fails where a row has nobody.
//!
//! A scenario is text: what the upstream says, what a client asks, the whole reply that it must get. The queries go through the
//! resolver, octets in and octets out; the upstream is a socket on 127.0.0.1; time is made up. How they are written:
//!
//! ```text
//! == A sentence: what holds
//! config zones: [{ name: corp.example, profile: cluster }]
//! upstream www.example A               (or `upstream`: whatever is asked)
//!     rcode NXDOMAIN                   default NOERROR; or `silent`, or `octets HEX` (all that follows the id)
//!     flags aa tc
//!     answer @ 60 A 192.0.2.1          @: a pointer to the qname; also `authority`, `additional`; `opt`
//! ask WWW.example A opt do             see `octets::Query` for the words; `send HEX` sends octets as they are
//!     NOERROR qr rd ra                 the whole reply follows, line by line
//!     answer WWW.example. 60 A 192.0.2.1
//!     opt 1232 do
//!     upstream                         or `memory`: who knew
//! wait 5.5                             seconds
//! asked 1                              questions the upstream has had; `asked 1 NAME TYPE WORDS…`: and what the last one said
//! ```

mod octets;
mod play;
mod reply;
pub(crate) mod text;
mod upstream;

use text::{Scenario, scenarios};

/// Plays every scenario of one file.
fn play_all(file: &str, text: &str) {
    let failed: Vec<String> = scenarios(text).iter().filter_map(|scenario| failure(file, scenario)).collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

fn failure(file: &str, scenario: &Scenario) -> Option<String> {
    play::play(scenario).err().map(|wrong| format!("{file}: {}\n{wrong}", scenario.title))
}

macro_rules! files {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play_all(stringify!($name), include_str!(concat!("scenarios/", stringify!($name), ".txt")));
        })*
    };
}

files! { messages edns negative failures dnssec data }

#[test]
fn a_reply_that_differs_is_found_and_shown_beside_what_was_expected() {
    let text = "== x\nask localhost A\n    NOERROR qr rd ra\n    answer localhost. 3600 A 127.0.0.2\n    memory\n";
    let [scenario] = &scenarios(text)[..] else { panic!("one scenario") };
    let wrong = failure("file", scenario).expect("another address is found");
    assert!(wrong.contains("127.0.0.2") && wrong.contains("127.0.0.1") && wrong.contains("line 2"), "{wrong}");
}

#[test]
fn what_the_upstream_was_not_asked_is_found() {
    for (line, found) in [("asked 1", "asked 0"), ("wat", "wat")] {
        let text = format!("== x\n{line}\n");
        assert!(failure("file", &scenarios(&text)[0]).is_some_and(|wrong| wrong.contains(found)), "{line}");
    }
}
