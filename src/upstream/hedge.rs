//! A second server asked before the first has answered: how often that may be.

/// Of a hundred questions so many may be asked twice: an outage cannot double the load.
const PER_CENT: u32 = 2;
/// What may be saved up for a bad moment.
const MOST_SAVED: u32 = 10;

/// A bucket that every question of the cluster lane fills a little, and every hedge takes a whole token from.
#[derive(Debug, Default)]
pub(super) struct Budget {
    hundredths: u32,
}

impl Budget {
    /// A question is asked.
    pub(super) fn earn(&mut self) {
        self.hundredths = (self.hundredths + PER_CENT).min(MOST_SAVED * 100);
    }

    /// Whether another server may be asked too.
    pub(super) fn spend(&mut self) -> bool {
        let enough = self.hundredths >= 100;
        if enough {
            self.hundredths -= 100;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_questions_two_are_hedged_and_no_more_than_ten_at_a_time() {
        let mut budget = Budget::default();
        let mut hedged = 0;
        for _ in 0..1_000 {
            budget.earn();
            hedged += u32::from(budget.spend());
        }
        assert_eq!(hedged, 20);
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }
}
