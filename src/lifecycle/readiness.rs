//! Readiness is the sum of named latches: ready when none is held.

use std::sync::Arc;

use parking_lot::Mutex;

/// All latches of the process. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Vec<Held>>>);

#[derive(Debug)]
struct Held {
    name: &'static str,
    /// `None`: released.
    reason: Option<String>,
}

/// One thing that readiness waits for: held from the start. Dropped unreleased it stays held, so what is forgotten is never ready.
#[derive(Debug)]
pub struct Latch {
    all: Readiness,
    index: usize,
}

impl Readiness {
    /// Adds a latch, held for `reason`.
    pub fn latch(&self, name: &'static str, reason: &str) -> Latch {
        let mut held = self.0.lock();
        held.push(Held { name, reason: Some(reason.to_owned()) });
        Latch { all: self.clone(), index: held.len() - 1 }
    }

    /// `name: reason` of each latch that is held; empty when ready.
    pub fn pending(&self) -> Vec<String> {
        self.0.lock().iter().filter_map(|held| Some(format!("{}: {}", held.name, held.reason.as_ref()?))).collect()
    }

    /// Whether nothing is held.
    pub fn is_ready(&self) -> bool {
        self.0.lock().iter().all(|held| held.reason.is_none())
    }
}

impl Latch {
    /// Holds readiness back, or says anew why it does.
    pub fn hold(&self, reason: &str) {
        self.set(Some(reason.to_owned()));
    }

    /// This one is in order.
    pub fn release(&self) {
        self.set(None);
    }

    fn set(&self, reason: Option<String>) {
        if let Some(held) = self.all.0.lock().get_mut(self.index) {
            held.reason = reason;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_latch_is_released_and_no_longer_when_one_is_held_again() {
        let readiness = Readiness::default();
        let (listeners, upstream) = (readiness.latch("listeners", "not asked yet"), readiness.latch("upstream", "not asked yet"));
        listeners.release();
        upstream.hold("no answer");
        assert_eq!(readiness.pending(), ["upstream: no answer"]);
        upstream.release();
        assert!(readiness.is_ready());
        listeners.hold("a worker hangs");
        assert_eq!(readiness.pending(), ["listeners: a worker hangs"]);
    }

    #[test]
    fn a_latch_that_is_forgotten_is_never_ready() {
        let readiness = Readiness::default();
        drop(readiness.latch("upstream", "not asked yet"));
        assert!(!readiness.is_ready());
    }
}
