//! When a failure is worth a line of the log: not each one, and not what is the name's own trouble.

use std::time::{Duration, Instant};

use super::FailureClass;

/// Between two lines about failures of one class.
const QUIET: Duration = Duration::from_secs(30);

/// What has been told of one group.
#[derive(Debug, Default)]
pub(super) struct Notices([Told; FailureClass::ALL.len()]);

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    at: Option<Instant>,
    /// Failures since.
    kept_back: u64,
}

impl Notices {
    /// An exchange failed. Says whether to tell of it, and how many like it were not told of since the last line. `out`: every server fails.
    pub(super) fn weigh(&mut self, class: FailureClass, out: bool, now: Instant) -> Option<u64> {
        if !is_ours(class, out) {
            return None;
        }
        let told = &mut self.0[class as usize];
        if told.at.is_some_and(|at| now.saturating_duration_since(at) < QUIET) {
            told.kept_back += 1;
            return None;
        }
        told.at = Some(now);
        Some(std::mem::take(&mut told.kept_back))
    }
}

/// Whether an operator can do something about it here. The rest of the world has names that fail, and it is no news.
fn is_ours(class: FailureClass, out: bool) -> bool {
    match class {
        FailureClass::ServFail | FailureClass::Refused | FailureClass::OtherRcode | FailureClass::Abandoned => false,
        // One slow name, unless nothing else is answered either.
        FailureClass::QueryTimeout => out,
        // Each says so itself, with more to say; see `secure` and `resolve`.
        FailureClass::Tls | FailureClass::Loop => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::base;

    #[test]
    fn a_class_is_told_once_in_a_while_with_the_count_of_what_was_kept_back() {
        let (start, mut notices) = (base(), Notices::default());
        let mut weigh = |class, seconds| notices.weigh(class, true, start + Duration::from_secs(seconds));
        assert_eq!(weigh(FailureClass::DialRefused, 0), Some(0));
        assert_eq!(weigh(FailureClass::DialRefused, 1), None);
        assert_eq!(weigh(FailureClass::DialRefused, 29), None);
        assert_eq!(weigh(FailureClass::Denied, 29), Some(0), "another class is other news");
        assert_eq!(weigh(FailureClass::DialRefused, 30), Some(2));
        assert_eq!(weigh(FailureClass::DialRefused, 60), Some(0));
    }

    #[test]
    fn names_that_fail_by_themselves_are_no_news() {
        let (start, mut notices) = (base(), Notices::default());
        for class in [FailureClass::ServFail, FailureClass::Refused, FailureClass::OtherRcode] {
            assert_eq!(notices.weigh(class, false, start), None, "{class}");
        }
        assert_eq!(notices.weigh(FailureClass::QueryTimeout, false, start), None);
        assert_eq!(notices.weigh(FailureClass::QueryTimeout, true, start), Some(0), "unless nothing is answered");
    }
}
