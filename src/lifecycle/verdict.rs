//! Whether the way from this node to the upstream is cut while the upstream is well: then kube-dns is to answer this node's clients. Pure.
//!
//! A server that is slow, or dead for everybody, is no reason to leave: stale answers beat handing the node's load to nobody. So nobody
//! leaves who has not heard kube-dns' own endpoints answer a direct question, and heard it twice: a CoreDNS that has just come back answers
//! on its pods' addresses before every node knows of it behind the Service, and one that is too busy to accept does now and then.

use std::time::{Duration, Instant};

/// Nothing is heard for this long, and every attempt ends on this node: more than a rollout's gap.
const SURE_AFTER: Duration = Duration::from_secs(15);
/// Agents that are cut off at the same moment leave over this time: kube-dns is not to get the load of all nodes at once.
const SPREAD: Duration = Duration::from_secs(15);
/// Before a look that has to confirm another: a Service's new endpoints are on all nodes by then.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Between looks that find kube-dns unwell, doubling between these bounds: they ask the API server.
const PAUSE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(240));
/// Between looks of an agent that is out, at least; at most twice that.
const OUT_LOOK: Duration = Duration::from_secs(30);
/// Looks in a row that find the same, before an agent leaves or comes back for it.
const LOOKS: u32 = 2;

/// What a look means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All stays as it is.
    Stay,
    /// Turn not ready.
    Leave,
    /// Turn ready again: kube-dns answers nobody either.
    Return,
}

/// One agent's verdict on its way to the upstream. Dice are arguments, uniform in [0, 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalVerdict(State);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The upstream is heard, or nobody has asked.
    #[default]
    Well,
    Suspects {
        look_at: Instant,
        /// Until the look after the next, where that finds kube-dns unwell.
        pause: Duration,
        /// Looks in a row that heard kube-dns.
        answered: u32,
    },
    Out {
        look_at: Instant,
        unanswered: u32,
    },
}

impl LocalVerdict {
    /// Whether this agent has left its clients to kube-dns.
    pub fn is_out(&self) -> bool {
        matches!(self.0, State::Out { .. })
    }

    /// To be called every second with what the group tells: since when its attempts end before a server has the question; `None`: one is
    /// heard, or was not asked. Whether to look now: to ask the upstream once more, then kube-dns' own endpoints, and to say by
    /// [`Self::looked`] what was heard.
    pub fn is_look_due(&mut self, unreached_since: Option<Instant>, now: Instant, dice: f64) -> bool {
        match (&mut self.0, unreached_since) {
            (State::Out { look_at, .. }, _) => now >= *look_at,
            (state, None) => {
                *state = State::Well;
                false
            }
            // It may have been heard, and lost again, since the last call.
            (State::Suspects { look_at, .. }, Some(since)) => now >= (*look_at).max(since + SURE_AFTER),
            (state @ State::Well, Some(since)) => {
                let look_at = since + SURE_AFTER + SPREAD.mul_f64(dice);
                *state = State::Suspects { look_at, pause: PAUSE.0, answered: 0 };
                false
            }
        }
    }

    /// A look is over, and the upstream did not answer. `kube_dns_answers`: its own endpoints do.
    pub fn looked(&mut self, kube_dns_answers: bool, now: Instant, dice: f64) -> Step {
        match &mut self.0 {
            State::Well => Step::Stay,
            State::Suspects { look_at, pause, answered } if !kube_dns_answers => {
                (*look_at, *answered) = (now + pause.mul_f64(1.0 + dice), 0);
                *pause = (*pause * 2).min(PAUSE.1);
                Step::Stay
            }
            State::Suspects { look_at, answered, .. } => {
                *answered += 1;
                if *answered < LOOKS {
                    *look_at = now + LOOK_AGAIN;
                    return Step::Stay;
                }
                self.0 = State::Out { look_at: now + OUT_LOOK.mul_f64(1.0 + dice), unanswered: 0 };
                Step::Leave
            }
            State::Out { look_at, unanswered } if kube_dns_answers => {
                (*look_at, *unanswered) = (now + OUT_LOOK.mul_f64(1.0 + dice), 0);
                Step::Stay
            }
            State::Out { look_at, unanswered } => {
                *unanswered += 1;
                if *unanswered < LOOKS {
                    *look_at = now + LOOK_AGAIN;
                    return Step::Stay;
                }
                let look_at = now + PAUSE.0.mul_f64(1.0 + dice);
                self.0 = State::Suspects { look_at, pause: PAUSE.0 * 2, answered: 0 };
                Step::Return
            }
        }
    }

