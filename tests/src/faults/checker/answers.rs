//! Compares the answers that clients got with what is stored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    ShopAnswer, history,
    items::{Book, CHECKOUT, Order, World, list, number, text},
    records::{self, Record},
};

/// Refusals that are about a cart, not about an order. A later retry under the same key may still place one.
const REFUSALS: [&str; 8] = [
    "out_of_stock",
    "cart_empty",
    "cart_changed",
    "price_changed",
    "product_not_sold",
    "currency_mismatch",
    "sale_ended",
    "sale_limit_reached",
];

/// Customer and idempotency key.
type Request<'a> = (&'a str, &'a str);

/// C1, C2: the answers to one request and the records of it name one order.
pub fn two_orders(world: &World<'_>) -> Vec<String> {
    let mut orders: BTreeMap<Request<'_>, BTreeSet<&str>> = BTreeMap::new();
    for Record { customer, key, order } in records::ever(world) {
        orders.entry((customer, key)).or_default().insert(order);
    }
    for (request, answers) in checkouts(world) {
        orders.entry(request).or_default().extend(answers.into_iter().filter_map(order_named_by));
    }
    let several = orders.into_iter().filter(|(_, orders)| orders.len() > 1);
    several.map(|((who, key), orders)| format!("{who} {key}: orders {orders:?}")).collect()
}

/// The order that an answer to a checkout names as the request's own. A refusal may name another one as a hint.
fn order_named_by(answer: &ShopAnswer) -> Option<&str> {
    let code = text(&answer.body, "code");
    let is_its_own = match answer.status {
        200..=299 | 402 | 422 => true,
        409 => matches!(code, "order_cancelled" | "idempotency_in_progress"),
        _ => false,
    };
    answer.body["orderId"].as_str().filter(|_| is_its_own)
}

/// C1: the final answers about an order to one request are identical. Final are 201, 402, 409 `order_cancelled`, and
/// 422 `amount_not_chargeable` of an order.
pub fn differ(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for ((who, key), answers) in checkouts(world) {
        let mut finals =
            answers.into_iter().filter(|answer| is_final(answer)).map(|answer| (answer.status, &answer.body));
        let Some(first) = finals.next() else { continue };
        if let Some(other) = finals.find(|other| *other != first) {
            found.push(format!("{who} {key}: {} {}, then {} {}", first.0, first.1, other.0, other.1));
        }
    }
    found
}

fn is_final(answer: &ShopAnswer) -> bool {
    match answer.status {
        201 => true,
        // After a failed authentication the order can still be paid, with another card.
        402 => text(&answer.body, "code") != "authentication_failed",
        409 => text(&answer.body, "code") == "order_cancelled",
        // Without an order it is a refusal of the cart, which may have changed before a retry.
        422 => text(&answer.body, "code") == "amount_not_chargeable" && answer.body["orderId"].is_string(),
        _ => false,
    }
}

/// C1: the last retry of a request, sent after the faults, is not refused for its cart if the shop remembers an order
/// under that key.
pub fn refused_but_placed(world: &World<'_>) -> Vec<String> {
    let placed: BTreeMap<Request<'_>, &str> =
        records::kept(world).map(|record| ((record.customer, record.key), record.order)).collect();
    let mut found = Vec::new();
    for ((who, key), answers) in checkouts(world) {
        let last = answers.into_iter().rfind(|answer| answer.healing).map(|answer| text(&answer.body, "code"));
        if let (Some(code), Some(order)) = (last, placed.get(&(who, key)))
            && REFUSALS.contains(&code)
        {
            found.push(format!("{who} {key}: {code}, but it is order {order}"));
        }
    }
    found
}

/// R1: connections that were closed while idle cost no request its answer.
pub fn unavailable(world: &World<'_>) -> Vec<String> {
    world.evidence.unavailable.iter().map(|request| format!("{request}: the outcome is not known")).collect()
}

/// C1, C3: an order in an answer exists and has been in the state that the answer gives; a placed one belongs to that
/// customer, has those lines and is paid; a refused one is cancelled.
pub fn not_so(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for answer in &world.evidence.answers {
        let Some(id) = answer.body["orderId"].as_str() else { continue };
        let order = world.orders.get(id);
        let is_checkout = answer.route == CHECKOUT;
        let why = match answer.status {
            200..=299 => order.map_or(Some("there is no such order"), |order| {
                let so =
                    if is_checkout && answer.status == 201 { bought_otherwise(world, id, order, answer) } else { None };
                so.or_else(|| never_stood_so(order, &answer.body))
            }),
            402 | 409 | 422 if is_checkout && is_final(answer) => {
                order.is_none_or(|order| !order.is_cancelled()).then_some("it is not cancelled")
            }
            _ => None,
        };
        let ShopAnswer { who, route, key, status, .. } = answer;
        found.extend(why.map(|why| format!("{who} {key}: {route} answered {status} of order {id}, but {why}")));
    }
    found
}

fn bought_otherwise(world: &World<'_>, id: &str, order: &Order<'_>, answer: &ShopAnswer) -> Option<&'static str> {
    let amount = |of: &Value, name: &str| (number(&of[name], "amount"), text(&of[name], "currency").to_owned());
    let price = |amount: i64| (amount, order.currency.to_owned());
    let mut lines: Vec<_> =
        order.lines.iter().map(|l| (l.product, l.units, price(l.price), price(l.units * l.price))).collect();
    let items = list(&answer.body, "items").iter();
    let item = |i| (text(i, "productId"), number(i, "quantity"), amount(i, "unitPrice"), amount(i, "lineTotal"));
    let mut items: Vec<_> = items.map(item).collect();
    lines.sort_unstable();
    items.sort_unstable();
    if world.placed_by(id) != answer.who || !world.is_one(&answer.who, order.customer) {
        return Some("it belongs to somebody else");
    }
    if amount(&answer.body, "total") != price(order.total) {
        return Some("its total differs");
    }
    if lines != items {
        return Some("its lines differ");
    }
    let paid = world.books.get(id).is_some_and(|book: &Book<'_>| book.captured().next().is_some());
    (order.total > 0 && !paid).then_some("nothing was taken for it")
}

/// An order in an answer has a version; the order's history gives the state at that version.
fn never_stood_so(order: &Order<'_>, body: &Value) -> Option<&'static str> {
    let (version, state) = (body["version"].as_u64()?, body["state"].as_str()?);
    let stood = usize::try_from(version).ok().and_then(|version| history::state_at(order, version));
    (stood != Some(state)).then_some("it was never in that state")
}

/// The answers to each checkout, in order.
fn checkouts<'a>(world: &World<'a>) -> BTreeMap<Request<'a>, Vec<&'a ShopAnswer>> {
    let mut checkouts: BTreeMap<Request<'_>, Vec<&ShopAnswer>> = BTreeMap::new();
    for answer in world.evidence.answers.iter().filter(|answer| answer.route == CHECKOUT) {
        checkouts.entry((&answer.who, &answer.key)).or_default().push(answer);
    }
    checkouts
}
