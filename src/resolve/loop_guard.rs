//! Finds forwarding loops: a query that we send to the upstream must not come back to us.
//!
//! From time to time a name that nobody can guess is asked for through our own listener. It passes once on its way out; if it passes
//! again, whoever is behind the upstream address sends our queries back, and the loop is broken with SERVFAIL.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// How the label of a probe begins.
const PREFIX: &[u8] = b"doorstep-loop-";

/// Watches for a probe that passes twice.
#[derive(Default)]
pub struct LoopGuard {
    /// 0: no probe has begun.
    nonce: AtomicU64,
    passed: AtomicBool,
    looping: AtomicBool,
}

impl LoopGuard {
    /// Begins a probe; returns the first label of the name to ask for.
    pub fn begin(&self, nonce: NonZeroU64) -> String {
        self.passed.store(false, Relaxed);
        self.looping.store(false, Relaxed);
        self.nonce.store(nonce.get(), Relaxed);
        format!("doorstep-loop-{nonce:016x}")
    }

    /// Whether the probe that was begun last came back.
    pub fn looping(&self) -> bool {
        self.looping.load(Relaxed)
    }

    /// Notes a name on its way to the upstream; true if it is our probe and has passed before.
    pub(super) fn came_back(&self, name: &[u8]) -> bool {
        let Some(nonce) = nonce_of(name) else { return false };
        if nonce.get() != self.nonce.load(Relaxed) || !self.passed.swap(true, Relaxed) {
            return false;
        }
        self.looping.store(true, Relaxed);
        true
    }
}

/// A label that says 0 is none of ours: no probe has it, and before the first one it would be the one begun last.
fn nonce_of(name: &[u8]) -> Option<NonZeroU64> {
    let (length, rest) = name.split_first()?;
    let label = rest.get(..usize::from(*length))?;
    let digits = std::str::from_utf8(label.strip_prefix(PREFIX)?).ok()?;
    NonZeroU64::new(u64::from_str_radix(digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    fn wire(label: &str) -> Vec<u8> {
        let mut name = vec![label.len() as u8];
        name.extend_from_slice(label.as_bytes());
        name.extend_from_slice(b"\x07cluster\x05local\x00");
        name
    }

    #[test]
    fn a_probe_that_passes_twice_is_a_loop_and_a_new_probe_starts_afresh() {
        let guard = LoopGuard::default();
        let name = wire(&guard.begin(nonce(7)));
        assert!(!guard.came_back(&name));
        assert!(!guard.looping());
        assert!(guard.came_back(&name));
        assert!(guard.looping());
        let next = wire(&guard.begin(nonce(8)));
        assert!(!guard.looping());
        assert!(!guard.came_back(&name), "an old probe says nothing about the new one");
        assert!(!guard.came_back(&next));
    }

    #[test]
    fn other_names_are_none_of_its_business() {
        let guard = LoopGuard::default();
        guard.begin(nonce(7));
        for name in [wire("www"), wire("doorstep-loop-zz"), vec![0], vec![63, 1]] {
            assert!(!guard.came_back(&name));
            assert!(!guard.came_back(&name));
        }
    }

    #[test]
    fn before_the_first_probe_no_client_can_make_it_see_a_loop() {
        let guard = LoopGuard::default();
        for name in [wire("doorstep-loop-0000000000000000"), wire("doorstep-loop-0"), wire("doorstep-loop-0000000000000007")] {
            assert!(!guard.came_back(&name) && !guard.came_back(&name));
        }
        assert!(!guard.looping());
        // Having been asked for then does not make a probe of that number one that has passed.
        let name = wire(&guard.begin(nonce(7)));
        assert!(!guard.came_back(&name) && guard.came_back(&name));
    }
}
