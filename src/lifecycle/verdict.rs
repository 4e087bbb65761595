//! Whether the way from this node to the upstream is cut while the upstream is well: then kube-dns is to answer this node's clients. Pure.
//!
//! A server that is slow, or dead for everybody, is no reason to leave: stale answers beat handing the node's load to nobody. So nobody
//! leaves who has not heard kube-dns' own endpoints answer a direct question.

use std::time::{Duration, Instant};

/// Nothing is heard for this long, and every attempt ends on this node: more than a rollout's gap.
const SURE_AFTER: Duration = Duration::from_secs(15);
/// Agents that are cut off at the same moment leave over this time: kube-dns is not to get the load of all nodes at once.
const SPREAD: Duration = Duration::from_secs(15);
/// Before a look that has to confirm another.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Between looks that find kube-dns unwell, doubling between these bounds: they ask the API server.
const PAUSE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(240));
/// Between looks of an agent that is out, at least; at most twice that.
const OUT_LOOK: Duration = Duration::from_secs(30);
/// Looks in a row without an answer after which an agent that is out comes back, for nobody answers its clients.
const MOST_UNANSWERED: u32 = 2;

/// A group none of whose servers is heard, and whose attempts end before a server has the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// The first of these attempts.
    pub since: Instant,
    /// One of them was not refused but timed out: it may be the server that is too busy to accept.
    pub timed_out: bool,
}

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
        /// Looks in a row that found kube-dns well.
        confirmed: u32,
        timed_out: bool,
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

    /// To be called every second with what the group tells; `None`: it is heard, or was not asked. Whether to look now: to ask the upstream
    /// once more, then kube-dns' own endpoints, and to say by [`Self::looked`] what was heard.
    pub fn is_look_due(&mut self, unreached: Option<Unreached>, now: Instant, dice: f64) -> bool {
        match (&mut self.0, unreached) {
            (State::Out { look_at, .. }, _) => now >= *look_at,
            (state, None) => {
                *state = State::Well;
                false
            }
            (State::Suspects { look_at, timed_out, .. }, Some(unreached)) => {
                *timed_out |= unreached.timed_out;
                // It may have been heard, and lost again, since the last call.
                now >= (*look_at).max(unreached.since + SURE_AFTER)
            }
            (state @ State::Well, Some(Unreached { since, timed_out })) => {
                let look_at = since + SURE_AFTER + SPREAD.mul_f64(dice);
                *state = State::Suspects { look_at, pause: PAUSE.0, confirmed: 0, timed_out };
                false
            }
        }
    }

    /// A look is over, and the upstream did not answer. `kube_dns_answers`: its own endpoints do.
    pub fn looked(&mut self, kube_dns_answers: bool, now: Instant, dice: f64) -> Step {
        match &mut self.0 {
            State::Well => Step::Stay,
            State::Suspects { look_at, pause, confirmed, .. } if !kube_dns_answers => {
                (*look_at, *confirmed) = (now + pause.mul_f64(1.0 + dice), 0);
                *pause = (*pause * 2).min(PAUSE.1);
                Step::Stay
            }
            State::Suspects { look_at, confirmed, timed_out, .. } => {
                *confirmed += 1;
                if *timed_out && *confirmed < 2 {
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
                if *unanswered < MOST_UNANSWERED {
                    *look_at = now + LOOK_AGAIN;
                    return Step::Stay;
                }
                let look_at = now + PAUSE.0.mul_f64(1.0 + dice);
                self.0 = State::Suspects { look_at, pause: PAUSE.0 * 2, confirmed: 0, timed_out: true };
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

        fn tick(&mut self, unreached: Option<Unreached>) -> bool {
            self.second += 1;
            self.verdict.is_look_due(unreached, self.now(), self.dice)
        }

        fn refused(&self) -> Option<Unreached> {
            Some(Unreached { since: self.base, timed_out: false })
        }

        fn timed_out(&self) -> Option<Unreached> {
            Some(Unreached { since: self.base, timed_out: true })
        }

        /// The seconds of this time at which it looks.
        fn looks(&mut self, unreached: Option<Unreached>, kube_dns_answers: bool, seconds: u64) -> Vec<(u64, Step)> {
            let mut looks = Vec::new();
            for _ in 0..seconds {
                if self.tick(unreached) {
                    looks.push((self.second, self.verdict.looked(kube_dns_answers, self.now(), self.dice)));
                }
            }
            looks
        }
    }

    #[test]
    fn agents_that_are_refused_leave_after_15_to_30_s_each_at_a_moment_of_its_own() {
        for (dice, second) in [(0.0, 15), (0.4, 21), (0.99, 30)] {
            let mut agent = Agent::new(dice);
            assert_eq!(agent.looks(agent.refused(), true, second), [(second, Step::Leave)], "{dice}");
            assert!(agent.verdict.is_out());
        }
    }

    #[test]
    fn one_answer_and_the_time_begins_anew() {
        let mut agent = Agent::new(0.0);
        assert_eq!(agent.looks(agent.refused(), true, 14), []);
        assert!(!agent.tick(None));
        let again = Some(Unreached { since: agent.now(), timed_out: false });
        assert_eq!(agent.looks(again, true, 15), [(30, Step::Leave)]);
    }

    #[test]
    fn an_answer_between_two_seconds_counts_too() {
        let mut agent = Agent::new(0.0);
        assert_eq!(agent.looks(agent.refused(), true, 14), []);
        let again = Some(Unreached { since: agent.now(), timed_out: false });
        assert_eq!(agent.looks(again, true, 15), [(29, Step::Leave)]);
    }

    #[test]
    fn nobody_leaves_while_kube_dns_answers_nobody_and_looks_become_rare() {
        let mut agent = Agent::new(0.0);
        let looks = agent.looks(agent.refused(), false, 1_000);
        let expected = [15, 30, 60, 120, 240, 480, 720, 960];
        assert_eq!(looks, expected.map(|second| (second, Step::Stay)));
        assert_eq!(agent.looks(agent.refused(), true, 200), [(1_200, Step::Leave)], "it was this node alone all the time");
    }

    #[test]
    fn attempts_that_time_out_take_two_looks_in_a_row() {
        let mut agent = Agent::new(0.0);
        assert_eq!(agent.looks(agent.timed_out(), true, 20), [(15, Step::Stay), (20, Step::Leave)]);
        let mut agent = Agent::new(0.0);
        assert_eq!(agent.looks(agent.timed_out(), true, 19), [(15, Step::Stay)]);
        assert_eq!(agent.looks(agent.timed_out(), false, 1), [(20, Step::Stay)], "CoreDNS is just busy");
        assert_eq!(agent.looks(agent.timed_out(), true, 20), [(35, Step::Stay), (40, Step::Leave)]);
    }

    #[test]
    fn who_is_out_comes_back_with_an_answer() {
        let mut agent = Agent::new(0.0);
        agent.looks(agent.refused(), true, 15);
        assert_eq!(agent.looks(agent.refused(), true, 100), [(45, Step::Stay), (75, Step::Stay), (105, Step::Stay)]);
        assert!(!agent.tick(None) && agent.verdict.is_out(), "a new group has not been asked yet");
        agent.verdict.answered();
        assert!(!agent.verdict.is_out());
    }

    #[test]
    fn who_is_out_comes_back_where_kube_dns_falls_silent_and_leaves_again_once_it_answers() {
        let mut agent = Agent::new(0.0);
        agent.looks(agent.refused(), true, 15);
        assert_eq!(agent.looks(agent.refused(), false, 40), [(45, Step::Stay), (50, Step::Return)]);
        assert!(!agent.verdict.is_out());
        assert_eq!(agent.looks(agent.refused(), true, 20), [(65, Step::Stay), (70, Step::Leave)]);
    }
}
