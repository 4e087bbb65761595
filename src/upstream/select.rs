//! Which server is asked: a pure choice; `now` and the dice are arguments.

use std::time::{Duration, Instant};

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

/// What is known of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Queries it has not answered yet.
    pub(super) in_flight: usize,
    /// Failures in a row, those within one back-off counted once.
    failures: u32,
    /// Until then it is asked only if no other is left.
    resting_until: Option<Instant>,
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

    /// It answered.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.resting_until = None;
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

/// Chooses among the servers not yet `tried` (bit per index): of two drawn by `dice`, the one with less in flight; resting ones only when
/// all rest, the one to wake first. `None`: all were tried.
pub(super) fn choose(standings: &[Standing], tried: u64, dice: u64, now: Instant) -> Option<usize> {
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
    Some(if standings[second].in_flight < standings[first].in_flight { second } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
    fn base() -> Instant {
        Instant::now()
    }

    fn busy(in_flight: usize) -> Standing {
        Standing { in_flight, ..Standing::default() }
    }

    #[test]
    fn the_less_busy_of_two_is_chosen_whatever_the_dice() {
        for dice in [0, 1, 2, 1 << 32, (1 << 32) + 1, u64::MAX] {
            assert_eq!(choose(&[busy(5), busy(1)], 0, dice, base()), Some(1));
        }
    }

    #[test]
    fn a_failing_server_rests_twice_as_long_each_time_and_is_probed_once() {
        let start = base();
        let ms = Duration::from_millis;
        let mut standings = [Standing::default(), busy(9)];
        standings[0].fail(start);
        assert_eq!(choose(&standings, 0, 0, start + ms(99)), Some(1));
        assert_eq!(choose(&standings, 0, 0, start + ms(100)), Some(0));
        standings[0].chosen(start + ms(100));
        assert_eq!(choose(&standings, 0, 0, start + ms(150)), Some(1), "one probe at a time");
        standings[0].fail(start + ms(250));
        assert_eq!(choose(&standings, 0, 0, start + ms(449)), Some(1));
        assert_eq!(choose(&standings, 0, 0, start + ms(450)), Some(0));
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
        assert_eq!(choose(&standings, 0, 0, now + Duration::from_millis(4_999)), Some(1));
        assert_eq!(choose(&standings, 0, 0, now + Duration::from_secs(5)), Some(0));
        standings[0].succeed();
        assert_eq!(choose(&standings, 0, 0, now), Some(0));
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
        assert_eq!(choose(&standings, 0, 7, start + Duration::from_millis(20)), Some(1));
    }

    #[test]
    fn a_tried_server_is_not_chosen_again() {
        assert_eq!(choose(&[busy(0), busy(9)], 0b01, 0, base()), Some(1));
        assert_eq!(choose(&[busy(0), busy(9)], 0b11, 0, base()), None);
    }
}
