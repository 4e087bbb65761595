//! When an agent looks, acts, leaves: never all at once, and without a leader. Dice are arguments, uniform in [0, 1).

use std::time::{Duration, Instant};

use super::decide::{Act, Because, Decision, Rest};

/// The first look comes within this time: it tells how many agents there are.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// What each further agent adds to the time over which all of them act.
const ACT_SPREAD: Duration = Duration::from_millis(20);
/// Bounds of that time.
const ACT_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Before a deletion is taken for a person's: an agent that deleted on a state which had just changed corrects itself first.
const HOLD_AFTER: Duration = Duration::from_secs(5);
/// Before an agent of a former template takes a policy for harmful that its successors may have been told to accept: longer than a
/// rollout. Where none of them ever runs, it does so after all.
const OUTGOING_HOLD_AFTER: Duration = Duration::from_secs(3600);
/// Between two looks of the cluster's agents, all together, while something stands in the way.
const WAITING_LOOK: Duration = Duration::from_secs(10);
/// Between two looks of the cluster's agents, all together, while all is as it should be. A Cilium that has become harmful is then seen
/// within two minutes but for e⁻⁴, or 2 %.
const DUTY_LOOK: Duration = Duration::from_secs(30);
/// Agents of a cluster that tell what is in the way when all of them find it at once: none does once in 150 times.
const TELLERS: f64 = 5.0;
/// At least this part of the later looks tells: with those that wait, an Event in ten minutes.
const TELLING: f64 = 1.0 / 60.0;
/// Between two looks at our own readiness, while only that is missing.
const READINESS_LOOK: Duration = Duration::from_secs(1);
/// Bounds of the pause after a call that failed.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// From the start to the first look.
pub fn until_first_look(dice: f64) -> Duration {
    FIRST_LOOK.mul_f64(dice)
}

/// After a decision on what the watches said: the time until the next fresh look. `agents`: pods of the DaemonSet.
pub fn until_look(decision: &Decision, agents: u32, dice: f64) -> Duration {
    let agents = agents.max(1);
    match decision {
        Decision::Act(act) => act.waits() + soon(agents, dice),
        Decision::Rest(Rest::NotReady) => READINESS_LOOK,
        Decision::Rest(Rest::Unread) => soon(agents, dice),
        Decision::Rest(Rest::Live | Rest::Off | Rest::Held | Rest::Draining) => exponential(DUTY_LOOK * agents, dice),
        Decision::Rest(Rest::Still(_) | Rest::Blocked(_) | Rest::OtherSpec | Rest::Going | Rest::Uninstalled) => until_turn(agents, dice),
    }
}

impl Act {
    /// How long an agent must have expected it before it does it: some holds are somebody else's to write, or to make needless.
    pub fn waits(&self) -> Duration {
        match self {
            Self::Write { because: Because::DeletedByHand, .. } => HOLD_AFTER,
            Self::Write { because: Because::HarmfulToOutgoing, .. } => OUTGOING_HOLD_AFTER,
            _ => Duration::ZERO,
        }
    }
}

/// After a look that left it to others to read the network policies: the time until the next one.
pub fn until_turn(agents: u32, dice: f64) -> Duration {
    exponential(WAITING_LOOK * agents.max(1), dice)
}

/// After news that every agent hears at once: the time until the next fresh look.
pub fn soon(agents: u32, dice: f64) -> Duration {
    (ACT_SPREAD * agents.max(1)).clamp(ACT_WITHIN.0, ACT_WITHIN.1).mul_f64(dice)
}

