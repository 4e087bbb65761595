//! Reports of blackholes, and the hold they come to: through the table, as agents write and read them.

use std::time::Duration;

use super::table::{case, has, ours};
use crate::redirect::*;

/// When the policy was created.
const CREATED: u64 = 1_000_000;

fn found(agent: &str, at: u64) -> Blackhole {
    Blackhole { agent: agent.to_owned(), policy: "u1".to_owned(), at }
}

/// What an agent decides at `now` that found `own`, with these reports in the state of a cluster of `agents`.
fn decided(agents: u32, recorded: &[Blackhole], own: Option<Blackhole>, now: u64) -> Decision {
    let policy = SeenPolicy { created: Some(Duration::from_secs(CREATED)), ..ours("u1") };
    let mut case = case(State { blackholes: recorded.to_vec(), ..has("u1") }, vec![policy]);
    case.around.agents = agents;
    case.own.ready = own.is_none();
    case.own.blackhole = own;
    decide(&case.seen, &case.around, &case.own, Duration::from_secs(now))
}

fn live() -> Decision {
    Decision::Rest(Rest::Live)
}

/// The state that is written, and why.
fn written(decision: Decision) -> (State, Because) {
    let Decision::Act(Act::Write { state, because, .. }) = decision else { panic!("nothing is written: {decision:?}") };
    (state, because)
}

/// How many agents it takes: each adds its report to what the one before wrote.
fn taken(agents: u32) -> usize {
    let mut recorded = Vec::new();
    for number in 1.. {
        let (state, because) = written(decided(agents, &recorded, Some(found(&format!("a{number}"), CREATED + 8)), CREATED + 20));
        if because == Because::Blackholed {
            assert!(state.hold.is_some() && state.blackholes.is_empty() && state.emitted.is_some());
            return number;
        }
        assert_eq!((because, state.blackholes.len()), (Because::Found, number));
        recorded = state.blackholes;
    }
    unreachable!("the numbers have no end")
}

#[test]
fn a_hold_takes_one_percent_of_the_agents_at_least_three_or_all() {
    for (agents, expected) in [(1, 1), (2, 2), (3, 3), (4, 3), (100, 3), (300, 3), (301, 4), (10_000, 100)] {
        assert_eq!(taken(agents), expected, "{agents} agents");
        assert_eq!(quorum(agents), Some(expected));
    }
    assert_eq!(quorum(0), None);
}

#[test]
fn one_bad_node_of_two_reports_once_and_the_redirect_stays() {
    let own = found("a1", CREATED + 8);
    let (state, because) = written(decided(2, &[], Some(own.clone()), CREATED + 15));
    assert_eq!((because, &state.blackholes, &state.hold), (Because::Found, &vec![own.clone()], &None));
    assert_eq!(decided(2, std::slice::from_ref(&own), Some(own.clone()), CREATED + 16), live(), "it is written already");
    assert_eq!(decided(2, &[own], None, CREATED + 16), live(), "and the other has found nothing");
}

#[test]
fn any_agent_writes_the_hold_once_the_reports_are_enough() {
    let both = [found("a1", CREATED + 8), found("a2", CREATED + 9)];
    let (state, because) = written(decided(2, &both, None, CREATED + 16));
    assert_eq!(because, Because::Blackholed);
    let reason = state.hold.unwrap().reason;
    assert!(reason.starts_with("2 of 2 agents, among them a1, a2,"), "{reason}");
}

#[test]
fn what_is_found_after_the_probation_of_a_policy_is_a_nodes_own_trouble() {
    assert_eq!(decided(1, &[], Some(found("a1", CREATED + 61)), CREATED + 70), live());
    assert_eq!(written(decided(1, &[], Some(found("a1", CREATED + 60)), CREATED + 70)).1, Because::Blackholed);
}

#[test]
fn reports_expire_and_those_of_another_policy_never_count() {
    let old = [found("a1", CREATED + 8), found("a2", CREATED + 8)];
    assert_eq!(decided(2, &old, None, CREATED + 309), live());
    let other = Blackhole { policy: "u0".to_owned(), ..found("a1", CREATED + 8) };
    let (state, because) = written(decided(2, &[other], Some(found("a2", CREATED + 8)), CREATED + 15));
    assert_eq!((because, state.blackholes), (Because::Found, vec![found("a2", CREATED + 8)]), "and go with the next that is written");
}

#[test]
fn a_clock_that_is_an_hour_off_has_no_say() {
    for at in [CREATED - 3600, CREATED + 3600] {
        assert_eq!(decided(1, &[], Some(found("a1", at)), at + 10), live(), "{at}");
        assert_eq!(decided(2, &[found("a1", at), found("a2", at)], None, CREATED + 15), live(), "{at}");
    }
    let both = [found("a1", CREATED + 8), found("a2", CREATED + 8)];
    assert_eq!(decided(2, &both, None, CREATED + 3600), live(), "neither to write a hold");
}

#[test]
fn without_a_count_of_agents_or_a_time_of_creation_nothing_is_decided() {
    assert_eq!(decided(0, &[found("a1", CREATED)], Some(found("a2", CREATED)), CREATED + 10), live());
    let mut timeless = case(has("u1"), vec![SeenPolicy { created: None, ..ours("u1") }]);
    timeless.around.agents = 1;
    timeless.own.blackhole = Some(found("a1", CREATED));
    assert_eq!(decide(&timeless.seen, &timeless.around, &timeless.own, Duration::from_secs(CREATED)), live());
}
