//! How long a process that was told to stop goes on answering.

use std::time::Duration;

/// The bounds of a drain. Between SIGTERM and the moment Cilium stops sending, queries still come; answering them loses nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Answer at least this long: readiness has to travel to the node's data path first.
    pub at_least: Duration,
    /// After that, until so long no query has come.
    pub quiet: Duration,
    /// But never longer than this: the kubelet kills at 30 s.
    pub at_most: Duration,
}

impl Drain {
    /// The longest `at_least` that may be configured.
    pub const MOST: Duration = Duration::from_secs(25);

    /// Drains for at least `at_least`, at most 25 s.
    pub fn at_least(at_least: Duration) -> Self {
        Self { at_least: at_least.min(Self::MOST), ..Self::default() }
    }

    /// Whether the drain is over, `elapsed` after it began, `quiet` after the last query.
    pub fn is_over(&self, elapsed: Duration, quiet: Duration) -> bool {
        elapsed >= self.at_most || (elapsed >= self.at_least && quiet >= self.quiet)
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { at_least: Duration::from_secs(5), quiet: Duration::from_secs(2), at_most: Self::MOST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn it_lasts_its_time_then_until_it_is_quiet_then_ends_anyway() {
        let drain = Drain::default();
        assert!(!drain.is_over(S(4), S(4)), "quiet, but readiness has not travelled yet");
        assert!(drain.is_over(S(5), S(2)));
        assert!(!drain.is_over(S(5), S(1)), "somebody still asks");
        assert!(!drain.is_over(S(24), S(0)));
        assert!(drain.is_over(S(25), S(0)), "the kubelet waits no longer");
    }

    #[test]
    fn a_configured_time_stays_within_the_bounds() {
        assert!(Drain::at_least(S(0)).is_over(S(2), S(2)));
        assert!(Drain::at_least(S(300)).is_over(S(25), S(0)));
    }
}
