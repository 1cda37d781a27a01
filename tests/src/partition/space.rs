//! The partitions of a table, or of one of its indexes.

use std::{collections::VecDeque, time::Duration};

use super::{
    bucket::{Bucket, Burst},
    constants::{
        NEW_READ_UNITS, NEW_WRITE_UNITS, PARTITION_READ_UNITS, PARTITION_WRITE_UNITS, SPLIT_AFTER, SPLIT_PAUSE,
        SPLIT_SAMPLE,
    },
};
use crate::faults::plan::mix;

/// Where an item lies: by the hash of its partition key, then by its sort key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    hash: u64,
    sort: String,
}

impl Position {
    pub fn new(seed: u64, partition_key: &str, sort: &str) -> Self {
        let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        let hash = partition_key.bytes().fold(0xCBF2_9CE4_8422_2325 ^ mix(seed), fnv);
        Self { hash: mix(hash), sort: sort.to_owned() }
    }
}

/// How keys are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub seed: u64,
    /// A planted bug: the lots of a sale have the number of their key in the sort key, so that they all begin on one
    /// partition. Requests are the same otherwise.
    pub lots_in_sort_key: bool,
}

impl Placement {
    pub fn position(self, partition_key: &str, sort: &str) -> Position {
        match partition_key.rsplit_once('#') {
            Some((sale, key)) if self.lots_in_sort_key && sale.starts_with("SALE#") => {
                Position::new(self.seed, sale, &format!("{key}#{sort}"))
            }
            Some(_) | None => Position::new(self.seed, partition_key, sort),
        }
    }
}

/// What a table or an index can take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Capacity {
    /// Warm throughput, in units a second.
    OnDemand { read: f64, write: f64 },
    /// Units a second, shared evenly by the partitions.
    Provisioned { read: f64, write: f64 },
}

impl Capacity {
    /// A new table or index on demand.
    pub const NEW: Capacity = Capacity::OnDemand { read: NEW_READ_UNITS, write: NEW_WRITE_UNITS };

    fn partitions(self) -> usize {
        let (Capacity::OnDemand { read, write } | Capacity::Provisioned { read, write }) = self;
        let needed = (write / PARTITION_WRITE_UNITS).max(read / PARTITION_READ_UNITS).ceil();
        (needed as usize).max(1)
    }

