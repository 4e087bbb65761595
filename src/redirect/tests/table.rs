//! The table, row by row.

use std::time::Duration;

use crate::redirect::*;

const NOW: Duration = Duration::ZERO;

fn policy() -> Policy {
    desired(&DnsService::standard()).owned_by(&owner("ds-1"))
}

fn owner(uid: &str) -> Owner {
    Owner { name: "doorstep".to_owned(), uid: uid.to_owned() }
}

fn emitted(uid: &str) -> Emitted {
    Emitted { uid: uid.to_owned(), owner: "ds-1".to_owned(), spec: policy().spec_hash() }
}

pub(super) fn ours(uid: &str) -> SeenPolicy {
    SeenPolicy {
        name: POLICY_NAME.to_owned(),
        uid: uid.to_owned(),
        owner: Some("ds-1".to_owned()),
        spec: Some(policy().spec_hash()),
        service: Some("kube-dns".to_owned()),
        address: None,
        deleting: false,
        created: Some(NOW),
    }
}

fn people(redirect: Option<&str>, resume: Option<&str>) -> People {
    let data = redirect.map(|text| (REDIRECT_KEY.to_owned(), text.to_owned())).into_iter().collect();
    let annotations = resume.map(|text| (RESUME_ANNOTATION.to_owned(), text.to_owned())).into_iter().collect();
    People::read(&data, &annotations).unwrap()
}

/// Everything an agent sees; a row of the table is a change of some of it.
pub(super) struct Case {
    pub(super) seen: Observation,
    pub(super) around: Surroundings,
    pub(super) own: Own,
}

/// `redirect: on`, all gates open, this agent ready.
pub(super) fn case(state: State, policies: Vec<SeenPolicy>) -> Case {
    let recorded = Versioned { state, version: "7".to_owned() };
    Case {
        seen: Observation { people: Ok(people(Some("on"), None)), state: Ok(recorded), policies: Ok(policies) },
        around: Surroundings { owner: Some(owner("ds-1")), agents: 3, settled: true, desired: Some(policy()), ..Surroundings::default() },
        own: Own { ready: true, ..Own::default() },
    }
}

impl Case {
    fn switched(mut self, redirect: Option<&str>) -> Self {
        self.seen.people = Ok(people(redirect, None));
        self
    }

    fn decide(&self) -> Decision {
        decide(&self.seen, &self.around, &self.own, NOW)
    }
}

pub(super) fn has(uid: &str) -> State {
    State { emitted: Some(emitted(uid)), ..State::default() }
}

fn held(answers: &People) -> State {
    State { hold: Some(Hold::new("a reason", NOW, answers)), ..State::default() }
}

fn write(state: State, because: Because) -> Decision {
    Decision::Act(Act::Write { state, version: "7".to_owned(), because })
}

fn delete(uid: &str, because: Because) -> Decision {
    Decision::Act(Act::Delete { uid: uid.to_owned(), because })
}

fn rest(rest: Rest) -> Decision {
    Decision::Rest(rest)
}

fn shut_gate() -> Shut {
    Shut { gate: Gate::Rival, saw: "a rival".to_owned(), matters: "it matters", cure: "a cure".to_owned(), grave: false }
}

#[test]
fn on_nothing_emitted_and_absent_creates_when_the_gates_are_open_and_the_agent_is_ready() {
    let mut case = case(State::default(), vec![]);
    assert_eq!(case.decide(), Decision::Act(Act::Create(Box::new(policy()))));
    case.own.ready = false;
    assert_eq!(case.decide(), rest(Rest::NotReady));
    case.around.shut = vec![shut_gate()];
    assert_eq!(case.decide(), rest(Rest::Blocked(vec![shut_gate()])));
    case.around.owner = None;
    assert_eq!(case.decide(), rest(Rest::Uninstalled));
}

#[test]
fn an_absent_key_is_on() {
    assert_eq!(case(State::default(), vec![]).switched(None).decide(), Decision::Act(Act::Create(Box::new(policy()))));
}

#[test]
fn on_nothing_emitted_and_ours_is_recorded_by_whoever_sees_it_ready_or_not() {
    let mut case = case(State::default(), vec![ours("u1")]);
    case.own.ready = false;
    case.around.shut = vec![shut_gate()];
    assert_eq!(case.decide(), write(has("u1"), Because::Unrecorded));
}

