//! The stream's shards: four by key, each of which splits in two.

use std::collections::VecDeque;

use serde_json::Value;

use super::records::key;
use crate::faults::{plan::mix, runs::Dice};

const PARENTS: usize = 4;

/// What is left of each shard: parents first, then the two children of each.
pub struct Shards(Vec<VecDeque<Value>>);

impl Shards {
    /// An item's records are in one shard, in order, and go on in one of its children from some point on.
    pub fn of(records: &[Value], dice: &mut Dice) -> Self {
        let mut parents = vec![Vec::new(); PARENTS];
        for record in records {
            parents[usize::try_from(place(record) % PARENTS as u64).expect("an index")].push(record.clone());
        }
        let mut shards = vec![VecDeque::new(); PARENTS * 3];
        for (number, parent) in parents.into_iter().enumerate() {
            let split = usize::try_from(dice.roll(parent.len() as u64 + 1)).expect("an index");
            for (at, record) in parent.into_iter().enumerate() {
                let child = PARENTS + number * 2 + usize::from(mix(place(&record)) % 2 == 1);
                shards[if at < split { number } else { child }].push_back(record);
            }
        }
        Self(shards)
    }

    /// Shards that have records: a child only once its parent is finished.
    pub fn ready(&self) -> Vec<usize> {
        let finished = |shard: usize| self.0[shard].is_empty();
        (0..self.0.len()).filter(|s| !finished(*s) && (*s < PARENTS || finished(family(*s)))).collect()
    }

    pub fn take(&mut self, shard: usize, most: usize) -> Vec<Value> {
        let count = most.min(self.0[shard].len());
        self.0[shard].drain(..count).collect()
    }
}

/// The parent of a child; a parent is its own.
pub fn family(shard: usize) -> usize {
    if shard < PARENTS { shard } else { (shard - PARENTS) / 2 }
}

/// FNV-1a of the partition key. DynamoDB's own hash is not known, but it too is the same for all records of an item.
fn place(record: &Value) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(key(record).0.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_record_comes_once_and_those_of_an_item_in_order() {
        let record = |n: u64| json!({"n": n, "dynamodb": {"Keys": {"PK": {"S": format!("ORDER#{}", n % 37)}}}});
        let records: Vec<_> = (0..1_000).map(record).collect();
        let mut dice = Dice(7);
        let mut shards = Shards::of(&records, &mut dice);

        let mut seen = Vec::new();
        while !shards.ready().is_empty() {
            let shard = *dice.pick(&shards.ready());
            seen.extend(shards.take(shard, 3));
        }

        assert_eq!(seen.len(), 1_000);
        assert_ne!(seen, records);
        for item in 0..37 {
            let of_item = |all: &[Value]| {
                all.iter().filter_map(|r| r["n"].as_u64()).filter(|n| n % 37 == item).collect::<Vec<_>>()
            };
            assert_eq!(of_item(&seen), of_item(&records));
        }
    }
}
