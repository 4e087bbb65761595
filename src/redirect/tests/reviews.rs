//! The gate of the network policies: what a reading comes to, who reads when, and what is decided without one.

use std::time::{Duration, Instant};

use super::table::{case, has, ours};
use crate::redirect::network_policies::{Kind, Reference};
use crate::redirect::*;

const S: fn(u64) -> Duration = Duration::from_secs;

fn policies(names: &[&str]) -> Vec<Reference> {
    let reference = |name: &&str| Reference { kind: Kind::NetworkPolicy, namespace: Some("app".to_owned()), name: (*name).to_owned() };
    names.iter().map(reference).collect()
}

fn red() -> Review {
    Review::new(7, policies(&["allow-dns"]), vec![])
}

/// No gate judged but this one, which nobody has read.
fn around() -> Surroundings {
    let gate = JudgedGate { name: Gate::NetworkPolicies, verdict: GateVerdict::Unknown, saw: None, matters: None, cure: None };
    Surroundings { gates: vec![gate], ..case(State::default(), vec![]).around }
}

fn weighed(review: &Review, accepted: bool) -> (GateVerdict, Option<String>, usize) {
    let mut around = around();
    around.weigh(Some(review), accepted);
    let gate = around.gates.remove(0);
    assert_eq!((gate.matters.is_some(), gate.cure.is_some()), (gate.saw.is_some(), gate.verdict != GateVerdict::Pass), "{gate:?}");
    assert!(around.shut.iter().all(|shut| !shut.grave), "one team's policy takes the redirect from nobody");
    (gate.verdict, gate.saw, around.shut.len())
}

#[test]
fn a_reading_is_red_by_what_would_do_harm_and_unknown_by_what_was_not_read() {
    let says = |text: &str| Some(text.to_owned());
    let forbidden = || vec!["networkpolicies may not be read".to_owned()];
    let one = "1 of 7 network policies would take DNS from pods: networkpolicy app/allow-dns";
    let five = "5 of 7 network policies would take DNS from pods: networkpolicy app/a, networkpolicy app/b, networkpolicy app/c and 2 more";
    for (what, harmful, unknown, expected) in [
        ("nothing is found", vec![], vec![], (GateVerdict::Pass, None, 0)),
        ("pods are cut off", policies(&["allow-dns"]), vec![], (GateVerdict::Red, says(one), 1)),
        ("harm and a refusal", policies(&["allow-dns"]), forbidden(), (GateVerdict::Red, says(one), 1)),
        ("many", policies(&["a", "b", "c", "d", "e"]), vec![], (GateVerdict::Red, says(five), 1)),
        ("what may not be read keeps nothing", vec![], forbidden(), (GateVerdict::Unknown, says("networkpolicies may not be read"), 0)),
    ] {
        assert_eq!(weighed(&Review::new(7, harmful, unknown), false), expected, "{what}");
    }
}

#[test]
fn what_is_accepted_passes_and_is_told_all_the_same() {
    let (verdict, saw, shut) = weighed(&red(), true);
    assert_eq!((verdict, shut), (GateVerdict::Pass, 0));
    assert!(saw.unwrap().contains("app/allow-dns"));
}

#[test]
fn nothing_read_says_nothing() {
    let mut around = around();
    around.weigh(None, false);
    assert_eq!(around, self::around());
}

fn create() -> Decision {
    let case = case(State::default(), vec![]);
    decide(&case.seen, &case.around, &case.own, Duration::ZERO)
}

fn outdated() -> Decision {
    Decision::Act(Act::Delete { uid: "u1".to_owned(), because: Because::Outdated })
}

fn blocked() -> Decision {
    Decision::Rest(Rest::Blocked(vec![]))
}

#[test]
fn who_reads_depends_on_what_would_be_decided_and_on_how_many_are_there() {
    let rest = Decision::Rest;
    for (what, plain, expected, agents, dice, due) in [
        ("news in a small cluster: all", create(), create(), 20, 0.99, true),
        ("news in a large one: few", create(), create(), 10_000, 0.001, true),
        ("and no more", create(), create(), 10_000, 0.003, false),
        ("the first look", create(), rest(Rest::Uninstalled), 10_000, 0.003, false),
        ("in its turn", create(), blocked(), 10_000, 0.39, true),
        ("in its turn, another", create(), rest(Rest::Unread), 10_000, 0.39, true),
        ("most looks reuse", create(), blocked(), 1, 0.41, false),
        ("a policy that is to be made anew", outdated(), outdated(), 3, 0.99, true),
        ("waiting for that", outdated(), rest(Rest::OtherSpec), 3, 0.41, false),
        ("a policy stands", rest(Rest::Live), rest(Rest::Live), 3, 0.09, true),
        ("seldom", rest(Rest::Live), rest(Rest::Live), 3, 0.11, false),
        ("another gate is shut", blocked(), blocked(), 1, 0.0, false),
        ("off", rest(Rest::Off), create(), 1, 0.0, false),
        ("not ready", rest(Rest::NotReady), create(), 1, 0.0, false),
    ] {
        let mut reviewed = Reviewed::default();
        reviewed.weigh(&plain, &mut around(), false, super::start());
        assert_eq!(reviewed.is_due(&plain, &expected, agents, super::start(), dice), due, "{what}");
    }
    let live = rest(Rest::Live);
    assert!(!Reviewed::default().is_due(&live, &live, 3, super::start(), 0.0), "the first look, which all may make at once");
}

