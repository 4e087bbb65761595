//! Which server is asked: a pure choice; `now` and the dice are arguments.

use std::time::{Duration, Instant};

use super::Lane;

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

/// By so much each answer moves the latency a server is known for: up or down a step, whatever the distance. It settles at the median, and
/// one name that took seconds says nothing of the server.
const STEP: f64 = 1.1;
/// After so long without an answer half of what is known of a server's latency is forgotten: who was slow is tried again.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// Below this, servers are equally near: what is in flight decides.
const NEAR: f64 = 200e-6;
/// A server must be better by this to be preferred to the one drawn first: measurements are never quite the same.
const MARGIN: f64 = 1.25;

/// What is known of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// By lane: cluster names come from the server's memory, the others from elsewhere.
    loads: [Load; 2],
    /// Failures in a row, those within one back-off counted once.
    failures: u32,
    /// Until then it is asked only if no other is left.
    resting_until: Option<Instant>,
}

/// What a server has to do in one lane, and how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Load {
    /// Queries it has not answered yet.
    in_flight: usize,
    /// Seconds, and when that was learnt.
    latency: Option<(f64, Instant)>,
}

impl Load {
    fn learn(&mut self, latency: Duration, now: Instant) {
        let sample = latency.as_secs_f64();
        let next = match self.latency {
            None => sample,
            Some((known, _)) if sample > known => (known * STEP).min(sample),
            Some((known, _)) => (known / STEP).max(sample),
        };
        self.latency = Some((next, now));
    }

    /// Roughly how long another query would take; of an unknown server: as if it were near.
    fn cost(&self, now: Instant) -> f64 {
        let faded = |(known, learnt): (f64, Instant)| {
            let age = now.saturating_duration_since(learnt).as_secs_f64() / HALF_LIFE.as_secs_f64();
            known * (-age).exp2()
        };
        self.latency.map_or(NEAR, faded).max(NEAR) * (self.in_flight + 1) as f64
    }
}

impl Standing {
    /// Whether the last thing known of it is a failure.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// It did not answer. A burst of failures within one back-off counts as one.
    pub(super) fn fail(&mut self, now: Instant) {
        if self.is_resting(now) && self.failures > 0 {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.rest(now);
    }

    /// It said something.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.resting_until = None;
    }

    /// It answered a query of `lane` after `latency`.
    pub(super) fn answered(&mut self, lane: Lane, latency: Duration, now: Instant) {
        self.loads[lane as usize].learn(latency, now);
        self.succeed();
    }

    /// A query of `lane` goes to it.
    pub(super) fn enter(&mut self, lane: Lane) {
        self.loads[lane as usize].in_flight += 1;
    }

    /// A query of `lane` is over.
    pub(super) fn leave(&mut self, lane: Lane) {
        self.loads[lane as usize].in_flight -= 1;
    }

    /// It was chosen: a failing server gets one query per back-off, as its probe.
    pub(super) fn chosen(&mut self, now: Instant) {
        if self.failures > 0 {
            self.rest(now);
        }
    }

    fn rest(&mut self, now: Instant) {
        let doublings = self.failures.saturating_sub(1).min(16);
        self.resting_until = Some(now + (FIRST_BACK_OFF * (1 << doublings)).min(LONGEST_BACK_OFF));
    }

    fn is_resting(&self, now: Instant) -> bool {
        self.resting_until.is_some_and(|until| now < until)
    }
}

