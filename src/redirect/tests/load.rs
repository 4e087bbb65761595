//! What 1, 100 and 10,000 agents ask of the API server, in virtual time: at the start, for an hour, when the redirect is switched, when a gate
//! is red, and after an outage. `cargo test --lib load -- --nocapture` prints it.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::fleet::{Fleet, HOUR, Load, OF_A_LOOK, S};
use crate::redirect::*;

#[expect(clippy::disallowed_macros, reason = "the figures are for people who ask for them")]
pub(super) fn say(agents: usize, when: &str, load: &Load) {
    println!(
        "{agents:>6} agents, {when:<28} {:>7} requests, {:>6} in the busiest second, {:>4} readings, {} writes, {} Events",
        load.total(),
        load.peak(),
        load.readings(),
        load.writes,
        load.events
    );
}

fn red() -> Shut {
    Shut { gate: Gate::Rival, saw: "one".to_owned(), matters: "it does", cure: "a cure".to_owned(), grave: false }
}

/// Starts this many at once, and turns the switch.
fn tell(count: usize) {
    let mut fleet = Fleet::start(count);
    let agents = count as u64;
    let start = fleet.run(S(120));
    say(count, "started at once", &start);
    assert!(fleet.is_live(), "{count}: no policy after two minutes");
    assert!(start.peak() <= OF_A_LOOK * agents + 40 && start.total() <= 2 * OF_A_LOOK * agents + 200, "{count}: a look each, and few more");
    assert_eq!(start.writes, 2, "{count}: created and recorded once");

    let steady = fleet.run(HOUR);
    say(count, "an hour live", &steady);
    assert_eq!((steady.writes, steady.events), (0, 0), "{count}: nothing is written while all is well");
    assert!((60 * OF_A_LOOK..=180 * OF_A_LOOK).contains(&steady.total()), "{count}: two looks a minute, not {}", steady.total());

    fleet.switch("off");
    let off = fleet.run(S(120));
    say(count, "switched off", &off);
    assert!(fleet.store.policy.is_none() && off.writes == 2, "{count}: {} writes", off.writes);
    fleet.switch("on");
    let on = fleet.run(S(120));
    say(count, "switched on", &on);
    assert!(fleet.is_live() && on.writes == 2, "{count}: {} writes", on.writes);
    for (what, load) in [("off", &off), ("on", &on)] {
        assert!(load.total() <= 2000 && load.peak() <= 1000, "{count}: {what}: {} requests, {} in a second", load.total(), load.peak());
    }

    fleet.api_is_up = false;
    let outage = fleet.run(S(600));
    say(count, "ten minutes without API", &outage);
    fleet.api_is_up = true;
    let after = fleet.run(S(120));
    say(count, "the two minutes after", &after);
    assert!(outage.peak() <= 25 && after.peak() <= 10 * OF_A_LOOK, "{count}: {} during, {} after", outage.peak(), after.peak());
    assert!(fleet.is_live() && after.writes == 0, "{count}: an outage changes nothing");
}

#[test]
fn an_hour_of_any_number_of_agents_costs_the_api_server_two_looks_a_minute() {
    for count in [1, 100, 10_000] {
        tell(count);
    }
}

#[test]
fn while_a_gate_is_red_few_agents_tell_and_the_cluster_looks_six_times_a_minute() {
    for (count, most_events) in [(1, 1), (100, 40), (10_000, 20)] {
        let mut fleet = Fleet::start(count);
        fleet.shut = vec![red()];
        let start = fleet.run(S(10));
        say(count, "started behind a red gate", &start);
        assert!(start.events <= 20, "{count}: {} Events at once", start.events);
        let hour = fleet.run(HOUR);
        say(count, "an hour behind it", &hour);
        assert!(hour.writes == 0 && hour.events <= most_events, "{count}: {} Events", hour.events);
        assert!((200 * OF_A_LOOK..=600 * OF_A_LOOK).contains(&(hour.total() - hour.events)), "{count}: {} requests", hour.total());
        fleet.shut.clear();
        let cured = fleet.run(S(120));
        assert!(fleet.is_live() && cured.writes == 2, "{count}: cured, and no policy within two minutes");
    }
}

/// The fleet of a large cluster finds what an upgrade of Cilium has made harmful, whichever agents look first.
#[test]
fn a_gate_that_turns_grave_takes_the_policy_within_two_minutes_nearly_always() {
    let late = (0..200).filter(|seed| {
        let mut fleet = Fleet::start(500);
        fleet.dice = StdRng::seed_from_u64(*seed);
        fleet.run(S(120));
        assert!(fleet.is_live());
        fleet.shut = vec![Shut { grave: true, ..red() }];
        fleet.run(S(120));
        fleet.store.policy.is_some()
    });
    let late = late.count();
    assert!(late <= 14, "{late} of 200 took longer: e⁻⁴ are 4");
}

/// Power comes back to all nodes at once: agents are there before the API server is, and their pauses have spread them by then.
#[test]
fn ten_thousand_agents_that_waited_for_the_api_server_come_one_after_another() {
    let count = 10_000;
    let mut fleet = Fleet::start(count);
    fleet.api_is_up = false;
    say(count, "started before the API", &fleet.run(S(180)));
    fleet.api_is_up = true;
    let load = fleet.run(S(120));
    say(count, "then it answers", &load);
    assert!(fleet.is_live() && load.writes == 2);
    assert!(load.peak() <= 5000, "{} in a second", load.peak());
}
