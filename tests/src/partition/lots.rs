//! A sale's units in lots, and how an environment chooses one.
//!
//! The units are spread over M items under p partition keys. An environment remembers for each key which lots it
//! believes to have how much, from one eventually consistent Query at most once a second. A checkout takes from a
//! random lot that is believed to have enough, from several if none has, and says that the sale is sold out only after
//! a consistent look at every key.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnConsumedCapacity},
};
use tokio::time::Instant;

use super::{
    random::Random,
    stock::{Lot, lot_pk},
};

/// Units that a transaction writes on one key for each checkout.
const UNITS_A_CHECKOUT: f64 = 2.0;
/// A quarter of what a partition can take, as keys may share one.
const UNITS_A_KEY: f64 = 250.0;
const MOST_KEYS: u16 = 64;
/// One Query of a key reads them all for one read unit.
const MOST_LOTS_A_KEY: u16 = 64;
/// With 50 lots for each transaction in flight, about two of a hundred meet another.
const LOTS_IN_FLIGHT: f64 = 50.0;

const REFRESHED_EVERY: Duration = Duration::from_secs(1);
/// The part of a key's units that others may have taken since it was read. Beyond that it is read again.
const TRUSTED_PART: f64 = 0.25;
/// What is remembered for longer is read again in a checkout that has missed: towards the end most of it is no longer so.
const FRESH: Duration = Duration::from_millis(50);

/// How many keys and lots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    pub keys: u16,
    pub lots: u16,
    /// Checkouts a second on each key.
    pub rate: f64,
}

impl Plan {
    /// For so many units, checkouts a second, and seconds a transaction takes.
    pub fn new(units: u32, rate: f64, latency: f64) -> Self {
        let keys = (rate * UNITS_A_CHECKOUT / UNITS_A_KEY).ceil().clamp(1.0, MOST_KEYS.into()) as u16;
        let keys = keys.min(u16::try_from(units.max(1)).unwrap_or(MOST_KEYS));
        let wanted = (LOTS_IN_FLIGHT * rate * latency).ceil();
        let most = f64::from(keys * MOST_LOTS_A_KEY).min(units.into());
        Self { keys, lots: wanted.min(most).max(keys.into()) as u16, rate: rate / f64::from(keys) }
    }

    /// Every lot with its units, which differ by one at most.
    pub fn filled(self, units: u32) -> Vec<(Lot, i64)> {
        let (each, more) = (units / u32::from(self.lots), units % u32::from(self.lots));
        let lot = |at: u16| {
            let lot = Lot { key: at % self.keys, number: at / self.keys };
            (lot, i64::from(each + u32::from(u32::from(at) < more)))
        };
        (0..self.lots).map(lot).collect()
    }
}

/// What follows a transaction that found a lot empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterMiss {
    /// The lot is crossed out, and another one of what is remembered is tried.
    CrossOut,
    /// The checkout no longer trusts what it remembers: it reads a key before it takes from it. And a key is trusted
    /// the less, the less it has.
    LookAgain,
}

/// What one environment believes of the lots of a sale.
#[derive(Debug)]
pub struct Believed {
    sale: String,
    after_miss: AfterMiss,
    /// Checkouts a second on each key.
    rate: f64,
    keys: Vec<Remembered>,
    sold_out: Option<Instant>,
}

#[derive(Debug, Clone, Default)]
struct Remembered {
    /// Lots that have something left.
    lots: Vec<(Lot, i64)>,
    read: Option<Instant>,
}

/// Where to take the units from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    From(Vec<(Lot, i64)>),
    SoldOut,
}

impl Believed {
    pub fn new(sale: &str, plan: Plan, after_miss: AfterMiss) -> Self {
        let keys = vec![Remembered::default(); plan.keys.into()];
        Self { sale: sale.to_owned(), after_miss, rate: plan.rate, keys, sold_out: None }
    }

