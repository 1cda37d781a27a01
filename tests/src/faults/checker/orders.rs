//! Rules about orders and the carts they came from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Change,
    items::{Order, World, number, order_of, text},
};

/// C3: after recovery no payment and no refund is open, and exactly the orders with an open dispute are due.
pub fn stuck(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order) in &world.orders {
        if order.awaits_payment() {
            found.push(format!("order {id} is {}", order.state));
        }
        let owed = order.refunds.iter().filter(|refund| refund.state == "requested");
        found.extend(owed.map(|refund| format!("order {id} owes refund {}", refund.number)));
        let disputed = order.disputes.iter().any(|(_, state)| *state == "open");
        if ["dueAt", "dueShard"].iter().any(|name| order.item.get(name).is_some() != disputed) {
            let due = if disputed { "disputed and not due" } else { "still due" };
            found.push(format!("order {id} is {} and {due}", order.state));
        }
    }
    found
}

/// C3: orders are never deleted.
pub fn vanished(world: &World<'_>) -> Vec<String> {
    let seen = world.evidence.stream.iter().filter_map(|change| order_of(&change.pk, &change.sk));
    let gone: BTreeSet<_> = seen.filter(|id| !world.orders.contains_key(id)).collect();
    gone.into_iter().map(|id| format!("order {id} is gone")).collect()
}

/// C6: total and number of items are those of the lines; nothing is added or taken off while the shop has no rules for
/// discounts, shipping and tax.
pub fn totals_wrong(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order) in &world.orders {
        let of = |name| number(order.item, name);
        let cost: i64 = order.lines.iter().map(|line| line.units * line.price).sum();
        let units: i64 = order.lines.iter().map(|line| line.units).sum();
        let total = of("subtotal") - of("discount") + of("shipping") + of("tax");
        let paid: i64 = order.lines.iter().map(|line| line.paid).sum();
        if order.lines.is_empty() || [order.total, of("subtotal"), total, paid] != [cost; 4] {
            let parts = format!("{total} by its parts, {paid} allocated to lines");
            found.push(format!("order {id}: lines of {cost}, {parts}, a total of {}", order.total));
        }
        if of("itemCount") != units {
            found.push(format!("order {id}: {units} units, {} items", of("itemCount")));
        }
    }
    found
}

/// K1: a checkout takes the version of the cart it bought, so two orders of one customer never have the same. Customers
/// whose cart was deleted (a guest's, by TTL) are left out: their next cart counts from 1 again.
pub fn cart_sold_twice(world: &World<'_>) -> Vec<String> {
    let deleted = world.evidence.stream.iter().filter(|change| change.sk == "CART" && change.new.is_none());
    let deleted: BTreeSet<_> = deleted.filter_map(|change| change.pk.strip_prefix("USER#")).collect();
    let mut bought: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (id, order) in &world.orders {
        bought.entry((world.placed_by(id), number(order.item, "cartVersion"))).or_default().push(id);
    }
    let twice = bought.into_iter().filter(|((customer, _), ids)| ids.len() > 1 && !deleted.contains(customer));
    twice
        .map(|((customer, version), ids)| format!("version {version} of {customer}'s cart is orders {ids:?}"))
        .collect()
}

/// K2: every order can be reached by its customer, who has another session after one ended, or a profile to log in
/// with. A guest who logged in has neither.
pub fn orphaned(world: &World<'_>) -> Vec<String> {
    let (mut present, mut left) = (BTreeSet::new(), BTreeSet::new());
    for item in &world.evidence.table {
        let (pk, sk) = (text(item, "PK"), text(item, "SK"));
        present.extend(pk.strip_prefix("USER#").filter(|_| sk == "PROFILE" || sk.starts_with("SESSION#")));
    }
    for change in world.evidence.stream.iter().filter(|change| change.new.is_none()) {
        left.extend(change.pk.strip_prefix("USER#").filter(|_| change.sk.starts_with("SESSION#")));
    }
    let gone = |customer: &str| left.contains(customer) && !present.contains(customer);
    let orphans = world.orders.iter().filter(|(_, order)| gone(order.customer));
    orphans.map(|(id, order)| format!("order {id} is of {}, who can no longer open it", order.customer)).collect()
}

/// Records of one transaction are closer together than this in the stream.
const TRANSACTION: usize = 100;

/// K1: the lines of an order that was cancelled unpaid are in its customer's cart again, added to what is there. A line
/// holds 9,999 units, and a cart 90 lines; units that do not fit are in `leftOut`. Of a replaced order the customer has
/// added some units again already: those count.
pub fn cart_kept(world: &World<'_>) -> Vec<String> {
    let stream = &world.evidence.stream;
    let mut found = Vec::new();
    for (at, change) in stream.iter().enumerate() {
        let (Some(id), Some(old), Some(new)) = (order_of(&change.pk, &change.sk), &change.old, &change.new) else {
            continue;
        };
        let (before, after) = (Order::of(old), Order::of(new));
        if !before.awaits_payment() || !after.is_cancelled() || text(new, "paymentState") == "captured" {
            continue;
        }
        let near = &stream[at.saturating_sub(TRANSACTION)..stream.len().min(at + TRANSACTION)];
        if !near.iter().any(|change| gives_back(world, change, &after)) {
            found.push(format!("order {id} was cancelled, and {} did not get the cart back", after.customer));
        }
    }
    found
}

fn gives_back(world: &World<'_>, change: &Change, order: &Order<'_>) -> bool {
    let whose = change.pk.strip_prefix("USER#").filter(|_| change.sk == "CART");
    let (Some(whose), Some(new)) = (whose, &change.new) else { return false };
    let units = |image: &Value, product: &str| number(&image["cartLines"][product], "q");
    let left_out = |image: &Value, product: &str| image["leftOut"][product].as_i64().unwrap_or_default();
    let sum = |image: &Value, product: &str| units(image, product) + left_out(image, product);
    let replaced = order.history.last().is_some_and(|event| event.name == "replaced");
    let before = |product: &str| change.old.as_ref().map_or(0, |old| sum(old, product));
    world.is_one(order.customer, whose)
        && order.lines.iter().all(|line| {
            let beside = if replaced { 0 } else { before(line.product) };
            sum(new, line.product) >= (beside + line.units).max(before(line.product))
        })
}
