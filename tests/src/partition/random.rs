//! Numbers drawn from a seed.

use std::time::Duration;

use super::constants::Latency;
use crate::faults::plan::mix;

/// Equal seeds give equal numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

/// The standard deviations between the median and the 99th percentile of a normal distribution.
const P99: f64 = 2.326;

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Evenly from 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly below `most`, which is not zero.
    pub fn below(&mut self, most: usize) -> usize {
        ((self.unit() * most as f64) as usize).min(most - 1)
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }

    /// Log-normal, so never negative and with a long tail.
    pub fn latency(&mut self, Latency { median_ms, p99_ms }: Latency) -> Duration {
        let sigma = (p99_ms / median_ms).ln() / P99;
        let (a, b) = (1.0 - self.unit(), self.unit());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        Duration::from_secs_f64(median_ms * (sigma * normal).exp() / 1_000.0)
    }

    /// The time until the next of events that are independent of each other, at `rate` a second.
    pub fn gap(&mut self, rate: f64) -> Duration {
        Duration::from_secs_f64(-(1.0 - self.unit()).ln() / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::constants::TRANSACTION;

    #[test]
    fn latencies_have_the_median_and_the_99th_percentile_that_are_asked_for() {
        let mut random = Random::new(7);
        let mut drawn: Vec<_> = (0..20_000).map(|_| random.latency(TRANSACTION).as_secs_f64() * 1_000.0).collect();
        drawn.sort_by(f64::total_cmp);

        assert!((14.5..15.5).contains(&drawn[10_000]), "{}", drawn[10_000]);
        assert!((37.0..43.0).contains(&drawn[19_800]), "{}", drawn[19_800]);
    }

    #[test]
    fn events_come_at_their_rate() {
        let mut random = Random::new(7);
        let total: Duration = (0..20_000).map(|_| random.gap(2_000.0)).sum();

        assert!((9.7..10.3).contains(&total.as_secs_f64()), "{total:?}");
    }
}