    /// `missed`: whether this checkout found a lot empty before.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn choose(
        &mut self,
        client: &Client,
        table: &str,
        units: i64,
        missed: bool,
        random: &mut Random,
    ) -> Result<Choice, String> {
        if is_younger(self.sold_out, REFRESHED_EVERY) {
            return Ok(Choice::SoldOut);
        }
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        random.shuffle(&mut order);
        for key in &order {
            if !is_younger(self.keys[*key].read, self.trusted(*key, missed)) {
                self.read(client, table, *key, missed).await?;
            }
            if let Some(lot) = self.one_with(*key, units, random) {
                return Ok(Choice::From(vec![(lot, units)]));
            }
        }
        if let Some(several) = self.several(&order, units) {
            return Ok(Choice::From(several));
        }
        for key in &order {
            self.read(client, table, *key, true).await?;
            if let Some(lot) = self.one_with(*key, units, random) {
                return Ok(Choice::From(vec![(lot, units)]));
            }
        }
        if let Some(several) = self.several(&order, units) {
            return Ok(Choice::From(several));
        }
        // Units of holds may come back.
        self.sold_out = Some(Instant::now());
        Ok(Choice::SoldOut)
    }

    /// For how long what is remembered of a key is used.
    fn trusted(&self, key: usize, missed: bool) -> Duration {
        let left: i64 = self.keys[key].lots.iter().map(|(_, left)| left).sum();
        match self.after_miss {
            AfterMiss::CrossOut => REFRESHED_EVERY,
            AfterMiss::LookAgain if missed => FRESH,
            // A key that is remembered as empty is looked at like any other, once a second.
            AfterMiss::LookAgain if left == 0 => REFRESHED_EVERY,
            AfterMiss::LookAgain => {
                REFRESHED_EVERY.min(Duration::from_secs_f64(TRUSTED_PART * left as f64 / self.rate))
            }
        }
    }

    fn one_with(&self, key: usize, units: i64, random: &mut Random) -> Option<Lot> {
        let enough: Vec<_> = self.keys[key].lots.iter().filter(|(_, left)| *left >= units).collect();
        // The more a lot has, the likelier: so that lots are emptied together, and the last units are in many of them.
        let total: i64 = enough.iter().map(|(_, left)| left).sum();
        let mut drawn = random.below(usize::try_from(total).ok().filter(|total| *total > 0)?) as i64;
        let chosen = enough.iter().find(|(_, left)| {
            drawn -= left;
            drawn < 0
        });
        chosen.map(|(lot, _)| *lot)
    }

    /// As few lots as are needed, the fullest first.
    fn several(&self, order: &[usize], units: i64) -> Option<Vec<(Lot, i64)>> {
        let mut all: Vec<_> = order.iter().flat_map(|key| self.keys[*key].lots.iter().copied()).collect();
        all.sort_by_key(|(_, left)| -left);
        let (mut wanted, mut chosen) = (units, Vec::new());
        for (lot, left) in all.into_iter().filter(|(_, left)| *left > 0) {
            if wanted == 0 {
                break;
            }
            let part = left.min(wanted);
            chosen.push((lot, part));
            wanted -= part;
        }
        (wanted == 0).then_some(chosen)
    }

    /// Takes away what was bought.
    pub fn bought(&mut self, taken: &[(Lot, i64)]) {
        for (lot, units) in taken {
            let known = self.keys[usize::from(lot.key)].lots.iter_mut().find(|(known, _)| known == lot);
            if let Some((_, left)) = known {
                *left -= units;
            }
        }
    }

    /// Crosses out lots that turned out to have too little.
    pub fn missed(&mut self, empty: &[Lot]) {
        for lot in empty {
            self.keys[usize::from(lot.key)].lots.retain(|(known, _)| known != lot);
        }
    }

    async fn read(&mut self, client: &Client, table: &str, key: usize, consistent: bool) -> Result<(), String> {
        let number = u16::try_from(key).map_err(|e| e.to_string())?;
        let call = client
            .query()
            .table_name(table)
            .consistent_read(consistent)
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(lot_pk(&self.sale, number)))
            // Costs the same, and leaves less to parse.
            .filter_expression("#left > :none")
            .expression_attribute_names("#left", "left")
            .expression_attribute_values(":none", AttributeValue::N("0".to_owned()))
            .limit(MOST_LOTS_A_KEY.into())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let output = call.await.map_err(|e| table::error_chain(&e))?;
        let lot = |item: &HashMap<String, AttributeValue>| {
            let number = item.get("SK")?.as_s().ok()?.strip_prefix("LOT#")?.parse().ok()?;
            let left: i64 = item.get("left")?.as_n().ok()?.parse().ok()?;
            Some((Lot { key: u16::try_from(key).ok()?, number }, left))
        };
        let lots = output.items().iter().filter_map(lot).collect();
        self.keys[key] = Remembered { lots, read: Some(Instant::now()) };
        Ok(())
    }
}

fn is_younger(at: Option<Instant>, age: Duration) -> bool {
    at.is_some_and(|at| at.elapsed() < age)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn planned(units: u32, rate: f64, latency: f64) -> (u16, u16) {
        let Plan { keys, lots, .. } = Plan::new(units, rate, latency);
        (keys, lots)
    }

    #[test]
    fn a_plan_has_enough_keys_for_the_rate_and_enough_lots_for_what_is_in_flight() {
        // 2,000 × 2 / 250 = 16 keys; 50 × 2,000 × 0.015 = 1,500 lots, of which 16 × 64 fit.
        assert_eq!(planned(5_000, 2_000.0, 0.015), (16, 1_024));
        // 100 × 2 / 250 = 0.8; 50 × 100 × 0.015 = 75, of which 64 fit.
        assert_eq!(planned(5_000, 100.0, 0.015), (1, 64));
        assert_eq!(planned(20, 100.0, 0.015), (1, 20));
        assert_eq!(planned(3, 2_000.0, 0.015), (3, 3));
        assert_eq!(planned(1_000_000, 1e6, 0.015), (64, 4_096));
    }

    #[test]
    fn no_unit_is_lost_between_the_lots() {
        for (units, plan) in [(5_000, Plan::new(5_000, 2_000.0, 0.015)), (20, Plan::new(20, 100.0, 0.015))] {
            let lots = plan.filled(units);
            let left: Vec<_> = lots.iter().map(|(_, left)| *left).collect();

            assert_eq!(left.iter().sum::<i64>(), i64::from(units));
            assert!(left.iter().max().unwrap() - left.iter().min().unwrap() <= 1);
            assert_eq!(lots.iter().map(|(lot, _)| lot).collect::<BTreeSet<_>>().len(), usize::from(plan.lots));
            assert!(lots.iter().all(|(lot, _)| lot.key < plan.keys && lot.number < MOST_LOTS_A_KEY));
        }
    }

    #[test]
    fn what_no_lot_has_alone_is_taken_from_the_fullest() {
        let mut believed = Believed::new("s", Plan { keys: 2, lots: 3, rate: 1.0 }, AfterMiss::CrossOut);
        let [one, two, three] = [(0, 0), (0, 1), (1, 0)].map(|(key, number)| Lot { key, number });
        believed.keys[0].lots = vec![(one, 1), (two, 3)];
        believed.keys[1].lots = vec![(three, 2)];

        assert_eq!(believed.several(&[0, 1], 4), Some(vec![(two, 3), (three, 1)]));
        assert_eq!(believed.several(&[0, 1], 7), None);
    }
}
