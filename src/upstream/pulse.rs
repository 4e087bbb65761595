//! Whether a group is heard: silence and outage.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Nothing heard for this long although asked: the group is silent.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// Shared by a group and its connections.
#[derive(Debug)]
pub(super) struct Pulse {
    born: Instant,
    /// Milliseconds since birth, plus one, of the first question since anything was heard; 0: none.
    unheard_since: AtomicU64,
    /// An exchange failed by connectivity while every server was failing, and none succeeded since.
    out: AtomicBool,
    outages: AtomicU32,
}

impl Pulse {
    pub(super) fn new(born: Instant) -> Self {
        Pulse { born, unheard_since: AtomicU64::new(0), out: AtomicBool::new(false), outages: AtomicU32::new(0) }
    }

    /// A question goes out.
    pub(super) fn asked(&self, now: Instant) {
        if self.unheard_since.load(Relaxed) == 0 {
            let millis = now.saturating_duration_since(self.born).as_millis() as u64;

            // Between two first questions either time will do.
            self.unheard_since.store(millis + 1, Relaxed);
        }
    }

    /// A server sent something that belongs to a question of ours.
    pub(super) fn heard(&self) {
        if self.unheard_since.load(Relaxed) != 0 {
            self.unheard_since.store(0, Relaxed);
        }
    }

    /// An exchange was answered: an outage, if there was one, is over.
    pub(super) fn succeeded(&self) {
        if self.out.load(Relaxed) && self.out.swap(false, Relaxed) {
            self.outages.fetch_add(1, Relaxed);
        }
    }

    /// An exchange found every server failing.
    pub(super) fn all_failed(&self) {
        self.out.store(true, Relaxed);
    }

    pub(super) fn outage_epoch(&self) -> u32 {
        self.outages.load(Relaxed)
    }

    pub(super) fn is_out(&self) -> bool {
        self.out.load(Relaxed)
    }

    pub(super) fn silent(&self, now: Instant) -> bool {
        let since = self.unheard_since.load(Relaxed);
        since != 0 && now.saturating_duration_since(self.born + Duration::from_millis(since - 1)) >= SILENT_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
    fn base() -> Instant {
        Instant::now()
    }

    #[test]
    fn silence_counts_from_the_first_unheard_question() {
        let start = base();
        let pulse = Pulse::new(start);
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!pulse.silent(at(5_000)), "nothing asked");
        pulse.asked(at(5_000));
        pulse.asked(at(5_900));
        assert!(!pulse.silent(at(5_999)));
        assert!(pulse.silent(at(6_000)));
        pulse.heard();
        assert!(!pulse.silent(at(9_000)));
    }

    #[test]
    fn the_first_success_after_an_outage_moves_the_epoch_once() {
        let pulse = Pulse::new(base());
        pulse.succeeded();
        assert_eq!(pulse.outage_epoch(), 0);
        pulse.all_failed();
        pulse.all_failed();
        assert!(pulse.is_out());
        pulse.succeeded();
        pulse.succeeded();
        assert_eq!(pulse.outage_epoch(), 1);
    }
}