/// The pause after `failures` calls in a row that failed.
pub fn backoff(failures: u32, dice: f64) -> Duration {
    let most = (BACKOFF.0 * 2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(BACKOFF.1);
    most.mul_f64(0.5 + dice / 2.0)
}

/// Whether this agent writes an Event of what it found: few of many do, all of a handful. `first`: its first look, which all may make at once.
pub fn tells(agents: u32, first: bool, dice: f64) -> bool {
    let few = TELLERS / f64::from(agents.max(1));
    dice < if first { few } else { few.max(TELLING) }
}

/// Exponentially distributed with this mean: the looks of many agents then come like rain, not in waves.
fn exponential(mean: Duration, dice: f64) -> Duration {
    mean.mul_f64(-(1.0 - dice).max(f64::MIN_POSITIVE).ln())
}

/// A drain as one agent goes through it: CoreDNS must not get the whole cluster's load at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    at: Instant,
    over: Instant,
}

impl Leaving {
    /// Begins when the agent first sees the switch at drain; the agents leave `within` that time. One that is not ready has nobody to leave,
    /// and stays away at once.
    pub fn begin(now: Instant, within: Duration, ready: bool, dice: f64) -> Self {
        let wait = if ready { within.mul_f64(dice) } else { Duration::ZERO };
        Self { at: now + wait, over: now + within }
    }

    /// The moment from which this agent is not ready.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// The moment from which the policy may be deleted.
    pub fn over(&self) -> Instant {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn wait(rest: Rest, agents: u32) -> Duration {
        until_look(&Decision::Rest(rest), agents, 1.0 - (-1.0_f64).exp())
    }

    #[test]
    fn the_cluster_pays_two_looks_a_minute_whatever_its_size() {
        for agents in [1, 10, 5000] {
            let mean = wait(Rest::Live, agents).as_secs_f64() / f64::from(agents);
            assert!((mean - 30.0).abs() < 0.1, "{agents}: {mean}");
        }
        assert!(wait(Rest::Blocked(Vec::new()), 100) < wait(Rest::Live, 100));
        assert_eq!(wait(Rest::NotReady, 5000), S(1), "this look asks nobody");
        assert_eq!([soon(0, 0.5), soon(500, 0.5), soon(10_000, 0.5)], [S(1) / 2, S(5), S(30)], "news is looked at sooner than a gate");
    }

    #[test]
    fn agents_act_one_after_another_and_a_hold_waits_for_corrections() {
        let delete = Decision::Act(Act::Delete { uid: String::new(), because: Because::Unwanted });
        assert_eq!((until_look(&delete, 3, 0.0), until_look(&delete, 3, 0.5)), (S(0), Duration::from_millis(500)));
        assert_eq!(until_look(&delete, 100_000, 0.5), S(30), "nobody waits longer than a minute");
        let write = |because| Decision::Act(Act::Write { state: super::super::State::default(), version: String::new(), because });
        assert_eq!(until_look(&write(Because::DeletedByHand), 3, 0.0), S(5));
        assert_eq!(until_look(&write(Because::HarmfulToOutgoing), 3, 0.0), S(3600), "its successors are to say");
        assert_eq!(until_look(&write(Because::Unwanted), 3, 0.0), S(0));
    }

    #[test]
    fn few_of_many_agents_tell_and_all_of_a_handful() {
        let tellers = |agents: u32, first| (0..agents).filter(|at| tells(agents, first, f64::from(*at) / f64::from(agents))).count();
        assert_eq!([1, 2, 5, 10, 10_000].map(|agents| tellers(agents, true)), [1, 2, 5, 5, 5]);
        assert_eq!(tellers(6000, false), 100, "one later look in sixty");
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_extreme_dice_do_no_harm() {
        assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
        assert_eq!(backoff(4, 0.0), S(4));
        assert_eq!(backoff(u32::MAX, 0.0), S(30));
        assert!(until_look(&Decision::Rest(Rest::Live), u32::MAX, 1.0) > S(60));
    }

    #[test]
    fn a_ready_agent_leaves_at_a_moment_of_its_own_and_the_policy_stays_until_all_have() {
        let now = super::super::tests::start();
        let leaving = Leaving::begin(now, S(300), true, 0.5);
        assert_eq!((leaving.at(), leaving.over()), (now + S(150), now + S(300)));
        assert_eq!(Leaving::begin(now, S(300), false, 0.5).at(), now, "not ready: it stays away");
    }
}
