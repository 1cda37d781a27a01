//! Units of stock: none is sold twice, none is lost, and none is refused that was available.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Change, Evidence,
    items::{CHECKOUT, Order, Product, World, list, move_of, number, order_of, stock_of, text},
};

/// Every product's units, as the stream shows them.
#[derive(Default)]
pub struct StockAudit<'a> {
    products: BTreeMap<Product<'a>, StockSnapshot>,
    /// Units that each order keeps from being sold, at this point of the stream.
    gone_by: BTreeMap<&'a str, BTreeMap<Product<'a>, i64>>,
    /// The product that has an id, at this point of the stream.
    current: BTreeMap<&'a str, i64>,
    /// Products whose first ledger line is still to come; it repeats the initial units.
    opening: BTreeSet<Product<'a>>,
    /// The first violation of S1 by each product.
    oversold: BTreeMap<&'a str, String>,
}

#[derive(Default)]
struct StockSnapshot {
    available: i64,
    /// The fewest that were available at any moment.
    least: i64,
    /// Units in all orders together.
    gone: i64,
    /// Initial units and those of the ledger.
    supplied: i64,
    /// The product was deleted with its units, so that its sums are not checked any more.
    deleted: bool,
}

impl<'a> StockAudit<'a> {
    pub fn of(evidence: &'a Evidence) -> Self {
        let mut audit = Self::default();
        let created = evidence.stream.iter().filter(|change| change.old.is_none());
        let created = created.filter_map(|change| Some((stock_of(&change.pk, &change.sk)?, change.new.as_ref()?)));
        let mut first: BTreeMap<&str, i64> = BTreeMap::new();
        created.for_each(|(product, new)| _ = first.entry(product).or_insert_with(|| number(new, "incarnation")));
        for (product, units) in &evidence.initial_stock {
            let of = (product.as_str(), first.get(product.as_str()).copied().unwrap_or_default());
            let snapshot =
                StockSnapshot { available: *units, least: *units, supplied: *units, ..StockSnapshot::default() };
            audit.products.insert(of, snapshot);
            audit.current.insert(product, of.1);
            if first.contains_key(product.as_str()) {
                audit.opening.insert(of);
            }
        }

        for (at, change) in evidence.stream.iter().enumerate() {
            let touched = audit.take(change, at);
            // Stock and its ledger line change in one transaction: nothing is checked between their two records.
            if evidence.stream.get(at + 1).is_none_or(|next| !are_one_move(change, next)) {
                touched.into_iter().for_each(|product| audit.verify(product, at));
            }
        }
        audit
    }

    /// Applies a change, and returns the products that it touches.
    fn take(&mut self, change: &'a Change, at: usize) -> Vec<Product<'a>> {
        let Change { pk, sk, old, new } = change;
        if let Some(product) = stock_of(pk, sk) {
            return self.take_stock(product, old.as_ref(), new.as_ref(), at);
        }
        if let Some(product) = move_of(pk, sk) {
            let Some(new) = new.as_ref().filter(|_| old.is_none()) else { return Vec::new() };
            let of = (product, self.current.get(product).copied().unwrap_or_default());
            let is_opening = text(new, "kind") == "initial" && self.opening.remove(&of);
            if !is_opening {
                self.products.entry(of).or_default().supplied += number(new, "delta");
            }
            return vec![of];
        }
        let Some(order) = order_of(pk, sk) else { return Vec::new() };
        let after = new.as_ref().map(|new| Order::of(new).units_gone()).unwrap_or_default();
        let before = self.gone_by.insert(order, after.clone()).unwrap_or_default();
        before.iter().for_each(|(product, units)| self.products.entry(*product).or_default().gone -= units);
        after.iter().for_each(|(product, units)| self.products.entry(*product).or_default().gone += units);
        before.into_keys().chain(after.into_keys()).collect()
    }

    fn take_stock(
        &mut self,
        product: &'a str,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
        at: usize,
    ) -> Vec<Product<'a>> {
        let of = |image: &'a Value| (product, number(image, "incarnation"));
        if let (Some(old), Some(new)) = (old.map(of), new.map(of))
            && old != new
        {
            let detail = format!("{product}: its stock was replaced by another, after record {at}");
            self.oversold.entry(product).or_insert(detail);
        }
        let Some(of) = new.or(old).map(of) else { return Vec::new() };
        let snapshot = self.products.entry(of).or_default();
        if let (None, Some(initial)) = (old, new.and_then(|new| new["initial"].as_i64())) {
            (snapshot.supplied, snapshot.least) = (initial, initial);
            self.opening.insert(of);
        }
        snapshot.available = new.map_or(0, |new| number(new, "available"));
        snapshot.least = snapshot.least.min(snapshot.available);
        snapshot.deleted |= new.is_none();
        self.current.insert(product, of.1);
        vec![of]
    }

