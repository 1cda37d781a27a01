//! An independent checker of a run under injected faults.
//!
//! It shares no code with the shop: what it knows of items, answers and the states of orders is written here a second
//! time, so that a mistake in the shop is not repeated in its checker. It is given the evidence that is left after the
//! run and its recovery, and returns the rules that the evidence breaks. A correct run breaks no rule, whatever
//! crashed, was lost or was sent again.

mod answers;
mod challenges;
mod history;
mod items;
mod lists;
mod money;
mod orders;
mod records;
mod sales;
mod sessions;
mod stock;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use items::World;

/// The evidence that is left after a run and its recovery.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Every item of the table; numbers are JSON numbers.
    pub table: Vec<Value>,
    /// Every stream record in order, those of one transaction one after another.
    pub stream: Vec<Change>,
    /// The payment provider's own ledger, in order.
    pub ledger: Vec<Entry>,
    /// The disputes of the provider, as each ended.
    pub disputes: Vec<Dispute>,
    /// Every answer a client got, in order.
    pub answers: Vec<ShopAnswer>,
    /// Secrets that were sent to customers in answers, with the order of each.
    pub secrets: Vec<(String, String)>,
    /// Requests with an unknown outcome although the only fault was that a peer had closed idle connections.
    pub unavailable: Vec<String>,
    /// Units of each product before the first record of the stream, or with which it was created later.
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

/// One line of the payment provider's ledger.
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

/// A payment that a customer's bank disputes.
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
    /// The customer was asked to authenticate the payment.
    Asked,
    Authenticated,
    ChallengeFailed,
    /// With the number of the refund.
    Refunded(u32),
    /// By hand, at the provider.
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
    /// Sent after the faults had stopped; then requests under one key are sent one after another.
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
    /// Descriptions of what breaks it.
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
pub const RULES: [Rule; 36] = [
    rule("oversold", "S1", "more units are never held or sold than there are", stock::oversold),
    rule("stock-does-not-add-up", "S1, S2", "in the end every unit is on sale or in an order", stock::does_not_add_up),
    rule(
        "false-out-of-stock",
        "S1, F2",
        "no one is refused units that were available throughout",
        stock::false_out_of_stock,
    ),
    rule("sale-oversold", "S1, F2", "no more units of a sale are sold than were set aside", sales::oversold),
    rule("sale-does-not-add-up", "S2, F2", "no unit of a sale is lost or returned twice", sales::does_not_add_up),
    rule("sale-stuck", "F1, F2", "a sale that is over returns what is left of it", sales::stuck),
    rule("sale-limit-exceeded", "F2", "no one buys more in a sale than its limit", sales::limit_exceeded),
    rule("sale-counted-too-much", "F2", "no one is refused what the limit of a sale allows", sales::counted_too_much),
    rule("hold-can-expire-by-ttl", "S3", "TTL never takes a hold, an order or stock", stock::can_expire_by_ttl),
    rule("charged-without-order", "C3", "the provider has no charge without an order", money::without_order),
    rule("charged-twice", "P2", "an order is charged once, and its own total", money::charged_twice),
    rule(
        "charged-unauthenticated",
        "P7",
        "no payment is taken that its customer was asked about and did not authorise",
        challenges::unauthenticated,
    ),
    rule("asked-twice", "P7", "a customer is not asked anew while a question is open", challenges::asked_twice),
    rule("secret-stored", "P7", "no client secret is in the table or its stream", challenges::secret_stored),
    rule("paid-is-not-confirmed", "P2, P3", "an order is confirmed exactly if it was paid", money::not_confirmed),
    rule("kept-the-money", "P2, P3", "what was paid for a cancelled order is refunded", money::kept),
    rule("refunded-too-much", "P2", "refunds are those of the order, and no more than was paid", money::refunds_differ),
    rule("dispute-unknown", "P2", "the disputes of an order are those of the provider", money::disputes_differ),
    rule(
        "given-up-without-asking",
        "P1",
        "an unpaid order is cancelled only after the provider closed it",
        money::not_asked,
    ),
    rule("two-orders-for-one-key", "C1, C2", "one request, however often sent, is one order", answers::two_orders),
    rule("answers-differ", "C1", "a repeated request gets the first answer", answers::differ),
    rule("refused-but-placed", "C1", "no request is refused whose order was placed", answers::refused_but_placed),
    rule("answer-contradicts-order", "C1, C3", "what an answer says of an order is true", answers::not_so),
    rule("record-without-order", "C1, C3", "no idempotency record names a missing order", records::no_order),
    rule("order-without-record", "C1, C2", "no order is placed without an idempotency record", records::no_record),
    rule("stuck", "C3", "nothing waits for ever", orders::stuck),
    rule("order-vanished", "C3", "no order is ever deleted", orders::vanished),
    rule("totals-wrong", "C6", "an order costs what its lines cost", orders::totals_wrong),
    rule("cart-sold-twice", "K1", "a cart is bought once at each of its versions", orders::cart_sold_twice),
    rule("history-broken", "P4", "the state of an order follows from its history", history::broken),
    rule("order-outside-its-list", "T1, T2", "lists and line items have every order", lists::outside),
    rule("phantom-projection", "T1, T2", "lists and line items show nothing that no order has", lists::phantom),
    rule("order-orphaned", "K2", "every order can be opened by its customer", orders::orphaned),
    rule("cart-not-given-back", "K1", "the lines of an unpaid order are in the cart again", orders::cart_kept),
    rule(
        "session-outlives-its-password",
        "N2",
        "a new password ends every session from before it",
        sessions::outlive_a_password,
    ),
    rule("unavailable-after-a-pause", "R1", "the first request after a pause is answered", answers::unavailable),
];

/// The rules that the evidence breaks; none after a correct run.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let world = World::of(evidence);
    let broken = |rule: &Rule| {
        let name = rule.name;
        (rule.broken)(&world).into_iter().map(move |detail| Violation { rule: name, detail })
    };
    RULES.iter().flat_map(broken).collect()
}
