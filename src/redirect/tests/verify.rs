//! Nodes in virtual time: what an agent hears when its node's data path is broken, and what it makes of it.

use std::time::{Duration, Instant};

use super::start;
use crate::redirect::*;

const S: fn(u64) -> Duration = Duration::from_secs;
const UDP: Path = Path { protocol: Protocol::Udp, family: Family::V4 };
const TCP: Path = Path { protocol: Protocol::Tcp, family: Family::V4 };

/// One agent and the node under it.
struct Node {
    verification: Verification,
    now: Instant,
    /// Redirected packets of these paths are dropped.
    broken: Vec<Path>,
    /// Cilium falls back where the agent is not ready.
    falls_back: bool,
    /// Nothing is redirected.
    others: bool,
    round: Round<'static>,
    /// What the agent did, and when.
    acts: Vec<(Duration, Verdict)>,
    asked: u32,
    begun: Instant,
}

impl Node {
    fn new() -> Self {
        let begun = start();
        Self {
            verification: Verification::begin(begun),
            now: begun,
            broken: Vec::new(),
            falls_back: true,
            others: false,
            round: Round { heard: &[], expected: true, listening: true, hairpin: true },
            acts: Vec::new(),
            asked: 0,
            begun,
        }
    }

    fn hears(&self, path: Path) -> Heard {
        match (self.verification.is_aside() && self.falls_back, self.broken.contains(&path)) {
            (true, _) => Heard::Other,
            (false, false) if self.others => Heard::Other,
            (false, true) => Heard::Silence,
            (false, false) => Heard::Own,
        }
    }

    fn run(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        loop {
            let wait = self.verification.until_round(self.now, 0.5);
            if self.now + wait > end {
                self.now = end;
                return self;
            }
            self.now += wait;
            let heard = [UDP, TCP].map(|path| (path, self.hears(path)));
            if heard.iter().any(|(_, heard)| *heard == Heard::Silence) {
                self.now += PATIENCE;
            }
            self.asked += 1;
            let verdict = self.verification.judge(&Round { heard: &heard, ..self.round.clone() }, self.now, 0.0);
            if verdict != Verdict::Stay {
                self.acts.push((self.now - self.begun, verdict));
            }
        }
    }

    fn asides(&self) -> Vec<u64> {
        let stays = self.acts.iter().filter_map(|(_, verdict)| match verdict {
            Verdict::StepAside(stay) => Some(stay.as_secs()),
            _ => None,
        });
        stays.collect()
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.acts.iter().filter(|(_, act)| *act == verdict).count()
    }
}

#[test]
fn a_live_redirect_is_asked_about_twelve_times_a_minute_and_nothing_is_done() {
    let mut node = Node::new();
    node.run(S(3600));
    assert_eq!(node.acts, []);
    assert!((720..=735).contains(&node.asked), "{} rounds, the first ones closer together", node.asked);
    assert_eq!(node.verification.live().collect::<Vec<_>>(), [(UDP, true), (TCP, true)]);
}

#[test]
fn one_that_others_answer_is_asked_about_once_a_minute() {
    let mut node = Node::new();
    node.others = true;
    node.run(S(3600));
    assert_eq!(node.acts, []);
    assert!((65..=75).contains(&node.asked), "{} rounds, the first ones closer together", node.asked);
}

#[test]
fn a_blackhole_is_left_within_seconds_of_a_policys_creation() {
    let mut node = Node::new();
    node.broken = vec![UDP, TCP];
    node.run(S(30));
    let (when, verdict) = node.acts[0];
    assert_eq!(verdict, Verdict::StepAside(S(60)));
    assert!(when <= S(6), "{when:?}");
    assert_eq!(node.acts.len(), 1, "CoreDNS answers");
    assert!(node.verification.live().all(|(_, live)| !live));
}

#[test]
fn one_transport_that_is_silent_is_a_blackhole_too() {
    let mut node = Node::new();
    node.run(S(100)).broken = vec![TCP];
    node.run(S(20));
    assert_eq!(node.asides(), [60]);
}

#[test]
fn a_node_that_stays_broken_is_away_longer_and_longer_and_does_not_flap() {
    let mut node = Node::new();
    node.broken = vec![UDP, TCP];
    node.run(S(30 * 60));
    assert_eq!(node.asides(), [60, 120, 240, 480, 960], "five tries in half an hour");
    node.run(S(3 * 3600));
    assert_eq!(node.asides()[5..], [1800; 6], "then two an hour");
    assert_eq!(node.count(Verdict::StillSilent), 0);
}