    /// The upstream has answered a question of ours.
    pub fn answered(&mut self) {
        self.0 = State::Well;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent whose path is cut from the first second on, second by second.
    struct Agent {
        base: Instant,
        verdict: LocalVerdict,
        second: u64,
        dice: f64,
    }

    impl Agent {
        #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
        fn new(dice: f64) -> Self {
            Self { base: Instant::now(), verdict: LocalVerdict::default(), second: 0, dice }
        }

        fn now(&self) -> Instant {
            self.base + Duration::from_secs(self.second)
        }

        fn tick(&mut self, unreached_since: Option<Instant>) -> bool {
            self.second += 1;
            self.verdict.is_look_due(unreached_since, self.now(), self.dice)
        }

        /// The seconds of this time at which it looks, while nothing has reached a server since then.
        fn looks(&mut self, since: Instant, kube_dns_answers: bool, seconds: u64) -> Vec<(u64, Step)> {
            let mut looks = Vec::new();
            for _ in 0..seconds {
                if self.tick(Some(since)) {
                    looks.push((self.second, self.verdict.looked(kube_dns_answers, self.now(), self.dice)));
                }
            }
            looks
        }
    }

    #[test]
    fn agents_that_are_cut_off_leave_after_20_to_35_s_each_at_a_moment_of_its_own() {
        for (dice, second) in [(0.0, 15), (0.4, 21), (0.99, 30)] {
            let mut agent = Agent::new(dice);
            let looks = agent.looks(agent.base, true, second + 5);
            assert_eq!(looks, [(second, Step::Stay), (second + 5, Step::Leave)], "{dice}");
            assert!(agent.verdict.is_out());
        }
    }

    #[test]
    fn nobody_leaves_a_coredns_that_has_just_come_back() {
        let mut agent = Agent::new(0.0);
        agent.looks(agent.base, false, 29);
        assert_eq!(agent.looks(agent.base, true, 1), [(30, Step::Stay)], "its pod answers, the Service does not yet");
        assert!(!agent.tick(None) && !agent.verdict.is_out());
    }

    #[test]
    fn nobody_leaves_a_coredns_that_answers_now_and_then() {
        let mut agent = Agent::new(0.0);
        assert_eq!(agent.looks(agent.base, true, 19), [(15, Step::Stay)]);
        assert_eq!(agent.looks(agent.base, false, 1), [(20, Step::Stay)]);
        assert_eq!(agent.looks(agent.base, true, 20), [(35, Step::Stay), (40, Step::Leave)], "two in a row");
    }

    #[test]
    fn one_answer_and_the_time_begins_anew() {
        let mut agent = Agent::new(0.0);
        assert_eq!(agent.looks(agent.base, true, 14), []);
        assert!(!agent.tick(None));
        let again = agent.now();
        assert_eq!(agent.looks(again, true, 20), [(30, Step::Stay), (35, Step::Leave)]);
    }

    #[test]
    fn an_answer_between_two_seconds_counts_too() {
        let mut agent = Agent::new(0.0);
        assert_eq!(agent.looks(agent.base, true, 14), []);
        let again = agent.now();
        assert_eq!(agent.looks(again, true, 20), [(29, Step::Stay), (34, Step::Leave)]);
    }

    #[test]
    fn nobody_leaves_while_kube_dns_answers_nobody_and_looks_become_rare() {
        let mut agent = Agent::new(0.0);
        let looks = agent.looks(agent.base, false, 1_000);
        let expected = [15, 30, 60, 120, 240, 480, 720, 960];
        assert_eq!(looks, expected.map(|second| (second, Step::Stay)));
        let looks = agent.looks(agent.base, true, 205);
        assert_eq!(looks, [(1_200, Step::Stay), (1_205, Step::Leave)], "it was this node alone all the time");
    }

    #[test]
    fn who_is_out_comes_back_with_an_answer() {
        let mut agent = Agent::new(0.0);
        agent.looks(agent.base, true, 20);
        assert_eq!(agent.looks(agent.base, true, 100), [(50, Step::Stay), (80, Step::Stay), (110, Step::Stay)]);
        assert!(!agent.tick(None) && agent.verdict.is_out(), "a new group has not been asked yet");
        agent.verdict.answered();
        assert!(!agent.verdict.is_out());
    }

    #[test]
    fn who_is_out_comes_back_where_kube_dns_falls_silent_and_leaves_again_once_it_answers() {
        let mut agent = Agent::new(0.0);
        agent.looks(agent.base, true, 20);
        assert_eq!(agent.looks(agent.base, false, 40), [(50, Step::Stay), (55, Step::Return)]);
        assert!(!agent.verdict.is_out());
        assert_eq!(agent.looks(agent.base, true, 20), [(70, Step::Stay), (75, Step::Leave)]);
    }
}
