//! What reading the network policies costs the API server, in virtual time, and how soon what is cured is seen.
//! `cargo test --lib load -- --nocapture` prints it.

use super::fleet::{Fleet, HOUR, OF_A_REVIEW, S};
use super::load::say;

#[test]
fn a_few_agents_read_at_the_start_and_the_policy_waits_for_none() {
    for count in [1, 100, 10_000] {
        let mut fleet = Fleet::start(count);
        let start = fleet.run(S(5));
        say(count, "started at once", &start);
        assert!(fleet.is_live(), "{count}: no policy after five seconds");
        assert!((1..=40).contains(&start.readings()), "{count}: {} readings", start.readings());
        let hour = fleet.run(HOUR);
        say(count, "an hour live", &hour);
        assert!((2..=30).contains(&hour.readings()), "{count}: one in five minutes, not {}", hour.readings());
        fleet.switch("off");
        fleet.run(S(120));
        fleet.switch("on");
        let on = fleet.run(S(60));
        say(count, "switched on", &on);
        assert!(fleet.is_live() && on.readings() <= 40, "{count}: {} readings", on.readings());
    }
}

#[test]
fn behind_a_harmful_network_policy_the_cluster_reads_every_half_minute_and_few_tell() {
    for (count, most_events) in [(1, 1), (100, 40), (10_000, 20)] {
        let mut fleet = Fleet::start(count);
        fleet.harmful = true;
        let start = fleet.run(S(60));
        say(count, "started behind a policy", &start);
        assert!(!fleet.is_live());
        assert!(start.busiest_readings() <= 40 && start.readings() <= 50, "{count}: {} readings", start.readings());
        let hour = fleet.run(HOUR);
        say(count, "an hour behind it", &hour);
        assert!(!fleet.is_live() && hour.writes == 0 && hour.events <= most_events, "{count}: {} Events", hour.events);
        assert!((60..=200).contains(&hour.readings()), "{count}: {} readings", hour.readings());
        assert!(hour.busiest_readings() <= 6, "{count}: {} within ten seconds", hour.busiest_readings());
        assert!(hour.total() <= 600 * 8 + 200 * OF_A_REVIEW + hour.events, "{count}: {} requests", hour.total());
    }
}

#[test]
fn a_cured_network_policy_opens_the_gate_within_two_minutes_nearly_always() {
    for count in [1, 3, 100] {
        let late = (0..50).filter(|seed| {
            let mut fleet = Fleet::start(count);
            fleet.harmful = true;
            fleet.run(S(300 + seed));
            fleet.harmful = false;
            fleet.run(S(120));
            !fleet.is_live()
        });
        let late = late.count();
        assert!(late <= 4, "{count} agents: {late} of 50 took longer");
    }
}

#[test]
fn one_teams_new_policy_is_told_and_takes_the_redirect_from_nobody() {
    for count in [1, 100, 10_000] {
        let mut fleet = Fleet::start(count);
        fleet.run(S(60));
        assert!(fleet.is_live());
        fleet.harmful = true;
        let day = fleet.run(24 * HOUR);
        say(count, "a day with a harmful one", &day);
        assert!(fleet.is_live() && day.writes == 0, "{count}: {} writes", day.writes);
        assert!(day.events >= 1, "{count}: nobody tells");
        assert!((100..=500).contains(&day.readings()), "{count}: {} readings", day.readings());
    }
}