/// Chooses among the servers not yet `tried` (bit per index): of two drawn by `dice`, the one where a query of `lane` takes less, by its latency
/// and what is in flight; resting ones only when all rest, the one to wake first. `None`: all were tried.
pub(super) fn choose(standings: &[Standing], lane: Lane, tried: u64, dice: u64, now: Instant) -> Option<usize> {
    let open = |index: &usize| tried & (1 << index) == 0;
    let awake = |index: &usize| open(index) && !standings[*index].is_resting(now);
    let count = (0..standings.len()).filter(awake).count();
    if count == 0 {
        return (0..standings.len()).filter(open).min_by_key(|index| standings[*index].resting_until);
    }
    let first = (dice & 0xffff_ffff) as usize % count;
    // The second is drawn from the others, so that two are really compared.
    let second = if count == 1 { first } else { (first + 1 + (dice >> 32) as usize % (count - 1)) % count };
    let first = (0..standings.len()).filter(awake).nth(first)?;
    let second = (0..standings.len()).filter(awake).nth(second)?;
    let cost = |index: usize| standings[index].loads[lane as usize].cost(now);
    Some(if cost(second) * MARGIN < cost(first) { second } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::base;

    fn busy(in_flight: usize) -> Standing {
        Standing { loads: [Load { in_flight, latency: None }; 2], ..Standing::default() }
    }

    #[test]
    fn the_less_busy_of_two_is_chosen_whatever_the_dice() {
        for dice in [0, 1, 2, 1 << 32, (1 << 32) + 1, u64::MAX] {
            assert_eq!(choose(&[busy(5), busy(1)], Lane::Cluster, 0, dice, base()), Some(1));
        }
    }

    #[test]
    fn a_failing_server_rests_twice_as_long_each_time_and_is_probed_once() {
        let start = base();
        let ms = Duration::from_millis;
        let mut standings = [Standing::default(), busy(9)];
        standings[0].fail(start);
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, start + ms(99)), Some(1));
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, start + ms(100)), Some(0));
        standings[0].chosen(start + ms(100));
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, start + ms(150)), Some(1), "one probe at a time");
        standings[0].fail(start + ms(250));
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, start + ms(449)), Some(1));
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, start + ms(450)), Some(0));
    }

    #[test]
    fn the_back_off_ends_at_five_seconds_and_a_success_ends_it() {
        let start = base();
        let mut standings = [Standing::default(), busy(9)];
        let mut now = start;
        for _ in 0..40 {
            standings[0].fail(now);
            now += Duration::from_secs(6);
        }
        standings[0].fail(now);
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, now + Duration::from_millis(4_999)), Some(1));
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, now + Duration::from_secs(5)), Some(0));
        standings[0].succeed();
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, now), Some(0));
    }

    #[test]
    fn a_burst_of_failures_counts_once() {
        let start = base();
        let (mut once, mut burst) = (Standing::default(), Standing::default());
        once.fail(start);
        (0..50).for_each(|_| burst.fail(start));
        assert_eq!(once, burst);
    }

    #[test]
    fn when_all_rest_the_first_to_wake_is_still_asked() {
        let start = base();
        let mut standings = [Standing::default(), Standing::default()];
        standings[1].fail(start);
        standings[0].fail(start + Duration::from_millis(10));
        assert_eq!(choose(&standings, Lane::Cluster, 0, 7, start + Duration::from_millis(20)), Some(1));
    }

    #[test]
    fn a_tried_server_is_not_chosen_again() {
        assert_eq!(choose(&[busy(0), busy(9)], Lane::Cluster, 0b01, 0, base()), Some(1));
        assert_eq!(choose(&[busy(0), busy(9)], Lane::Cluster, 0b11, 0, base()), None);
    }

    /// After a hundred answers.
    fn answering(lane: Lane, latency: Duration, now: Instant) -> Standing {
        let mut standing = Standing::default();
        (0..100).for_each(|_| standing.answered(lane, latency, now));
        standing
    }

    const ALL_DICE: [u64; 4] = [0, 1, 1 << 32, u64::MAX];

    #[test]
    fn the_nearer_of_two_is_chosen_until_more_is_in_flight_there_than_it_is_nearer() {
        let now = base();
        let mut near = answering(Lane::Cluster, Duration::from_millis(1), now);
        let far = answering(Lane::Cluster, Duration::from_millis(10), now);
        (0..6).for_each(|_| near.enter(Lane::Cluster));
        assert!(ALL_DICE.iter().all(|dice| choose(&[far, near], Lane::Cluster, 0, *dice, now) == Some(1)));
        (0..10).for_each(|_| near.enter(Lane::Cluster));
        assert!(ALL_DICE.iter().all(|dice| choose(&[far, near], Lane::Cluster, 0, *dice, now) == Some(0)));
        (0..16).for_each(|_| near.leave(Lane::Cluster));
        assert_eq!(near, answering(Lane::Cluster, Duration::from_millis(1), now));
    }

    #[test]
    fn a_lane_learns_nothing_from_the_other() {
        let now = base();
        let standings = [answering(Lane::Elastic, Duration::from_secs(1), now), Standing::default()];
        assert_eq!(choose(&standings, Lane::Cluster, 0, 0, now), Some(0), "unknown both: the dice decide");
        assert_eq!(choose(&standings, Lane::Elastic, 0, 0, now), Some(1));
    }

    #[test]
    fn small_differences_leave_the_choice_to_the_dice() {
        let now = base();
        let ms = Duration::from_millis;
        let standings = [answering(Lane::Cluster, ms(11), now), answering(Lane::Cluster, ms(10), now)];
        let chosen: Vec<_> = [0, 1].iter().map(|dice| choose(&standings, Lane::Cluster, 0, *dice, now)).collect();
        assert_eq!(chosen, [Some(0), Some(1)]);
    }

    #[test]
    fn one_slow_name_says_nothing_of_its_server_but_many_do() {
        let now = base();
        let ms = Duration::from_millis;
        let mut suspect = answering(Lane::Elastic, ms(10), now);
        let other = answering(Lane::Elastic, ms(10), now);
        suspect.answered(Lane::Elastic, ms(3_000), now);
        assert_eq!(choose(&[suspect, other], Lane::Elastic, 0, 0, now), Some(0));
        (0..10).for_each(|_| suspect.answered(Lane::Elastic, ms(3_000), now));
        assert_eq!(choose(&[suspect, other], Lane::Elastic, 0, 0, now), Some(1));
    }

    #[test]
    fn who_was_slow_is_tried_again_after_a_while() {
        let start = base();
        let slow = answering(Lane::Cluster, Duration::from_millis(20), start);
        let at = |seconds| {
            let now = start + Duration::from_secs(seconds);
            choose(&[slow, answering(Lane::Cluster, Duration::from_millis(1), now)], Lane::Cluster, 0, 0, now)
        };
        assert_eq!((at(0), at(20), at(60)), (Some(1), Some(1), Some(0)));
    }
}
