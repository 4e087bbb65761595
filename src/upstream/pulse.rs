//! Whether a group is heard: silence and outage, and whether it is this node that does not get through.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::FailureClass;

/// Nothing heard for this long although asked: the group is silent.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// How long what was seen of a group's servers counts as news: no longer than a failure is remembered of one name (RFC 9520 §3.2).
const LATELY: Duration = Duration::from_secs(5);

/// Shared by a group and its connections.
#[derive(Debug)]
pub(super) struct Pulse {
    born: Instant,
    /// Milliseconds since birth, plus one, of the first question since anything was heard; 0: none.
    unheard_since: AtomicU64,
    /// The same of the first attempt since then that ended before a server had the question.
    unreached_since: AtomicU64,
    /// An exchange failed by connectivity while every server was failing, and none succeeded since.
    out: AtomicBool,
    /// Milliseconds since birth of the last such failure.
    failed_at: AtomicU64,
    outages: AtomicU32,
}

impl Pulse {
    pub(super) fn new(born: Instant) -> Self {
        Pulse {
            born,
            unheard_since: AtomicU64::default(),
            unreached_since: AtomicU64::default(),
            out: AtomicBool::default(),
            failed_at: AtomicU64::default(),
            outages: AtomicU32::default(),
        }
    }

    /// A question goes out.
    pub(super) fn asked(&self, now: Instant) {
        // Between two first questions either time will do.
        if self.unheard_since.load(Relaxed) == 0 {
            self.unheard_since.store(self.stamp(now), Relaxed);
        }
    }

    /// An attempt ended in this. What ends it once a server may have the question says nothing of the way there.
    pub(super) fn failed(&self, class: FailureClass, now: Instant) {
        let unreached = class == FailureClass::DialTimeout || class.is_local();
        if unreached && self.unreached_since.load(Relaxed) == 0 {
            self.unreached_since.store(self.stamp(now), Relaxed);
        }
    }

    /// A server sent something that belongs to a question of ours.
    pub(super) fn heard(&self) {
        if self.unheard_since.load(Relaxed) != 0 {
            self.unheard_since.store(0, Relaxed);
        }
        if self.unreached_since.load(Relaxed) != 0 {
            self.unreached_since.store(0, Relaxed);
        }
    }

    /// Since when no attempt has reached a server; `None`: one was heard since, or nothing was asked.
    pub(super) fn unreached_since(&self) -> Option<Instant> {
        self.time(self.unreached_since.load(Relaxed))
    }

    /// An exchange was answered: an outage, if there was one, is over.
    pub(super) fn succeeded(&self) {
        if self.out.load(Relaxed) && self.out.swap(false, Relaxed) {
            self.outages.fetch_add(1, Relaxed);
        }
    }

    /// An exchange found every server failing.
    pub(super) fn all_failed(&self, now: Instant) {
        self.failed_at.store(self.age(now), Relaxed);
        self.out.store(true, Relaxed);
    }

    pub(super) fn outage_epoch(&self) -> u32 {
        self.outages.load(Relaxed)
    }

    pub(super) fn is_out(&self) -> bool {
        self.out.load(Relaxed)
    }

    pub(super) fn out_lately(&self, now: Instant) -> bool {
        self.is_out() && self.age(now).saturating_sub(self.failed_at.load(Relaxed)) < LATELY.as_millis() as u64
    }

    pub(super) fn silent(&self, now: Instant) -> bool {
        let since = self.time(self.unheard_since.load(Relaxed));
        since.is_some_and(|since| now.saturating_duration_since(since) >= SILENT_AFTER)
    }

    /// Silent, and the first question since anything was heard is no older than news may be.
    pub(super) fn silent_lately(&self, now: Instant) -> bool {
        let since = self.unheard_since.load(Relaxed).saturating_sub(1);
        self.silent(now) && self.age(now).saturating_sub(since) < LATELY.as_millis() as u64
    }

    fn stamp(&self, now: Instant) -> u64 {
        self.age(now) + 1
    }

    fn time(&self, stamp: u64) -> Option<Instant> {
        Some(self.born + Duration::from_millis(stamp.checked_sub(1)?))
    }

    /// In milliseconds.
    fn age(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::tests::base;

    #[test]
    fn silence_counts_from_the_first_unheard_question() {
        let start = base();
        let pulse = Pulse::new(start);
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!pulse.silent(at(5_000)), "nothing asked");
        pulse.asked(at(5_000));
        pulse.asked(at(5_900));
        assert!(!pulse.silent(at(5_999)));
        assert!(pulse.silent(at(6_000)) && pulse.silent_lately(at(9_999)));
        assert!(pulse.silent(at(10_000)) && !pulse.silent_lately(at(10_000)));
        pulse.heard();
        assert!(!pulse.silent(at(9_000)));
    }

    #[test]
    fn a_group_is_unreached_from_the_first_attempt_that_ended_on_this_node_until_it_is_heard() {
        let start = base();
        let pulse = Pulse::new(start);
        let at = |millis| start + Duration::from_millis(millis);
        for class in [FailureClass::QueryTimeout, FailureClass::Reset, FailureClass::Tls, FailureClass::ServFail, FailureClass::Overload] {
            pulse.failed(class, at(0));
            assert_eq!(pulse.unreached_since(), None, "{class}: a server was reached, or nobody was asked");
        }
        for class in [FailureClass::NoRoute, FailureClass::Denied, FailureClass::DialRefused, FailureClass::DialTimeout] {
            pulse.failed(class, at(1_000));
            pulse.failed(class, at(2_000));
            assert_eq!(pulse.unreached_since(), Some(at(1_000)), "{class}");
            pulse.heard();
            assert_eq!(pulse.unreached_since(), None);
        }
    }

    #[test]
    fn the_first_success_after_an_outage_moves_the_epoch_once() {
        let start = base();
        let pulse = Pulse::new(start);
        pulse.succeeded();
        assert_eq!(pulse.outage_epoch(), 0);
        pulse.all_failed(start);
        pulse.all_failed(start);
        assert!(pulse.is_out());
        pulse.succeeded();
        pulse.succeeded();
        assert_eq!(pulse.outage_epoch(), 1);
    }

    #[test]
    fn an_outage_is_news_for_five_seconds_after_its_last_failure() {
        let start = base();
        let pulse = Pulse::new(start);
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!pulse.out_lately(at(0)));
        pulse.all_failed(at(1_000));
        pulse.all_failed(at(3_000));
        assert!(pulse.out_lately(at(7_999)));
        assert!(!pulse.out_lately(at(8_000)) && pulse.is_out());
        pulse.all_failed(at(9_000));
        pulse.succeeded();
        assert!(!pulse.out_lately(at(9_000)));
    }
}