    /// Units a second of each partition, for reads and for writes.
    fn shares(self, partitions: usize) -> (f64, f64) {
        match self {
            Capacity::OnDemand { .. } => (PARTITION_READ_UNITS, PARTITION_WRITE_UNITS),
            Capacity::Provisioned { read, write } => (read / partitions as f64, write / partitions as f64),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

#[derive(Debug, Clone)]
struct Partition {
    /// Its lowest position. It ends where the next one begins.
    from: Position,
    read: Bucket,
    write: Bucket,
    /// Since when it is throttled, without a pause.
    hot_since: Option<Duration>,
    throttled_last: Duration,
    recent: VecDeque<Position>,
}

impl Partition {
    fn bucket(&mut self, access: Access) -> &mut Bucket {
        match access {
            Access::Read => &mut self.read,
            Access::Write => &mut self.write,
        }
    }
}

/// All partitions of a table or an index, in the order of their positions.
#[derive(Debug, Clone)]
pub struct Space {
    partitions: Vec<Partition>,
    split_after: Duration,
    splits: usize,
}

impl Space {
    pub fn new(capacity: Capacity, burst: Burst) -> Self {
        let count = capacity.partitions();
        let (read, write) = capacity.shares(count);
        let width = u64::MAX / count as u64;
        let partition = |at: usize| Partition {
            from: Position { hash: width * at as u64, sort: String::new() },
            read: Bucket::new(read, PARTITION_READ_UNITS, burst, Duration::ZERO),
            write: Bucket::new(write, PARTITION_WRITE_UNITS, burst, Duration::ZERO),
            hot_since: None,
            throttled_last: Duration::ZERO,
            recent: VecDeque::new(),
        };
        Self { partitions: (0..count).map(partition).collect(), split_after: SPLIT_AFTER, splits: 0 }
    }

    pub fn splitting_after(mut self, split_after: Duration) -> Self {
        self.split_after = split_after;
        self
    }

    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    pub fn splits(&self) -> usize {
        self.splits
    }

    /// The number of the partition of a position.
    pub fn find(&self, position: &Position) -> usize {
        self.partitions.partition_point(|partition| partition.from <= *position) - 1
    }

    /// Whether a partition has this many units. Takes nothing.
    pub fn has(&mut self, partition: usize, access: Access, units: f64, now: Duration) -> bool {
        self.partitions[partition].bucket(access).has(units, now)
    }

    pub fn take(&mut self, partition: usize, access: Access, units: f64) {
        self.partitions[partition].bucket(access).take(units);
    }

    pub fn give_back(&mut self, partition: usize, access: Access, units: f64) {
        self.partitions[partition].bucket(access).give_back(units);
    }

    /// Remembers that a position was requested: a split is made between the positions that are.
    pub fn requested(&mut self, partition: usize, position: &Position) {
        let recent = &mut self.partitions[partition].recent;
        if recent.len() == SPLIT_SAMPLE {
            recent.pop_front();
        }
        recent.push_back(position.clone());
    }

    /// Records that a request was throttled, and splits the partition if that has gone on for long enough.
    pub fn throttled(&mut self, partition: usize, now: Duration) {
        let split_after = self.split_after;
        let hot = &mut self.partitions[partition];
        let paused = now.saturating_sub(hot.throttled_last) > SPLIT_PAUSE;
        hot.throttled_last = now;
        let since = *hot.hot_since.get_or_insert(now);
        if paused {
            hot.hot_since = Some(now);
        } else if now.saturating_sub(since) >= split_after {
            self.split(partition, now);
        }
    }

    /// In the middle of what was requested. One item cannot be split.
    fn split(&mut self, partition: usize, now: Duration) {
        let hot = &mut self.partitions[partition];
        hot.hot_since = Some(now);
        let mut recent: Vec<_> = hot.recent.iter().cloned().collect();
        recent.sort();
        let Some(lowest) = recent.first() else { return };
        let upper = &recent[recent.len() / 2..];
        let Some(middle) = upper.iter().find(|position| *position > lowest) else { return };
        let mut new = hot.clone();
        new.from = middle.clone();
        new.recent.clear();
        hot.recent.clear();
        self.partitions.insert(partition + 1, new);
        self.splits += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 3;

    /// Requests one unit a millisecond of each position in turn, for `seconds` from `from`, and returns how many it got.
    fn writes(space: &mut Space, positions: &[Position], from: u64, seconds: u64) -> usize {
        let mut written = 0;
        for ms in from * 1_000..(from + seconds) * 1_000 {
            let now = Duration::from_millis(ms);
            // Two thousand a second in all.
            for position in
                [&positions[ms as usize * 2 % positions.len()], &positions[(ms as usize * 2 + 1) % positions.len()]]
            {
                let partition = space.find(position);
                space.requested(partition, position);
                if space.has(partition, Access::Write, 1.0, now) {
                    space.take(partition, Access::Write, 1.0);
                    written += 1;
                } else {
                    space.throttled(partition, now);
                }
            }
        }
        written
    }

    #[test]
    fn a_new_table_on_demand_has_four_partitions_and_a_warm_one_as_many_as_it_was_warmed_for() {
        let partitions = |capacity| Space::new(capacity, Burst::Lost).partitions();

        assert_eq!(partitions(Capacity::NEW), 4);
        assert_eq!(partitions(Capacity::OnDemand { read: 12_000.0, write: 30_000.0 }), 30);
        assert_eq!(partitions(Capacity::OnDemand { read: 50_000.0, write: 4_000.0 }), 17);
        assert_eq!(partitions(Capacity::Provisioned { read: 5.0, write: 5.0 }), 1);
    }

    #[test]
    fn keys_spread_over_the_partitions_and_another_seed_places_them_elsewhere() {
        let space = Space::new(Capacity::OnDemand { read: 0.0, write: 10_000.0 }, Burst::Lost);
        let placed = |seed| (0..1_000).map(move |n| Position::new(seed, &format!("ORDER#{n}"), "STATUS"));
        let mut counts = [0; 10];
        placed(1).for_each(|position| counts[space.find(&position)] += 1);

        assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
        assert!(placed(1).zip(placed(2)).filter(|(a, b)| space.find(a) == space.find(b)).count() < 200);
    }

    #[test]
    fn sort_keys_of_one_partition_key_start_on_one_partition_and_are_split_only_after_sustained_throttling() {
        let shards: Vec<_> =
            (0..16).map(|n| Position::new(SEED, "PROD#mug", &format!("META#mug#STOCK#{n:02}"))).collect();
        let mut space = Space::new(Capacity::NEW, Burst::Lost).splitting_after(Duration::from_secs(60));

        let first = writes(&mut space, &shards, 0, 10);
        // 1,000 at once and 1,000 a second, of the 2,000 a second that were wanted.
        assert!((10_900..=11_000).contains(&first), "{first}");
        assert_eq!((space.partitions(), space.splits()), (4, 0));

        writes(&mut space, &shards, 10, 55);
        assert_eq!(space.splits(), 1);
        // Eight shards on each side: twice as much, which is all that is wanted.
        let later = writes(&mut space, &shards, 65, 10);
        assert!((19_900..=20_000).contains(&later), "{later}");
    }

    #[test]
    fn the_planted_bug_places_all_lots_of_a_sale_on_one_partition() {
        let space = Space::new(Capacity::OnDemand { read: 0.0, write: 30_000.0 }, Burst::Lost);
        let placed = |lots_in_sort_key| {
            let placement = Placement { seed: SEED, lots_in_sort_key };
            let lots = (0..16).map(|key| space.find(&placement.position(&format!("SALE#friday#{key}"), "LOT#0001")));
            lots.collect::<std::collections::BTreeSet<_>>().len()
        };

        assert_eq!(placed(true), 1);
        assert!(placed(false) > 8);
    }

    #[test]
    fn one_item_is_never_split() {
        let item = [Position::new(SEED, "PROD#mug", "META#mug#STOCK#00")];
        let mut space = Space::new(Capacity::NEW, Burst::Lost).splitting_after(Duration::from_secs(5));

        let written = writes(&mut space, &item, 0, 60);

        assert!((60_900..=61_000).contains(&written), "{written}");
        assert_eq!(space.splits(), 0);
    }

    #[test]
    fn throttling_that_pauses_splits_nothing() {
        let shards: Vec<_> = (0..16).map(|n| Position::new(SEED, "PROD#mug", &format!("{n:02}"))).collect();
        let mut space = Space::new(Capacity::NEW, Burst::Lost).splitting_after(Duration::from_secs(5));

        for start in (0..60).step_by(6) {
            writes(&mut space, &shards, start, 3);
        }

        assert_eq!(space.splits(), 0);
    }
}
