//! Units of sales: each is in a lot, in an order, or back in the stock, and no buyer has more than the limit.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Change, Evidence,
    items::{Order, World, list, move_of, number, order_of, text},
};

/// Every sale's units, as the stream shows them.
#[derive(Default)]
pub struct SaleAudit<'a> {
    sales: BTreeMap<&'a str, Units<'a>>,
    /// Units of sales in each order, at this point of the stream.
    gone_by: BTreeMap<&'a str, BTreeMap<&'a str, i64>>,
}

#[derive(Default)]
struct Units<'a> {
    /// The sale's item; `None` before its first record.
    item: Option<&'a Value>,
    /// By key.
    lots: BTreeMap<(&'a str, &'a str), i64>,
    /// Units that were in lots at first.
    written: i64,
    /// Units in all orders together.
    gone: i64,
    /// The fewest that were in lots at any moment since all lots were written.
    least: Option<i64>,
    oversold: Option<String>,
}

impl Units<'_> {
    fn in_lots(&self) -> i64 {
        self.lots.values().sum()
    }

    fn progress(&self, name: &str) -> Option<&Value> {
        self.item?["progress"].get(name)
    }
}

/// The sale and the key of a lot.
fn lot_of<'a>(pk: &'a str, sk: &str) -> Option<&'a str> {
    let (sale, _) = pk.strip_prefix("SALE#")?.rsplit_once('#')?;
    sk.starts_with("LOT#").then_some(sale)
}

fn sale_of<'a>(pk: &str, sk: &'a str) -> Option<&'a str> {
    sk.strip_prefix("SALE#").filter(|_| pk == "FLASH_SALE#ALL")
}

impl<'a> SaleAudit<'a> {
    pub fn of(evidence: &'a Evidence) -> Self {
        let mut audit = Self::default();
        evidence.stream.iter().enumerate().for_each(|(at, change)| audit.take(change, at));
        audit
    }

    fn take(&mut self, change: &'a Change, at: usize) {
        let Change { pk, sk, old, new } = change;
        if let Some(sale) = sale_of(pk, sk) {
            self.sales.entry(sale).or_default().item = new.as_ref();
        } else if let Some(sale) = lot_of(pk, sk) {
            let units = self.sales.entry(sale).or_default();
            match new {
                Some(new) => _ = units.lots.insert((pk, sk), number(new, "unitsLeft")),
                None => _ = units.lots.remove(&(pk.as_str(), sk.as_str())),
            }
            if let (None, Some(new)) = (old, new) {
                units.written += number(new, "unitsLeft");
            }
            let in_lots = units.in_lots();
            if units.progress("preparing").is_none() {
                units.least = Some(units.least.unwrap_or(in_lots).min(in_lots));
            }
            self.verify(sale, at);
        } else if let Some(order) = order_of(pk, sk) {
            let after = new.as_ref().map(|new| Order::of(new).sale_units_gone()).unwrap_or_default();
            let before = self.gone_by.insert(order, after.clone()).unwrap_or_default();
            before.iter().for_each(|(sale, units)| self.sales.entry(sale).or_default().gone -= units);
            after.iter().for_each(|(sale, units)| self.sales.entry(sale).or_default().gone += units);
            after.keys().for_each(|sale| self.verify(sale, at));
        }
    }

    fn verify(&mut self, sale: &'a str, at: usize) {
        let Some(units) = self.sales.get_mut(sale) else { return };
        let of = units.item.map_or(0, |item| number(item, "unitCount"));
        let (left, gone) = (units.in_lots(), units.gone);
        if units.lots.values().any(|left| *left < 0) || left + gone > of {
            let detail = format!("sale {sale}: {left} left and {gone} in orders of {of}, after record {at}");
            units.oversold.get_or_insert(detail);
        }
    }

    /// The fewest units of a product that were in lots of its sale at any moment; `None` without a sale.
    pub fn least(&self, product: &str) -> Option<i64> {
        let of = self.sales.values().filter(|units| units.item.is_some_and(|item| text(item, "product") == product));
        of.filter_map(|units| units.least).min()
    }
}

/// S1, F2: at every prefix of the stream no lot has less than nothing, and lots and orders have no more than was set aside.
pub fn oversold(world: &World<'_>) -> Vec<String> {
    world.sales.sales.values().filter_map(|units| units.oversold.clone()).collect()
}

