//! What clients were told, against what is so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    ShopAnswer, history,
    items::{Book, CHECKOUT, Order, World, list, number, text},
    records::{self, Record},
};

/// Refusals that are about a cart, not about an order. A later retry under the same key may still place one.
const REFUSALS: [&str; 6] =
    ["out_of_stock", "cart_empty", "cart_changed", "price_changed", "product_not_sold", "currency_mismatch"];

/// Whose request, and under which key.
type Request<'a> = (&'a str, &'a str);

/// C1, C2: all that was told of one request and all that was recorded of it is one order.
pub fn two_orders(world: &World<'_>) -> Vec<String> {
    let mut orders: BTreeMap<Request<'_>, BTreeSet<&str>> = BTreeMap::new();
    for Record { customer, key, order } in records::ever(world) {
        orders.entry((customer, key)).or_default().insert(order);
    }
    for (request, told) in checkouts(world) {
        orders.entry(request).or_default().extend(told.into_iter().filter_map(order_told_of));
    }
    let several = orders.into_iter().filter(|(_, orders)| orders.len() > 1);
    several.map(|((who, key), orders)| format!("{who} {key}: orders {orders:?}")).collect()
}

/// The order that an answer to a checkout says the request is. A refusal may name another one for help.
fn order_told_of(told: &ShopAnswer) -> Option<&str> {
    let code = text(&told.body, "code");
    let is_its_own = match told.status {
        200..=299 | 402 | 422 => true,
        409 => matches!(code, "order_cancelled" | "idempotency_in_progress"),
        _ => false,
    };
    told.body["orderId"].as_str().filter(|_| is_its_own)
}

/// C1: final answers about an order (201, 402, 409 `order_cancelled`, and 422 `amount_not_chargeable` of an order) to one request are the same, to the letter.
pub fn differ(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for ((who, key), told) in checkouts(world) {
        let mut finals = told.into_iter().filter(|told| is_final(told)).map(|told| (told.status, &told.body));
        let Some(first) = finals.next() else { continue };
        if let Some(other) = finals.find(|other| *other != first) {
            found.push(format!("{who} {key}: {} {}, then {} {}", first.0, first.1, other.0, other.1));
        }
    }
    found
}

fn is_final(told: &ShopAnswer) -> bool {
    match told.status {
        201 | 402 => true,
        409 => text(&told.body, "code") == "order_cancelled",
        // Without an order it is a refusal of the cart, which may have changed when it is asked again.
        422 => text(&told.body, "code") == "amount_not_chargeable" && told.body["orderId"].is_string(),
        _ => false,
    }
}

/// C1: whoever asks a last time, when nothing fails any more, is not refused for their cart where the shop remembers an
/// order under that key.
pub fn refused_but_placed(world: &World<'_>) -> Vec<String> {
    let placed: BTreeMap<Request<'_>, &str> =
        records::kept(world).map(|record| ((record.customer, record.key), record.order)).collect();
    let mut found = Vec::new();
    for ((who, key), told) in checkouts(world) {
        let last = told.into_iter().rfind(|told| told.healing).map(|told| text(&told.body, "code"));
        if let (Some(code), Some(order)) = (last, placed.get(&(who, key)))
            && REFUSALS.contains(&code)
        {
            found.push(format!("{who} {key}: {code}, but it is order {order}"));
        }
    }
    found
}

/// R1: connections that were closed while nothing was asked cost no request its answer.
pub fn unavailable(world: &World<'_>) -> Vec<String> {
    world.evidence.unavailable.iter().map(|request| format!("{request}: the outcome is not known")).collect()
}

/// C1, C3: an order that was told of is there and has been in the state it was told in; one that was sold is the
/// customer's, as they were told, and paid; one that was refused is cancelled.
pub fn not_so(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for told in &world.evidence.told {
        let Some(id) = told.body["orderId"].as_str() else { continue };
        let order = world.orders.get(id);
        let is_checkout = told.route == CHECKOUT;
        let why = match told.status {
            200..=299 => order.map_or(Some("there is no such order"), |order| {
                let so =
                    if is_checkout && told.status == 201 { bought_otherwise(world, id, order, told) } else { None };
                so.or_else(|| never_stood_so(order, &told.body))
            }),
            402 | 409 | 422 if is_checkout && is_final(told) => {
                order.is_none_or(|order| !order.is_cancelled()).then_some("it is not cancelled")
            }
            _ => None,
        };
        let ShopAnswer { who, route, key, status, .. } = told;
        found.extend(why.map(|why| format!("{who} {key}: {route} answered {status} of order {id}, but {why}")));
    }
    found
}

fn bought_otherwise(world: &World<'_>, id: &str, order: &Order<'_>, told: &ShopAnswer) -> Option<&'static str> {
    let amount = |of: &Value, name: &str| (number(&of[name], "amount"), text(&of[name], "currency").to_owned());
    let price = |amount: i64| (amount, order.currency.to_owned());
    let mut lines: Vec<_> =
        order.lines.iter().map(|l| (l.product, l.units, price(l.price), price(l.units * l.price))).collect();
    let items = list(&told.body, "items").iter();
    let item = |i| (text(i, "productId"), number(i, "quantity"), amount(i, "unitPrice"), amount(i, "lineTotal"));
    let mut items: Vec<_> = items.map(item).collect();
    lines.sort_unstable();
    items.sort_unstable();
    if world.placed_by(id) != told.who || !world.is_one(&told.who, order.customer) {
        return Some("it is somebody else's");
    }
    if amount(&told.body, "total") != price(order.total) {
        return Some("its total is another");
    }
    if lines != items {
        return Some("its lines are others");
    }
    let paid = world.books.get(id).is_some_and(|book: &Book<'_>| book.captured().next().is_some());
    (order.total > 0 && !paid).then_some("nothing was taken for it")
}

/// A told order says at which version it was seen; its history tells how it stood then.
fn never_stood_so(order: &Order<'_>, body: &Value) -> Option<&'static str> {
    let (version, state) = (body["version"].as_u64()?, body["state"].as_str()?);
    let stood = usize::try_from(version).ok().and_then(|version| history::state_at(order, version));
    (stood != Some(state)).then_some("it never stood so")
}

/// What was told to each checkout, in order.
fn checkouts<'a>(world: &World<'a>) -> BTreeMap<Request<'a>, Vec<&'a ShopAnswer>> {
    let mut checkouts: BTreeMap<Request<'_>, Vec<&ShopAnswer>> = BTreeMap::new();
    for told in world.evidence.told.iter().filter(|told| told.route == CHECKOUT) {
        checkouts.entry((&told.who, &told.key)).or_default().push(told);
    }
    checkouts
}
