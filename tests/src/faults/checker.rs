//! An independent judge of a run under injected faults.
//!
//! It shares no code with the shop: what it knows of items, answers and the lives of orders is written here a second
//! time, on purpose, so that a mistake in the shop is not repeated by whoever looks for it. It is given what is left
//! after the run and its healing, and says which rules that breaks. No rule may break in a correct run, whatever
//! crashed, was lost or was asked again.

mod answers;
mod history;
mod items;
mod lists;
mod money;
mod orders;
mod records;
mod sessions;
mod stock;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use items::World;

/// What is left after a run and its healing.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Every item of the table; numbers are JSON numbers.
    pub table: Vec<Value>,
    /// Every stream record in order, those of one transaction one after another.
    pub stream: Vec<Change>,
    /// The payment provider's own book, in order.
    pub ledger: Vec<Entry>,
    /// The disputes of the provider, as each ended.
    pub disputes: Vec<Dispute>,
    /// Every answer a client got, in order.
    pub told: Vec<ShopAnswer>,
    /// Requests whose outcome was not known, though nothing went wrong but that a peer had closed idle connections.
    pub unavailable: Vec<String>,
    /// Units of each product before the first record of the stream, or that the product was created with in it.
    pub initial_stock: BTreeMap<String, i64>,
}

/// A stream record: an item before and after.
#[derive(Debug, Clone)]
pub struct Change {
    pub pk: String,
    pub sk: String,
    pub old: Option<Value>,
    pub new: Option<Value>,
}

/// One line of the payment provider's book.
#[derive(Debug, Clone)]
pub struct Entry {
    pub order: String,
    pub attempt: Attempt,
    /// In minor units.
    pub amount: i64,
    pub currency: String,
    /// The provider's id of a refund that was made there by hand.
    pub by_hand: Option<String>,
}

/// What a customer's bank disputes.
#[derive(Debug, Clone)]
pub struct Dispute {
    pub order: String,
    pub id: String,
    /// `open`, `won` or `lost`.
    pub state: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    Captured,
    Declined,
    /// Nothing was taken, and nothing will be.
    Closed,
    /// With the number of the refund.
    Refunded(u32),
    /// At the provider, by somebody.
    RefundedByHand,
    ByHandFailed,
}

/// An answer that a client got.
#[derive(Debug, Clone, Default)]
pub struct ShopAnswer {
    /// The id of the user who asked, as in the keys of the table.
    pub who: String,
    /// Method and path template, such as `POST /orders`.
    pub route: String,
    pub path: String,
    pub key: String,
    pub status: u16,
    /// An order, or a problem.
    pub body: Value,
    pub replayed: bool,
    /// Asked after the faults had stopped; then requests under one key are asked one after another.
    pub healing: bool,
    /// For `POST /orders`: units of each product in the cart it was asked to buy. A product whose units are not known
    /// for certain is left out.
    pub wanted: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: &'static str,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// Something that holds in every correct run.
pub struct Rule {
    pub name: &'static str,
    /// The ids of `reliability.md` it proves.
    pub proves: &'static str,
    /// What it protects.
    pub protects: &'static str,
    /// What breaks it, in words.
    broken: fn(&World<'_>) -> Vec<String>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.proves, self.protects)
    }
}

const fn rule(
    name: &'static str,
    proves: &'static str,
    protects: &'static str,
    broken: fn(&World<'_>) -> Vec<String>,
) -> Rule {
    Rule { name, proves, protects, broken }
}

/// Every rule. The details of each are at its function.
pub const RULES: [Rule; 28] = [
    rule("oversold", "S1", "at no moment are more units promised than there are", stock::oversold),
    rule("stock-does-not-add-up", "S1, S2", "in the end every unit is on sale or in an order", stock::does_not_add_up),
    rule(
        "false-out-of-stock",
        "S1, F2",
        "nobody is refused units that were there all along",
        stock::false_out_of_stock,
    ),
    rule("hold-can-expire-by-ttl", "S3", "TTL never takes a hold, an order or stock", stock::can_expire_by_ttl),
    rule("charged-without-order", "C3", "the provider knows of no order that the shop lacks", money::without_order),
    rule("charged-twice", "P2", "an order is charged once, and its own total", money::charged_twice),
    rule("paid-is-not-confirmed", "P2, P3", "an order goes on if it was paid, and only then", money::not_confirmed),
    rule("kept-the-money", "P2, P3", "what was taken for a cancelled order goes back", money::kept),
    rule(
        "refunded-too-much",
        "P2",
        "what goes back is what the order says, within what was taken",
        money::refunds_differ,
    ),
    rule("dispute-unknown", "P2", "the disputes of an order are those of the provider", money::disputes_differ),
    rule("given-up-without-asking", "P1", "the provider has said no before an order is given up", money::not_asked),
    rule("two-orders-for-one-key", "C1, C2", "one request, however often sent, is one order", answers::two_orders),
    rule("answers-differ", "C1", "a repeated request gets the very first answer again", answers::differ),
    rule("refused-but-placed", "C1", "nobody is refused what was placed for them", answers::refused_but_placed),
    rule("told-but-not-so", "C1, C3", "what a client was told of an order is so", answers::not_so),
    rule(
        "record-without-order",
        "C1, C3",
        "no request is remembered for an order that is not there",
        records::no_order,
    ),
    rule("order-without-record", "C1, C2", "no order is placed without remembering its request", records::no_record),
    rule("stuck", "C3", "nothing waits for ever", orders::stuck),
    rule("order-vanished", "C3", "an order that was there stays", orders::vanished),
    rule("totals-wrong", "C6", "an order costs what its lines cost", orders::totals_wrong),
    rule("cart-sold-twice", "K1", "a cart is bought once at each of its versions", orders::cart_sold_twice),
    rule("history-broken", "P4", "an order stands where its history led it, step by step", history::broken),
    rule("order-outside-its-list", "T1, T2", "lists and lines catch up with every order", lists::outside),
    rule("phantom-projection", "T1, T2", "no list and no line shows what no order says", lists::phantom),
    rule("order-orphaned", "K2", "every order is somebody's who can come back", orders::orphaned),
    rule("cart-not-given-back", "K1", "what was never paid is in the cart again", orders::cart_kept),
    rule(
        "session-outlives-its-password",
        "N2",
        "a new password ends every session from before it",
        sessions::outlive_a_password,
    ),
    rule("unavailable-after-a-pause", "R1", "the first request after a pause is answered", answers::unavailable),
];

/// What the evidence contradicts, rule by rule; nothing after a correct run.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let world = World::of(evidence);
    let broken = |rule: &Rule| {
        let name = rule.name;
        (rule.broken)(&world).into_iter().map(move |detail| Violation { rule: name, detail })
    };
    RULES.iter().flat_map(broken).collect()
}
