use std::{collections::BTreeMap, ops::Range};

use jiff::SignedDuration;

/// The most lots that one line of an order takes its units from.
pub const MAX_LOTS_OF_LINE: usize = 20;

/// Write units a second that the lots under one key may use: a quarter of what a partition has, because a partition may
/// hold several keys.
const KEY_WRITES: u32 = 250;

/// Write units that a checkout uses of a key: one lot, doubled in a transaction.
const CHECKOUT_WRITES: u32 = 2;

const MAX_KEYS: u32 = 64;

/// Lots under one key: what one Query of 1.5 RRU reads.
const MAX_LOTS_OF_KEY: u32 = 128;

/// Lots for each expected checkout a second. With transactions of 30 ms, 1.5 lots for each checkout a second are 50 lots for
/// each transaction in flight: two checkouts in a hundred meet on one lot.
const LOTS_OF_RATE: (u32, u32) = (3, 2);

/// Enough lots for a small sale, whose checkouts come in bursts all the same.
const MIN_LOTS: u32 = 16;

/// How the units of a sale are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LotPlan {
    /// Partition keys.
    pub keys: u16,
    pub lots: u32,
}

impl LotPlan {
    /// For this many units and expected checkouts a second.
    pub fn of(units: u32, rate: u32) -> Self {
        let keys = (rate * CHECKOUT_WRITES).div_ceil(KEY_WRITES).clamp(1, MAX_KEYS);
        let (most, each) = LOTS_OF_RATE;
        let lots = (rate * most).div_ceil(each).max(MIN_LOTS).min(keys * MAX_LOTS_OF_KEY).min(units).max(1);
        let keys = keys.min(lots);
        Self { keys: u16::try_from(keys).unwrap_or(u16::MAX), lots }
    }

    /// The lots from one index to another, and the units of each at first, of all the sale's.
    pub fn lots(self, units: u32, indices: Range<u32>) -> impl Iterator<Item = (LotId, u32)> {
        let (lots, keys) = (self.lots.max(1), u32::from(self.keys.max(1)));
        let units_of = move |index| units / lots + u32::from(index < units % lots);
        let id_of = move |index| LotId(index / keys * MAX_KEYS + index % keys);
        (indices.start..indices.end.min(self.lots)).map(move |index| (id_of(index), units_of(index)))
    }
}

/// A lot of a sale. Its key can be computed from it, so an order needs not say how the sale was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LotId(u32);

impl LotId {
    /// The partition key that the lot is under.
    pub fn key(self) -> u16 {
        u16::try_from(self.0 % MAX_KEYS).unwrap_or_default()
    }

    pub fn as_u32(self) -> u32 {
        self.0
    }
}

impl From<u32> for LotId {
    fn from(id: u32) -> Self {
        Self(id)
    }
}

/// Units that a line of an order has from one lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LotTake {
    pub lot: LotId,
    pub units: u32,
}

/// Lots with the units that are believed to be in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LotsSeen(BTreeMap<LotId, u32>);

impl FromIterator<(LotId, u32)> for LotsSeen {
    fn from_iter<I: IntoIterator<Item = (LotId, u32)>>(lots: I) -> Self {
        Self(lots.into_iter().collect())
    }
}

impl LotsSeen {
    pub fn iter(&self) -> impl Iterator<Item = (LotId, u32)> {
        self.0.iter().map(|(lot, left)| (*lot, *left))
    }

    /// Without the lots that are empty.
    #[must_use]
    pub fn not_empty(mut self) -> Self {
        self.0.retain(|_, left| *left > 0);
        self
    }

    pub fn units(&self) -> u64 {
        self.0.values().map(|left| u64::from(*left)).sum()
    }

    /// Whether at most a quarter of the units can have gone in this time, if as many checkouts come to the key as a sale is
    /// planned for. Beyond that most of what is believed would be tried in vain.
    pub fn is_likely_after(&self, age: SignedDuration) -> bool {
        let gone = u128::from(KEY_WRITES / CHECKOUT_WRITES) * age.as_millis().unsigned_abs();
        gone <= u128::from(self.units()) * 1_000 / 4
    }

    /// What is now known of a lot.
    pub fn correct(&mut self, lot: LotId, left: u32) {
        self.0.insert(lot, left);
    }

    /// After a checkout took these units.
    pub fn took(&mut self, takes: &[LotTake]) {
        for take in takes {
            if let Some(left) = self.0.get_mut(&take.lot) {
                *left = left.saturating_sub(take.units);
            }
        }
    }

    /// These lots and those.
    #[must_use]
    pub fn and(mut self, others: &LotsSeen) -> Self {
        self.0.extend(&others.0);
        self
    }

    /// Lots to take these units from: a random one of those that have enough, the likelier the more it has, or else as few as possible together, at most
    /// `most`. `None` if they do not have enough.
    pub fn choose(&self, units: u32, most: usize, random: u64) -> Option<Vec<LotTake>> {
        let enough = || self.iter().filter(|(_, left)| *left >= units);
        let all: u64 = enough().map(|(_, left)| u64::from(left)).sum();
        if all > 0 {
            let mut skipped = random % all;
            let chosen = enough().find(|(_, left)| {
                let here = skipped < u64::from(*left);
                skipped = skipped.saturating_sub(u64::from(*left));
                here
            });
            return chosen.map(|(lot, _)| vec![LotTake { lot, units }]);
        }
        let mut fullest: Vec<_> = self.0.iter().filter(|(_, left)| **left > 0).collect();
        fullest.sort_by_key(|(lot, left)| (std::cmp::Reverse(**left), **lot));
        let (mut takes, mut missing) = (Vec::new(), units);
        for (lot, left) in fullest.into_iter().take(most) {
            let units = missing.min(*left);
            takes.push(LotTake { lot: *lot, units });
            missing -= units;
            if missing == 0 {
                return Some(takes);
            }
        }
        None
    }

    /// The most units that one line can have of them.
    pub fn obtainable(&self, most: usize) -> u32 {
        let mut left: Vec<u32> = self.0.values().copied().collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        left.into_iter().take(most).fold(0, u32::saturating_add)
    }
}
