//! Idempotency records: what the shop remembers of requests.

use std::collections::BTreeSet;

use serde_json::Value;

use super::items::{CHECKOUT, World, order_of, text};

/// A customer's request under a key placed this order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Record<'a> {
    pub customer: &'a str,
    pub key: &'a str,
    pub order: &'a str,
}

impl<'a> Record<'a> {
    fn of(pk: &'a str, sk: &str, item: &'a Value) -> Option<Self> {
        let (customer, key) = pk.strip_prefix("IDEM#")?.split_once('#')?;
        // After the order's id may follow how many authentications had failed before.
        let order = text(item, "outcome").split(' ').next().unwrap_or_default();
        (sk == CHECKOUT).then_some(Self { customer, key, order })
    }
}

/// The records in the table.
pub fn kept<'a>(world: &World<'a>) -> impl Iterator<Item = Record<'a>> + use<'a> {
    let items = world.evidence.table.iter();
    items.filter_map(|item| Record::of(text(item, "PK"), text(item, "SK"), item))
}

/// The records in the table, and those in the stream that were overwritten or have expired.
pub fn ever<'a>(world: &World<'a>) -> BTreeSet<Record<'a>> {
    world.images().filter_map(|(pk, sk, image)| Record::of(pk, sk, image)).collect()
}

/// C1, C3: a record is written together with its order, so the order exists and is that customer's.
pub fn no_order(world: &World<'_>) -> Vec<String> {
    let is_theirs = |record: &Record<'_>| {
        let order = world.orders.get(record.order);
        order.is_some_and(|order| world.is_one(record.customer, order.customer))
            && world.placed_by(record.order) == record.customer
    };
    let orphans = kept(world).filter(|record| !is_theirs(record));
    orphans.map(|Record { customer, key, order }| format!("{customer} {key}: order {order}")).collect()
}

/// C1, C2: an order is written together with its record, so the stream shows a record of every order that was placed;
/// without it a retry would buy again.
pub fn no_record(world: &World<'_>) -> Vec<String> {
    let recorded: BTreeSet<_> = ever(world).into_iter().map(|record| record.order).collect();
    let placed = world.evidence.stream.iter().filter(|change| change.old.is_none());
    let placed = placed.filter_map(|change| order_of(&change.pk, &change.sk));
    placed.filter(|id| !recorded.contains(id)).map(|id| format!("order {id} has no record")).collect()
}
