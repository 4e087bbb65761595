//! Who watches the loops that answer: a loop that dies is started again, one that hangs ends the process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Deaths within [`TOO_OFTEN_WITHIN`] after which starting again is no cure.
const TOO_OFTEN: usize = 3;
const TOO_OFTEN_WITHIN: Duration = Duration::from_secs(10);
/// Wake-ups without a tick: about 2 s, and the pod is not ready.
const LATE: u32 = 2;
/// Wake-ups without a tick after which the loop hangs. Counted in wake-ups, not in seconds: a paused machine, whose clock jumps, must
/// not abort a fleet.
const HUNG: u32 = 10;

/// Watches all loops of the process. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Supervisor(Arc<Watch>);

#[derive(Debug, Default)]
struct Watch {
    loops: Mutex<Vec<Watched>>,
    recent: Mutex<VecDeque<Instant>>,
    deaths: AtomicU64,
    gave_up: AtomicBool,
}

#[derive(Debug)]
struct Watched {
    name: String,
    beat: Beat,
    seen: u64,
    missed: u32,
}

/// A loop's sign of life.
#[derive(Clone, Debug, Default)]
pub struct Beat(Arc<AtomicU64>);

impl Beat {
    /// To be called at least once a second, by the loop itself.
    #[inline]
    pub fn tick(&self) {
        // The loop is the only writer.
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// What becomes of a loop that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start again, on the same socket.
    Restart,
    /// It died too often; the process is about to end.
    GiveUp,
}

/// How the loops are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// All tick.
    Well,
    /// These have not ticked for about 2 s: not ready.
    Late(Vec<String>),
    /// This one hangs: abort.
    Hung(String),
    /// Loops died too often: exit.
    GaveUp,
}

impl Supervisor {
    /// Watches one more loop from now on.
    pub fn beat(&self, name: String) -> Beat {
        let beat = Beat::default();
        self.0.loops.lock().push(Watched { name, beat: beat.clone(), seen: 0, missed: 0 });
        beat
    }

    /// Stops watching a loop that has ended as it should.
    pub fn dismiss(&self, beat: &Beat) {
        self.0.loops.lock().retain(|watched| !Arc::ptr_eq(&watched.beat.0, &beat.0));
    }

    /// A loop panicked.
    pub fn died(&self, now: Instant) -> Next {
        self.0.deaths.fetch_add(1, Relaxed);
        let mut recent = self.0.recent.lock();
        recent.push_back(now);
        recent.retain(|at| now.saturating_duration_since(*at) < TOO_OFTEN_WITHIN);
        if recent.len() < TOO_OFTEN {
            return Next::Restart;
        }
        self.0.gave_up.store(true, Relaxed);
        Next::GiveUp
    }

    /// Panics of loops since the start.
    pub fn deaths(&self) -> u64 {
        self.0.deaths.load(Relaxed)
    }

    /// To be called once a second by a thread that does nothing else.
    pub fn wake(&self) -> Health {
        if self.0.gave_up.load(Relaxed) {
            return Health::GaveUp;
        }
        let mut late = Vec::new();
        for watched in self.0.loops.lock().iter_mut() {
            let ticks = watched.beat.0.load(Relaxed);
            watched.missed = if ticks == watched.seen { watched.missed + 1 } else { 0 };
            watched.seen = ticks;
            if watched.missed >= HUNG {
                return Health::Hung(watched.name.clone());
            }
            if watched.missed >= LATE {
                late.push(watched.name.clone());
            }
        }
        if late.is_empty() { Health::Well } else { Health::Late(late) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_without_a_tick_is_late_then_hangs_and_a_tick_makes_it_well() {
        let supervisor = Supervisor::default();
        let (good, bad) = (supervisor.beat("udp 0".to_owned()), supervisor.beat("udp 1".to_owned()));
        let wake = || {
            good.tick();
            supervisor.wake()
        };
        assert_eq!(wake(), Health::Well);
        assert_eq!(wake(), Health::Late(vec!["udp 1".to_owned()]));
        bad.tick();
        assert_eq!(wake(), Health::Well);
        for _ in 1..HUNG {
            assert_ne!(wake(), Health::Hung("udp 1".to_owned()));
        }
        assert_eq!(wake(), Health::Hung("udp 1".to_owned()));
        supervisor.dismiss(&bad);
        assert_eq!(wake(), Health::Well);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "one base instant for virtual time")]
    fn three_deaths_in_ten_seconds_are_too_many_but_not_three_in_eleven() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let slowly = Supervisor::default();
        assert!([0, 5, 10, 15].into_iter().all(|second| slowly.died(at(second)) == Next::Restart));
        assert_eq!((slowly.deaths(), slowly.wake()), (4, Health::Well));
        let quickly = Supervisor::default();
        assert_eq!([0, 5, 9].map(|second| quickly.died(at(second))), [Next::Restart, Next::Restart, Next::GiveUp]);
        assert_eq!(quickly.wake(), Health::GaveUp);
    }
}
