//! What the model counts.

use std::{collections::BTreeMap, time::Duration};

/// Why a request was throttled, in DynamoDB's words.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Throttled {
    TableRead,
    TableWrite,
    /// By its number in the schema.
    IndexRead(usize),
    IndexWrite(usize),
}

impl Throttled {
    pub fn reason(self) -> &'static str {
        match self {
            Throttled::TableRead => "TableReadKeyRangeThroughputExceeded",
            Throttled::TableWrite => "TableWriteKeyRangeThroughputExceeded",
            Throttled::IndexRead(_) => "IndexReadKeyRangeThroughputExceeded",
            Throttled::IndexWrite(_) => "IndexWriteKeyRangeThroughputExceeded",
        }
    }

    /// The index, if it is one.
    pub fn index(self) -> Option<&'static str> {
        match self {
            Throttled::TableRead | Throttled::TableWrite => None,
            Throttled::IndexRead(at) | Throttled::IndexWrite(at) => table::schema::indexes().get(at).map(|i| i.name),
        }
    }
}

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    pub accepted: u64,
    pub throttled: u64,
    pub conflicts: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// By operation, refused ones included.
    pub requests: BTreeMap<&'static str, u64>,
    pub throttled: BTreeMap<Throttled, u64>,
    /// Transactions that were cancelled because of another transaction on one of their items.
    pub transaction_conflicts: u64,
    /// Plain writes that were refused because of a transaction on their item.
    pub write_conflicts: u64,
    pub failed_conditions: u64,
    /// Transactions that wrote a new order.
    pub orders: u64,
    pub read_units: f64,
    /// On the table and on indexes.
    pub write_units: f64,
    pub seconds: Vec<Second>,
}

impl Counts {
    pub(super) fn second(&mut self, now: Duration) -> &mut Second {
        let at = usize::try_from(now.as_secs()).unwrap_or(usize::MAX);
        if self.seconds.len() <= at {
            self.seconds.resize(at + 1, Second::default());
        }
        &mut self.seconds[at]
    }

    pub fn requests(&self) -> u64 {
        self.requests.values().sum()
    }

    pub fn throttled(&self) -> u64 {
        self.throttled.values().sum()
    }

    /// Those whose reason is an index.
    pub fn throttled_by_indexes(&self) -> u64 {
        self.throttled.iter().filter(|(why, _)| why.index().is_some()).map(|(_, times)| times).sum()
    }

    /// The part of all requests that was throttled, from 0 to 1.
    pub fn throttled_share(&self) -> f64 {
        self.throttled() as f64 / self.requests().max(1) as f64
    }

    pub fn conflicts(&self) -> u64 {
        self.transaction_conflicts + self.write_conflicts
    }
}

/// The value below which this part of the sorted values lies, by the nearest rank; `None` of no values.
pub fn percentile<T: Copy>(sorted: &[T], part: f64) -> Option<T> {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<u32> = (1..=200).collect();

        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.99)), (Some(100), Some(198)));
        assert_eq!(percentile(&values[..1], 0.99), Some(1));
        assert_eq!(percentile::<u32>(&[], 0.5), None);
    }

    #[test]
    fn a_reason_names_its_index() {
        assert_eq!(Throttled::IndexWrite(7).index(), Some("order-state-index"));
        assert_eq!(Throttled::TableWrite.index(), None);
    }
}