    fn verify(&mut self, product: Product<'a>, at: usize) {
        let Some(StockSnapshot { available, gone, supplied, deleted, .. }) = self.products.get(&product) else {
            return;
        };
        let product = product.0;
        if *available < 0 || (!deleted && available + gone > *supplied) {
            let detail = format!("{product}: {available} left and {gone} in orders of {supplied}, after record {at}");
            self.oversold.entry(product).or_insert(detail);
        }
    }

    /// The fewest that were available at any moment of any product with this id.
    fn least(&self, product: &str) -> i64 {
        let of = self.products.iter().filter(|((id, _), _)| *id == product);
        of.map(|(_, snapshot)| snapshot.least).min().unwrap_or_default()
    }
}

/// Whether the two are a change of a product's stock and the line of its ledger.
fn are_one_move(one: &Change, other: &Change) -> bool {
    let is_stock = |change: &Change| stock_of(&change.pk, &change.sk).is_some();
    let is_move = |change: &Change| move_of(&change.pk, &change.sk).is_some();
    one.pk == other.pk && ((is_stock(one) && is_move(other)) || (is_move(one) && is_stock(other)))
}

/// S1: at every prefix of the stream, available ≥ 0 and available + held + sold ≤ initial + moved by the ledger.
///
/// At most, not exactly: between the records of one transaction units are in neither place, because stock comes before
/// the order where it is taken and after it where it is restocked.
pub fn oversold(world: &World<'_>) -> Vec<String> {
    world.audit.oversold.values().cloned().collect()
}

/// S1, S2: at the end, the available units and those of the orders are exactly the supplied ones.
pub fn does_not_add_up(world: &World<'_>) -> Vec<String> {
    let mut sums: BTreeMap<Product<'_>, (i64, i64)> = BTreeMap::new();
    for item in &world.evidence.table {
        if let Some(product) = stock_of(text(item, "PK"), text(item, "SK")) {
            sums.entry((product, number(item, "incarnation"))).or_default().0 += number(item, "available");
        }
    }
    for (product, units) in world.orders.values().flat_map(|order| order.units_gone()) {
        sums.entry(product).or_default().1 += units;
    }
    world.audit.products.keys().for_each(|product| _ = sums.entry(*product).or_default());

    let audit = &world.audit.products;
    let stays = sums.into_iter().filter(|(product, _)| audit.get(product).is_none_or(|snapshot| !snapshot.deleted));
    let with_supply =
        stays.map(|(product, (left, gone))| (product, left, gone, audit.get(&product).map_or(0, |s| s.supplied)));
    let wrong = with_supply.filter(|(_, left, gone, supplied)| left + gone != *supplied);
    wrong
        .map(|((product, _), left, gone, supplied)| {
            format!("{product}: {left} left and {gone} in orders of {supplied}")
        })
        .collect()
}

/// S1, F2: an answer `out_of_stock` names fewer units than were wanted, and at some moment there were fewer.
pub fn false_out_of_stock(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let refused = world.evidence.answers.iter().filter(|answer| answer.route == CHECKOUT && answer.status == 409);
    for answer in refused.filter(|answer| text(&answer.body, "code") == "out_of_stock") {
        for named in list(&answer.body, "products") {
            let (product, available) = (text(named, "productId"), number(named, "available"));
            let Some(wanted) = answer.wanted.get(product) else { continue };
            let least = world.audit.least(product);
            let least = world.sales.least(product).map_or(least, |of_sale| least.min(of_sale));
            if available >= *wanted || least >= *wanted {
                let super::ShopAnswer { who, key, .. } = answer;
                found.push(format!("{who} {key}: {wanted} of {product}, answered {available}, never below {least}"));
            }
        }
    }
    found
}

/// S3: no item of an order and no stock ever has the attribute that TTL deletes by.
pub fn can_expire_by_ttl(world: &World<'_>) -> Vec<String> {
    let lasting = |pk: &str, sk: &str| pk.starts_with("ORDER#") || stock_of(pk, sk).is_some() || sk.starts_with("LOT#");
    let lasting = world.images().filter(|(pk, sk, _)| lasting(pk, sk));
    let expiring = lasting.filter(|(_, _, image)| image.get("expiresAt").is_some());
    let keys: BTreeSet<_> = expiring.map(|(pk, sk, _)| (pk, sk)).collect();
    keys.into_iter().map(|(pk, sk)| format!("{pk} / {sk}")).collect()
}