#[test]
fn a_policy_that_lost_its_owner_is_recorded_with_the_daemonset_there_is() {
    let mut orphan = ours("u1");
    orphan.owner = None;
    assert_eq!(case(State::default(), vec![orphan]).decide(), write(has("u1"), Because::Unrecorded));
}

#[test]
fn on_emitted_and_present_rests() {
    let mut case = case(has("u1"), vec![ours("u1")]);
    assert_eq!(case.decide(), rest(Rest::Live));
    case.own.ready = false;
    case.around.owner = None;
    case.around.shut = vec![shut_gate()];
    assert_eq!(case.decide(), rest(Rest::Live), "neither readiness nor a gate that only keeps from creating takes a policy away");
    case.around.shut.push(Shut { grave: true, ..shut_gate() });
    let Decision::Act(Act::Write { state, because: Because::Harmful, .. }) = case.decide() else { panic!("{:?}", case.decide()) };
    let hold = state.hold.clone().unwrap();
    assert_eq!(hold.reason, "rival: a rival; it matters. a cure (manifests/README.md#gate-rival)");
    assert_eq!(hold.answers, case.seen.people.clone().unwrap().answer, "a person's next word ends it");
    assert_eq!(state.emitted, Some(emitted("u1")));
    case.around.outgoing = true;
    assert!(matches!(case.decide(), Decision::Act(Act::Write { because: Because::Harmful, .. })), "no operator says otherwise of a rival");
    case.around.shut = vec![Shut { gate: Gate::Cilium, grave: true, ..shut_gate() }];
    assert!(matches!(case.decide(), Decision::Act(Act::Write { because: Because::HarmfulToOutgoing, .. })));
    case.around.on_red = OnRed::Alarm;
    assert_eq!(case.decide(), rest(Rest::Live), "told, and left to people");
}

#[test]
fn another_spec_is_replaced_once_every_pod_is_of_one_release() {
    let mut old = ours("u1");
    old.spec = Some("another".to_owned());
    let mut case = case(has("u1"), vec![old.clone()]);
    case.around.settled = false;
    assert_eq!(case.decide(), rest(Rest::OtherSpec));
    case.around.settled = true;
    assert_eq!(case.decide(), write(State::default(), Because::Outdated), "cleared first, or its absence would look like a person's doing");
    case.seen.state = Ok(Versioned { state: State::default(), version: "8".to_owned() });
    assert_eq!(case.decide(), delete("u1", Because::Outdated));
    case.around.shut = vec![shut_gate()];
    assert!(matches!(case.decide(), Decision::Act(Act::Write { because: Because::Unrecorded, .. })), "it could not be made anew");
}

#[test]
fn on_emitted_and_absent_holds_with_that_reason() {
    let decision = case(has("u1"), vec![]).decide();
    let hold =
        Hold { reason: DELETED_BY_HAND.to_owned(), since: "1970-01-01T00:00:00Z".to_owned(), answers: people(Some("on"), None).answer };
    assert_eq!(decision, write(State { hold: Some(hold), ..State::default() }, Because::DeletedByHand));
}

#[test]
fn a_policy_collected_with_its_old_daemonset_is_no_deletion_by_hand() {
    let mut case = case(has("u1"), vec![]);
    case.around.owner = Some(owner("ds-2"));
    assert_eq!(case.decide(), write(State::default(), Because::Collected));
    case.around.owner = None;
    assert_eq!(case.decide(), rest(Rest::Uninstalled));
}

#[test]
fn an_agents_own_deletion_is_no_deletion_by_hand() {
    let mut case = case(has("u1"), vec![]);
    case.own.removed = Some("u1".to_owned());
    assert_eq!(case.decide(), write(State::default(), Because::Overtaken));
}

#[test]
fn what_an_agent_created_and_a_person_deleted_before_it_was_recorded_is_not_created_again() {
    let mut case = case(State::default(), vec![]);
    case.own.created = Some(emitted("u1"));
    assert_eq!(case.decide(), write(has("u1"), Because::Unrecorded), "which the next look takes for what it is");
}

#[test]
fn a_creation_that_a_deletion_had_overtaken_is_taken_back_and_a_persons_is_adopted() {
    let mut case = case(has("u1"), vec![ours("u2")]);
    assert_eq!(case.decide(), write(has("u2"), Because::Unrecorded));
    case.own.created = Some(emitted("u2"));
    assert_eq!(case.decide(), delete("u2", Because::Overtaken));
}