/// F2: at the end, every unit that was set aside is in a lot, in an order, or back in the stock.
pub fn does_not_add_up(world: &World<'_>) -> Vec<String> {
    let moves = |product: &str, kind: &str| -> i64 {
        let lines =
            world.evidence.table.iter().filter(|item| move_of(text(item, "PK"), text(item, "SK")) == Some(product));
        lines.filter(|line| text(line, "kind") == kind).map(|line| number(line, "delta")).sum()
    };
    let mut found = Vec::new();
    for (id, units) in &world.sales.sales {
        let Some(item) = units.item else { continue };
        let (of, product) = (number(item, "unitCount"), text(item, "product"));
        let outside = match (units.progress("ended"), units.progress("closing")) {
            (Some(_), _) => moves(product, "sale_ended"),
            (None, Some(closing)) => number(closing, "units"),
            (None, None) => of - units.written,
        };
        // Nobody buys from the lots of a sale that has ended: units in them are lost.
        let left = if units.progress("ended").is_some() { 0 } else { units.in_lots() };
        let (gone, back) = (units.gone, moves(product, "sale_returned"));
        if left + gone + back + outside != of {
            found.push(format!(
                "sale {id}: {left} in lots, {gone} in orders, {back} returned after it and {outside} at its end, of {of}"
            ));
        }
    }
    found
}

/// F2: a sale that is over gets its units back to the stock.
pub fn stuck(world: &World<'_>) -> Vec<String> {
    let open = world.sales.sales.iter().filter(|(_, units)| units.item.is_some() && units.progress("ended").is_none());
    open.map(|(id, units)| format!("sale {id}: {:?}", units.item.map(|item| &item["progress"]))).collect()
}

/// F2: no customer, guest or e-mail address has more units of a sale than its limit, and each counter has at least theirs.
pub fn limit_exceeded(world: &World<'_>) -> Vec<String> {
    let mut bought: BTreeMap<(&str, String), i64> = BTreeMap::new();
    for (id, order) in &world.orders {
        for (sale, units) in order.sale_units_gone() {
            *bought.entry((sale, world.placed_by(id).to_owned())).or_default() += units;
            *bought.entry((sale, text(&order.item["contact"], "email").to_owned())).or_default() += units;
        }
    }
    let mut found = Vec::new();
    for ((sale, buyer), units) in bought {
        let Some(item) = world.sales.sales.get(sale).and_then(|units| units.item) else { continue };
        let Some(limit) = list(item, "terms").last().and_then(|terms| terms["l"].as_i64()) else { continue };
        if units > limit {
            found.push(format!("sale {sale}: {buyer} has {units} of at most {limit}"));
        }
        // The counter of an e-mail has its digest as a key, which the shop computes.
        let pk = format!("SALE#{sale}#BY#{buyer}");
        let counted = world.evidence.table.iter().find(|item| text(item, "PK") == pk);
        if !buyer.contains('@') && counted.is_none_or(|counter| number(counter, "bought") < units) {
            found.push(format!("sale {sale}: {buyer} has {units}, and fewer are counted"));
        }
    }
    found
}

/// F2: no counter has units of orders that were not placed: a buyer would be refused what the limit allows.
pub fn counted_too_much(world: &World<'_>) -> Vec<String> {
    let mut bought: BTreeMap<String, i64> = BTreeMap::new();
    for (id, order) in &world.orders {
        for (sale, units) in order.sale_units_gone() {
            *bought.entry(format!("SALE#{sale}#BY#{}", world.placed_by(id))).or_default() += units;
        }
    }
    // Units that return after the sale stay counted.
    let late: i64 = world
        .evidence
        .table
        .iter()
        .filter(|item| text(item, "kind") == "sale_returned")
        .map(|line| number(line, "delta"))
        .sum();
    let counters = world.evidence.table.iter().filter(|item| text(item, "SK") == "BOUGHT");
    let of_users = counters.filter(|item| !text(item, "PK").contains("#BY#@"));
    let wrong = of_users.filter(|counter| {
        number(counter, "bought") > bought.get(text(counter, "PK")).copied().unwrap_or_default() + late
    });
    wrong.map(|counter| format!("{} counts {}", text(counter, "PK"), number(counter, "bought"))).collect()
}
