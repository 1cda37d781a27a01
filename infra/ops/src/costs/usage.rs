//! How much is used of what AWS charges for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::prices::{Item, PriceList};
use crate::decimal::Decimal;

/// Quantities by what they are of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usage(BTreeMap<Item, Decimal>);

impl Usage {
    #[must_use]
    pub fn and(mut self, item: Item, quantity: Decimal) -> Self {
        self.add(item, quantity);
        self
    }

    pub fn add(&mut self, item: Item, quantity: Decimal) {
        if quantity != Decimal::ZERO {
            *self.0.entry(item).or_default() += quantity;
        }
    }

    pub fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|(item, quantity)| self.add(*item, *quantity));
    }

    /// So often.
    #[must_use]
    pub fn times(&self, count: Decimal) -> Self {
        Self(self.0.iter().map(|(item, quantity)| (*item, quantity.times(count))).collect())
    }

    /// Without the reads and writes of the table, which a table that is provisioned does not pay for.
    #[must_use]
    pub fn without_requests_to_the_table(mut self) -> Self {
        self.0.retain(|item, _| !matches!(item, Item::Rru | Item::Wru));
        self
    }

    pub fn of(&self, item: Item) -> Decimal {
        self.0.get(&item).copied().unwrap_or_default()
    }

    /// How many, if only one thing is used.
    pub fn of_one_kind(&self) -> Option<Decimal> {
        let mut quantities = self.0.values();
        quantities.next().filter(|_| quantities.next().is_none()).copied()
    }

    /// US dollars.
    pub fn cost(&self, prices: &PriceList) -> Decimal {
        self.0.iter().map(|(item, quantity)| prices.cost(*item, *quantity)).sum()
    }

    /// US dollars by what is paid for.
    pub fn costs(&self, prices: &PriceList) -> Vec<(Item, Decimal)> {
        self.0.iter().map(|(item, quantity)| (*item, prices.cost(*item, *quantity))).collect()
    }

    /// US dollars by service, in the order of the price list.
    pub fn cost_by_service(&self, prices: &PriceList) -> Vec<(String, Decimal)> {
        let mut services: Vec<(String, Decimal)> = Vec::new();
        for price in prices.iter().filter(|price| self.0.contains_key(&price.name)) {
            let cost = prices.cost(price.name, self.of(price.name));
            match services.iter_mut().find(|(service, _)| *service == price.service) {
                Some((_, sum)) => *sum += cost,
                None => services.push((price.service.clone(), cost)),
            }
        }
        services
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(quantities: &[u32]) -> Usage {
        let each = Item::ALL.iter().zip(quantities);
        each.fold(Usage::default(), |usage, (item, quantity)| usage.and(*item, Decimal::whole((*quantity).into())))
    }

    proptest! {
        #[test]
        fn what_is_used_twice_costs_twice_and_services_add_up(
            quantities in prop::collection::vec(any::<u32>(), Item::ALL.len()),
            count in 0_u32..10_000,
        ) {
            let (prices, usage) = (PriceList::built_in(), usage(&quantities));

            let once = usage.cost(&prices);

            let by_service: Decimal = usage.cost_by_service(&prices).into_iter().map(|(_, cost)| cost).sum();
            let often = Decimal::whole(count.into());
            prop_assert_eq!(by_service, once);
            // Every price is exact, so nothing is rounded here.
            prop_assert_eq!(usage.times(often).cost(&prices), once.times(often));
        }

        #[test]
        fn sums_of_usage_cost_the_sum(
            one in prop::collection::vec(any::<u32>(), Item::ALL.len()),
            other in prop::collection::vec(any::<u32>(), Item::ALL.len()),
        ) {
            let (prices, one, other) = (PriceList::built_in(), usage(&one), usage(&other));

            let mut both = one.clone();
            both.add_all(&other);

            prop_assert_eq!(both.cost(&prices), one.cost(&prices) + other.cost(&prices));
        }
    }
}
