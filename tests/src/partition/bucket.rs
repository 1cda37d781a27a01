//! The units that a partition may still use: a bucket that fills steadily.

use std::time::Duration;

/// Whether unused capacity can be used later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burst {
    /// As documented: for 300 seconds, best effort. Never above a partition's limit.
    Kept,
    /// As in the worst case: what is not used within its second is gone.
    Lost,
}

/// Two limits at once: the partition's share of the table's capacity, which can be saved up, and the hard limit of any
/// partition, which cannot.
#[derive(Debug, Clone)]
pub struct Bucket {
    share: Level,
    limit: Level,
    filled: Duration,
}

#[derive(Debug, Clone)]
struct Level {
    a_second: f64,
    most: f64,
    units: f64,
}

impl Level {
    fn full(a_second: f64, seconds: f64) -> Self {
        Self { a_second, most: a_second * seconds, units: a_second * seconds }
    }

    fn fill(&mut self, seconds: f64) {
        self.units = (self.units + self.a_second * seconds).min(self.most);
    }

    /// A request for more than fits is let through once the level is full.
    fn has(&self, units: f64) -> bool {
        self.units >= units.min(self.most)
    }
}

impl Bucket {
    /// Full. `share` and `limit` are units a second.
    pub fn new(share: f64, limit: f64, burst: Burst, now: Duration) -> Self {
        let seconds = match burst {
            Burst::Kept => super::constants::BURST_SECONDS,
            Burst::Lost => 1.0,
        };
        Self { share: Level::full(share.min(limit), seconds), limit: Level::full(limit, 1.0), filled: now }
    }

    /// Whether this many units are there. Takes nothing.
    pub fn has(&mut self, units: f64, now: Duration) -> bool {
        let seconds = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        self.share.fill(seconds);
        self.limit.fill(seconds);
        self.share.has(units) && self.limit.has(units)
    }

    pub fn take(&mut self, units: f64) {
        self.share.units -= units;
        self.limit.units -= units;
    }

    pub fn give_back(&mut self, units: f64) {
        self.take(-units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn taken(bucket: &mut Bucket, wanted: usize, now: Duration) -> usize {
        (0..wanted)
            .filter(|_| {
                let has = bucket.has(1.0, now);
                if has {
                    bucket.take(1.0);
                }
                has
            })
            .count()
    }

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let mut bucket = Bucket::new(1_000.0, 1_000.0, Burst::Lost, at(0.0));

        assert_eq!(taken(&mut bucket, 1_500, at(0.0)), 1_000);
        assert_eq!(taken(&mut bucket, 1_500, at(0.25)), 250);
        assert_eq!(taken(&mut bucket, 1_500, at(10.0)), 1_000);
    }

    #[test]
    fn saved_capacity_is_used_up_to_the_limit_of_a_partition_and_then_only_the_share_is_left() {
        let mut bucket = Bucket::new(100.0, 1_000.0, Burst::Kept, at(0.0));

        // 300 s of 100 units are 30,000. Of each second's 1,000 units 900 come from them, and 100 are new.
        let seconds: Vec<_> = (0..40).map(|second| taken(&mut bucket, 2_000, at(second.into()))).collect();

        assert_eq!(seconds[..33], [1_000; 33]);
        // 30,000 - 1,000 at the first instant, then 900 a second: 29,000 = 32 × 900 + 200.
        assert_eq!(seconds[33], 300);
        assert_eq!(seconds[34..], [100; 6]);
    }

    #[test]
    fn without_burst_a_share_cannot_be_saved_up() {
        let mut bucket = Bucket::new(100.0, 1_000.0, Burst::Lost, at(0.0));

        assert_eq!(taken(&mut bucket, 2_000, at(500.0)), 100);
    }

    #[test]
    fn a_share_that_is_the_limit_gains_nothing_by_burst() {
        let mut bucket = Bucket::new(1_000.0, 1_000.0, Burst::Kept, at(0.0));

        assert_eq!(taken(&mut bucket, 2_000, at(500.0)), 1_000);
    }

    #[test]
    fn one_request_for_more_than_the_bucket_holds_passes_when_it_is_full_and_is_owed() {
        let mut bucket = Bucket::new(10.0, 10.0, Burst::Lost, at(0.0));

        assert!(bucket.has(25.0, at(0.0)));
        bucket.take(25.0);
        assert!(!bucket.has(1.0, at(1.5)));
        assert!(bucket.has(1.0, at(1.6)));
    }
}