#[test]
fn drain_waits_until_the_agents_have_left_then_is_as_off() {
    let mut case = case(has("u1"), vec![ours("u1")]).switched(Some("drain"));
    assert_eq!(case.decide(), rest(Rest::Draining));
    case.own.drained = true;
    assert_eq!(case.decide(), write(State::default(), Because::Unwanted));
    case.seen.state = Ok(Versioned { state: State::default(), version: "8".to_owned() });
    assert_eq!(case.decide(), delete("u1", Because::Unwanted));
    case.seen.policies = Ok(vec![]);
    case.own.drained = false;
    assert_eq!(case.decide(), rest(Rest::Off), "without a policy nobody has anything to leave");
}

#[test]
fn off_clears_deletes_and_rests() {
    assert_eq!(case(has("u1"), vec![ours("u1")]).switched(Some("off")).decide(), write(State::default(), Because::Unwanted));
    assert_eq!(case(has("u1"), vec![]).switched(Some("off")).decide(), write(State::default(), Because::Unwanted));
    assert_eq!(case(State::default(), vec![ours("u1")]).switched(Some("off")).decide(), delete("u1", Because::Unwanted));
    assert_eq!(case(State::default(), vec![]).switched(Some("off")).decide(), rest(Rest::Off));
}

#[test]
fn a_hold_is_as_off_until_a_person_changes_what_it_answers() {
    let on = people(Some("on"), None);
    let hold = held(&on);
    let both = State { emitted: Some(emitted("u1")), ..hold.clone() };
    assert_eq!(case(both, vec![ours("u1")]).decide(), write(hold.clone(), Because::Unwanted), "the hold stays");
    assert_eq!(case(hold.clone(), vec![ours("u1")]).decide(), delete("u1", Because::Unwanted));
    assert_eq!(case(hold.clone(), vec![]).decide(), rest(Rest::Held));
    for changed in [people(Some("off"), None), people(None, None), people(Some("on"), Some("1"))] {
        let mut case = case(hold.clone(), vec![]);
        case.seen.people = Ok(changed);
        assert_eq!(case.decide(), write(State::default(), Because::Resumed));
    }
}

#[test]
fn missing_or_garbled_holds_still_whatever_else_is_seen() {
    for unknown in [Unknown::Unseen, Unknown::Missing, Unknown::Garbled("what".to_owned())] {
        for policies in [vec![], vec![ours("u1")]] {
            let without_people = || {
                let mut case = case(has("u1"), policies.clone());
                case.seen.people = Err(unknown.clone());
                case
            };
            let mut without_state = case(has("u1"), policies.clone()).switched(Some("off"));
            without_state.seen.state = Err(unknown.clone());
            for case in [without_people(), without_state] {
                assert!(matches!(case.decide(), Decision::Rest(Rest::Still(_))), "{unknown:?}");
            }
        }
    }
    let mut unread = case(State::default(), vec![]);
    unread.seen.policies = Err(Unknown::Unseen);
    assert!(matches!(unread.decide(), Decision::Rest(Rest::Still(_))));
}

#[test]
fn without_the_crd_a_policy_is_blocked_and_off_is_off() {
    let mut without = case(State::default(), vec![]);
    without.seen.policies = Err(Unknown::Missing);
    assert!(matches!(without.decide(), Decision::Rest(Rest::Blocked(shut)) if shut[0].gate == Gate::Crd));
    assert_eq!(without.switched(Some("off")).decide(), rest(Rest::Off));
}

#[test]
fn a_policy_of_our_name_that_no_agent_made_is_never_touched() {
    let mut foreign = ours("u1");
    foreign.spec = None;
    assert_eq!(case(State::default(), vec![foreign]).switched(Some("off")).decide(), rest(Rest::Off));
}

#[test]
fn a_policy_that_waits_for_a_finalizer_is_left_to_go() {
    let mut going = ours("u1");
    going.deleting = true;
    assert_eq!(case(has("u1"), vec![going.clone()]).decide(), rest(Rest::Going));
    assert_eq!(case(State::default(), vec![going]).switched(Some("off")).decide(), rest(Rest::Going));
}