#[test]
fn a_node_that_is_mended_comes_back_stays_and_begins_again_with_a_minute() {
    let mut node = Node::new();
    node.broken = vec![UDP];
    node.run(S(150));
    assert_eq!(node.asides(), [60, 120]);
    node.broken.clear();
    node.run(S(1200));
    assert_eq!((node.asides().len(), node.count(Verdict::Return)), (2, 2));
    node.broken = vec![UDP];
    node.run(S(100)).broken.clear();
    assert_eq!(node.asides(), [60, 120, 240], "it broke again soon");
    node.run(S(3600)).broken = vec![UDP];
    node.run(S(30));
    assert_eq!(node.asides(), [60, 120, 240, 60], "and once more, long after");
}

#[test]
fn a_cilium_that_does_not_fall_back_is_noticed_five_seconds_later() {
    let mut node = Node::new();
    (node.broken, node.falls_back) = (vec![UDP, TCP], false);
    node.run(S(60));
    let [(aside, Verdict::StepAside(_)), (noticed, Verdict::StillSilent)] = node.acts[..] else { panic!("{:?}", node.acts) };
    assert!((S(5)..=S(7)).contains(&(noticed - aside)), "{:?}", noticed - aside);
}

#[test]
fn silence_means_nothing_where_it_may_be_the_hairpin_that_is_missing() {
    let mut node = Node::new();
    (node.broken, node.round.hairpin) = (vec![UDP], false);
    node.run(S(600));
    assert_eq!(node.acts, [], "never heard over UDP");
    node.broken.clear();
    node.run(S(120)).broken = vec![UDP];
    node.run(S(30));
    assert_eq!(node.asides(), [60], "it has worked before");
}

#[test]
fn silence_means_nothing_while_our_listeners_are_silent_or_nothing_is_redirected() {
    for (expected, listening) in [(false, true), (true, false)] {
        let mut node = Node::new();
        node.broken = vec![UDP, TCP];
        (node.round.expected, node.round.listening) = (expected, listening);
        node.run(S(600));
        assert_eq!(node.acts, [], "{expected} {listening}");
    }
}

#[test]
fn two_silences_and_an_answer_are_lost_packets() {
    let mut verification = Verification::begin(start());
    let mut now = start();
    for _ in 0..100 {
        for heard in [Heard::Silence, Heard::Silence, Heard::Own] {
            now += Duration::from_millis(1500);
            let heard = [(UDP, heard)];
            let round = Round { heard: &heard, expected: true, listening: true, hairpin: true };
            assert_eq!(verification.judge(&round, now, 0.0), Verdict::Stay);
        }
    }
}

#[test]
fn a_machine_that_sleeps_between_questions_has_not_heard_a_blackhole() {
    let mut verification = Verification::begin(start());
    let silent = [(UDP, Heard::Silence)];
    let round = Round { heard: &silent, expected: true, listening: true, hairpin: true };
    for minute in 1..100 {
        assert_eq!(verification.judge(&round, start() + S(60 * minute), 0.0), Verdict::Stay);
    }
    let mut node = Node::new();
    node.broken = vec![UDP];
    node.run(S(30));
    node.now += S(36_000);
    node.run(S(1));
    assert_eq!(node.acts.last().map(|(_, verdict)| *verdict), Some(Verdict::Return), "its time was over while it slept");
}

#[test]
fn an_agent_comes_back_at_once_when_there_is_no_policy_any_more() {
    let mut node = Node::new();
    node.broken = vec![UDP, TCP];
    node.run(S(20)).round.expected = false;
    node.run(S(60));
    assert_eq!((node.count(Verdict::Return), node.verification.is_aside()), (1, false));
}

#[test]
fn a_family_that_this_pod_has_not_is_neither_live_nor_silent() {
    let mut verification = Verification::begin(start());
    let v6 = Path { protocol: Protocol::Udp, family: Family::V6 };
    let heard = [(UDP, Heard::Own), (v6, Heard::Unsent)];
    let round = Round { heard: &heard, expected: true, listening: true, hairpin: true };
    verification.judge(&round, start(), 0.0);
    assert_eq!(verification.live().collect::<Vec<_>>(), [(UDP, true)]);
    assert_eq!(verification.silent().count(), 0);
}