#[test]
fn nobody_reads_twice_within_half_a_minute_not_even_where_a_reading_failed() {
    let (mut reviewed, now) = (Reviewed::default(), super::start());
    let mut due = |after| reviewed.is_due(&create(), &create(), 1, now + S(after), 0.0);
    assert_eq!([due(0), due(1), due(29), due(30), due(59), due(60)], [true, false, false, true, false, true]);
}

/// Read at one moment, judged so many seconds later: whether a policy waits for a reading, and the gate's verdict.
fn later(review: Option<Review>, after: u64) -> (bool, GateVerdict) {
    let (mut reviewed, mut around, now) = (Reviewed::default(), around(), super::start());
    if let Some(review) = review {
        reviewed.keep(review, now);
    }
    reviewed.weigh(&create(), &mut around, false, now + S(after));
    assert!(!around.unread || around.shut.is_empty(), "what is shut needs no reading to stay so");
    (around.unread, around.gates[0].verdict)
}

#[test]
fn a_policy_is_created_on_a_fresh_reading_alone_and_an_old_one_is_forgotten() {
    let green = || Some(Review::new(7, vec![], vec![]));
    let refused = || Some(Review::new(0, vec![], vec!["may not be read".to_owned()]));
    assert_eq!(later(None, 0), (true, GateVerdict::Unknown));
    assert_eq!(later(green(), 29), (false, GateVerdict::Pass));
    assert_eq!(later(green(), 30), (true, GateVerdict::Pass));
    assert_eq!(later(refused(), 29), (false, GateVerdict::Unknown), "what may not be read keeps nobody waiting");
    assert_eq!(later(Some(red()), 899), (false, GateVerdict::Red));
    assert_eq!(later(Some(red()), 900), (true, GateVerdict::Unknown));
    assert_eq!(later(green(), 900), (true, GateVerdict::Unknown));
}

#[test]
fn harm_that_is_told_behind_a_policy_is_told_for_a_quarter_of_an_hour() {
    let now = super::start();
    let left = |review, after| {
        let mut reviewed = Reviewed::default();
        reviewed.keep(review, now);
        reviewed.until_forgotten(now + S(after))
    };
    assert_eq!([left(red(), 0), left(red(), 899), left(red(), 900)], [Some(S(900)), Some(S(1)), None]);
    assert_eq!(left(Review::new(7, vec![], vec![]), 0), None);
    assert_eq!(Reviewed::default().until_forgotten(now), None);
}

#[test]
fn without_a_reading_nothing_is_created_and_nothing_is_deleted_to_be_made_anew() {
    let mut absent = case(State::default(), vec![]);
    absent.around.unread = true;
    let decision = decide(&absent.seen, &absent.around, &absent.own, Duration::ZERO);
    assert_eq!(decision, Decision::Rest(Rest::Unread));
    let report = Report::new(&decision, &absent.seen, &absent.around, "kube-system");
    assert!(report.standing == Standing::Waiting && report.reasons[0].contains("in its turn"), "{report:?}");
    let mut old = case(has("u1"), vec![SeenPolicy { spec: Some("older".to_owned()), ..ours("u1") }]);
    let decided = |case: &super::table::Case| decide(&case.seen, &case.around, &case.own, Duration::ZERO);
    assert!(matches!(decided(&old), Decision::Act(Act::Write { because: Because::Outdated, .. })));
    old.around.unread = true;
    assert_eq!(decided(&old), Decision::Rest(Rest::OtherSpec));
}

#[test]
fn behind_a_standing_policy_red_is_told_and_nothing_is_written() {
    let mut live = case(has("u1"), vec![ours("u1")]);
    live.around.gates = around().gates;
    let (mut reviewed, now): (_, Instant) = (Reviewed::default(), super::start());
    reviewed.keep(red(), now);
    reviewed.weigh(&Decision::Rest(Rest::Live), &mut live.around, false, now + S(60));
    let decision = decide(&live.seen, &live.around, &live.own, Duration::ZERO);
    assert_eq!(decision, Decision::Rest(Rest::Live));
    let report = Report::new(&decision, &live.seen, &live.around, "kube-system");
    assert!(report.reasons[0].starts_with("network_policies: 1 of 7 network policies"), "{report:?}");
    assert!(report.cures[0].contains("doorstep preflight") && report.cures[0].ends_with("#gate-network_policies)"), "{report:?}");
    let note = report.reasons[0].len() + report.cures[0].len();
    assert!(note < 900, "an Event takes 1024 octets, and this is {note}");
}
