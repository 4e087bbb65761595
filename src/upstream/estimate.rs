//! What a lane's answers usually take: a small histogram that forgets.

use std::time::Duration;

/// Buckets per doubling.
const STEPS: usize = 4;
/// From 64 µs to over a minute.
const BUCKETS: usize = 20 * STEPS;
const FLOOR_MICROS: f64 = 64.0;
/// At so many samples all counts are halved, so that the newest few hundred decide.
const HALVE_AT: u32 = 1_024;
/// Below so many samples there is no estimate.
const ENOUGH: u32 = 20;

/// A decaying histogram of latencies.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    counts: [u16; BUCKETS],
    total: u32,
}

impl Estimate {
    pub(super) fn new() -> Self {
        Estimate { counts: [0; BUCKETS], total: 0 }
    }

    /// Takes one latency in.
    pub(super) fn record(&mut self, latency: Duration) {
        let ratio = (latency.as_secs_f64() * 1e6 / FLOOR_MICROS).max(1.0);
        let bucket = (ratio.log2() * STEPS as f64) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
        if self.total >= HALVE_AT {
            for count in &mut self.counts {
                *count /= 2;
            }
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
    }

    /// The 99th percentile, rounded up to its bucket's end; `None` while too little is known.
    pub(super) fn p99(&self) -> Option<Duration> {
        if self.total < ENOUGH {
            return None;
        }
        let mut above = self.total / 100;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            if u32::from(*count) > above {
                let micros = FLOOR_MICROS * ((bucket + 1) as f64 / STEPS as f64).exp2();
                return Some(Duration::from_micros(micros as u64));
            }
            above -= u32::from(*count);
        }
        None
    }

    /// How long a stream may be silent while a query waits on it.
    pub(super) fn silence(&self, floor: Duration) -> Duration {
        self.p99().map_or(floor, |p99| floor.max(p99 * 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Duration = Duration::from_millis(500);

    #[test]
    fn without_samples_the_floor_rules() {
        assert_eq!(Estimate::new().silence(FLOOR), FLOOR);
    }

    #[test]
    fn the_99th_percentile_ignores_the_slowest_hundredth() {
        let mut estimate = Estimate::new();
        for index in 0..200 {
            estimate.record(if index % 200 == 7 { Duration::from_secs(3) } else { Duration::from_millis(1) });
        }
        let p99 = estimate.p99().unwrap();
        assert!(p99 >= Duration::from_millis(1) && p99 < Duration::from_millis(2), "{p99:?}");
        assert_eq!(estimate.silence(FLOOR), FLOOR);
    }

    #[test]
    fn a_slow_lane_gets_more_patience() {
        let mut estimate = Estimate::new();
        (0..100).for_each(|_| estimate.record(Duration::from_millis(300)));
        let silence = estimate.silence(FLOOR);
        assert!(silence >= Duration::from_millis(1_200) && silence < Duration::from_millis(1_500), "{silence:?}");
    }

    #[test]
    fn what_was_is_forgotten() {
        let mut estimate = Estimate::new();
        (0..1_000).for_each(|_| estimate.record(Duration::from_secs(1)));
        (0..12_000).for_each(|_| estimate.record(Duration::from_millis(1)));
        assert!(estimate.p99().unwrap() < Duration::from_millis(2));
    }

    #[test]
    fn extremes_stay_inside_the_table() {
        let mut estimate = Estimate::new();
        (0..20).for_each(|_| estimate.record(Duration::ZERO));
        assert!(estimate.p99().unwrap() < Duration::from_micros(100));
        (0..500).for_each(|_| estimate.record(Duration::from_secs(86_400)));
        assert!(estimate.p99().unwrap() > Duration::from_secs(30));
    }
}
