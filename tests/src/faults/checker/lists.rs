//! Projections: the lists of customers' orders and the items of order lines, which the stream repairs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::items::{Order, World, number, text};

/// T1, T2: after recovery every order is in its customer's list with its current values, and each of its lines has its
/// item.
pub fn outside(world: &World<'_>) -> Vec<String> {
    let items = world.evidence.table.iter().map(|item| ((text(item, "PK"), text(item, "SK")), item));
    let items: BTreeMap<_, _> = items.collect();
    let mut found = Vec::new();
    for (id, order) in &world.orders {
        let (pk, sk) = entry_key(id, order);
        match items.get(&(pk.as_str(), sk.as_str())) {
            None => found.push(format!("order {id} is not in the list of {}", order.customer)),
            Some(entry) => {
                let differ = |name: &&&str| entry.get(**name) != order.item.get(**name);
                let names = ["state", "version", "total", "currency", "itemCount"];
                let differ: Vec<_> = names.iter().filter(differ).collect();
                if !differ.is_empty() {
                    found.push(format!("order {id} is listed with another {differ:?}"));
                }
            }
        }
        for line in &order.lines {
            let item = items.get(&(text(order.item, "PK"), format!("ITEM#{}", line.product).as_str())).copied();
            if item.map(line_item) != Some((line.units, line.price, order.currency)) {
                found.push(format!("order {id}: {} of {} has no such item", line.units, line.product));
            }
        }
    }
    found
}

/// T1, T2: every entry of a list and every line item belongs to an order.
pub fn phantom(world: &World<'_>) -> Vec<String> {
    let stray = world.evidence.table.iter().filter(|item| {
        let (pk, sk) = (text(item, "PK"), text(item, "SK"));
        match (pk.strip_prefix("ORDER#"), sk.strip_prefix("ITEM#"), sk.strip_prefix("ORDER#")) {
            (Some(id), Some(product), _) => {
                world.orders.get(id).is_none_or(|order| order.lines.iter().all(|line| line.product != product))
            }
            (None, None, Some(entry)) if pk.starts_with("USER#") => {
                let id = entry.split_once('#').map_or("", |(_day, id)| id);
                world.orders.get(id).is_none_or(|order| entry_key(id, order) != (pk.to_owned(), sk.to_owned()))
            }
            _ => false,
        }
    });
    stray.map(|item| format!("{} / {}", text(item, "PK"), text(item, "SK"))).collect()
}

/// The key of an order's entry in its customer's list.
fn entry_key(id: &str, order: &Order<'_>) -> (String, String) {
    let day = text(order.item, "placedAt").get(..10).unwrap_or_default();
    (format!("USER#{}", order.customer), format!("ORDER#{day}#{id}"))
}

fn line_item(item: &Value) -> (i64, i64, &str) {
    (number(item, "quantity"), number(item, "unitPrice"), text(item, "currency"))
}
