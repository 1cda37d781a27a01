//! The checker's own parser of the shop's items. A missing attribute reads as an empty value, which then breaks a rule.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Attempt, Entry, Evidence, sales::SaleAudit, stock::StockAudit};

/// The route that places orders.
pub const CHECKOUT: &str = "POST /orders";

/// The evidence, read once for all rules.
pub struct World<'a> {
    pub evidence: &'a Evidence,
    /// By id, as they stand in the table.
    pub orders: BTreeMap<&'a str, Order<'a>>,
    /// By order.
    pub books: BTreeMap<&'a str, Book<'a>>,
    pub audit: StockAudit<'a>,
    pub sales: SaleAudit<'a>,
    /// Who placed each order, as the stream first showed it.
    placed_by: BTreeMap<&'a str, &'a str>,
    /// The account that a guest logged in to.
    accounts: BTreeMap<&'a str, &'a str>,
}

impl<'a> World<'a> {
    pub fn of(evidence: &'a Evidence) -> Self {
        let orders = evidence.table.iter().filter_map(|item| {
            let id = order_of(text(item, "PK"), text(item, "SK"))?;
            Some((id, Order::of(item)))
        });
        let mut books: BTreeMap<&str, Book<'_>> = BTreeMap::new();
        for entry in &evidence.ledger {
            books.entry(&entry.order).or_default().entries.push(entry);
        }
        let placed = evidence.stream.iter().filter(|change| change.old.is_none());
        let placed_by = placed
            .filter_map(|change| Some((order_of(&change.pk, &change.sk)?, text(change.new.as_ref()?, "customer"))));
        let accounts = evidence.table.iter().filter(|item| text(item, "SK") == "ACCOUNT");
        let accounts = accounts.filter_map(|item| Some((text(item, "PK").strip_prefix("USER#")?, text(item, "uid"))));
        Self {
            evidence,
            orders: orders.collect(),
            books,
            audit: StockAudit::of(evidence),
            sales: SaleAudit::of(evidence),
            placed_by: placed_by.collect(),
            accounts: accounts.collect(),
        }
    }

    /// Who placed an order. If that was a guest, it may be a customer's by now.
    pub fn placed_by(&self, id: &str) -> &'a str {
        let stored = || self.orders.get(id).map_or("", |order| order.customer);
        self.placed_by.get(id).copied().unwrap_or_else(stored)
    }

    /// Whether `somebody` is this customer, directly or as the guest who logged in to that account.
    pub fn is_one(&self, somebody: &str, customer: &str) -> bool {
        somebody == customer || self.accounts.get(somebody) == Some(&customer)
    }

    /// Every image of every item, in the table and in the stream.
    pub fn images(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> + use<'a> {
        let table = self.evidence.table.iter().map(|item| (text(item, "PK"), text(item, "SK"), item));
        let of_change = |c: &'a super::Change| {
            c.old.iter().chain(&c.new).map(|image| (c.pk.as_str(), c.sk.as_str(), image)).collect::<Vec<_>>()
        };
        table.chain(self.evidence.stream.iter().flat_map(of_change))
    }
}

/// What the provider did for an order.
#[derive(Default)]
pub struct Book<'a> {
    pub entries: Vec<&'a Entry>,
}

impl<'a> Book<'a> {
    pub fn captured(&self) -> impl Iterator<Item = &'a Entry> + use<'a, '_> {
        self.entries.iter().copied().filter(|entry| entry.attempt == Attempt::Captured)
    }

    /// Refunds by the shop, with their numbers.
    pub fn refunded(&self) -> impl Iterator<Item = (i64, &'a Entry)> + use<'a, '_> {
        self.entries.iter().filter_map(|entry| match entry.attempt {
            Attempt::Refunded(number) => Some((number.into(), *entry)),
            _ => None,
        })
    }

    /// Refunds made by hand that did not fail, by the provider's id.
    pub fn refunded_by_hand(&self) -> BTreeMap<&'a str, &'a Entry> {
        let mut made = BTreeMap::new();
        for entry in &self.entries {
            let Some(id) = entry.by_hand.as_deref() else { continue };
            match entry.attempt {
                Attempt::ByHandFailed => made.remove(id),
                _ => made.insert(id, *entry),
            };
        }
        made
    }

    /// Whether the provider refuses every further charge. One declined charge does not exclude another that is on its
    /// way.
    pub fn said_no(&self) -> bool {
        self.entries.iter().any(|entry| entry.attempt == Attempt::Closed)
    }

    /// The amount that was captured and not refunded.
    pub fn kept(&self) -> i64 {
        let taken: i64 = self.captured().map(|entry| entry.amount).sum();
        let by_hand: i64 = self.refunded_by_hand().values().map(|entry| entry.amount).sum();
        taken - by_hand - self.refunded().map(|(_, entry)| entry.amount).sum::<i64>()
    }
}

/// The item of an order.
pub struct Order<'a> {
    pub item: &'a Value,
    pub customer: &'a str,
    pub state: &'a str,
    pub version: i64,
    pub total: i64,
    pub currency: &'a str,
    pub lines: Vec<Line<'a>>,
    pub refunds: Vec<Refund<'a>>,
    /// Ids and states.
    pub disputes: Vec<(&'a str, &'a str)>,
    pub history: Vec<Event<'a>>,
}

/// Id and incarnation: a later product with the same id is another product.
pub type Product<'a> = (&'a str, i64);

pub struct Line<'a> {
    pub product: &'a str,
    /// Distinguishes products with the same id; 0 if there is none.
    pub incarnation: i64,
    pub units: i64,
    pub price: i64,
    /// What was paid for all its units: their price, where nothing else is stored.
    pub paid: i64,
    /// The sale that the units are of.
    pub sale: Option<&'a str>,
}

pub struct Refund<'a> {
    pub number: i64,
    pub amount: i64,
    /// `requested`, `paid` or `refused`.
    pub state: &'a str,
    /// The order was cancelled with it.
    pub cancels: bool,
    /// The provider's id, if the refund was made by hand.
    pub by_hand: Option<&'a str>,
    pub lines: Vec<Returned<'a>>,
}

pub struct Returned<'a> {
    pub product: &'a str,
    pub units: i64,
    /// They are on sale again; otherwise they are written off.
    pub restock: bool,
}

pub struct Event<'a> {
    pub name: &'a str,
    /// Number of the refund or the dispute.
    pub number: Option<i64>,
}

impl<'a> Order<'a> {
    pub fn of(item: &'a Value) -> Self {
        let line = |l: &'a Value| Line {
            product: text(l, "id"),
            incarnation: number(l, "i"),
            units: number(l, "q"),
            price: number(l, "p"),
            paid: l["a"].as_i64().unwrap_or(number(l, "q") * number(l, "p")),
            sale: l["s"]["id"].as_str(),
        };
        let returned = |l: &'a Value| Returned {
            product: text(l, "id"),
            units: number(l, "q"),
            restock: l["r"] == Value::Bool(true),
        };
        let refund = |r: &'a Value| Refund {
            number: number(r, "n"),
            amount: number(r, "a"),
            state: text(r, "s"),
            cancels: r["c"] == Value::Bool(true),
            by_hand: r["h"].as_str(),
            lines: list(r, "l").iter().map(returned).collect(),
        };
        Self {
            item,
            customer: text(item, "customer"),
            state: text(item, "state"),
            version: number(item, "version"),
            total: number(item, "total"),
            currency: text(item, "currency"),
            lines: list(item, "lines").iter().map(line).collect(),
            refunds: list(item, "refunds").iter().map(refund).collect(),
            disputes: list(item, "disputes").iter().map(|d| (text(d, "id"), text(d, "s"))).collect(),
            history: list(item, "history")
                .iter()
                .map(|t| Event { name: text(t, "s"), number: t["n"].as_i64() })
                .collect(),
        }
    }

    /// Whether its payment has no outcome yet.
    pub fn awaits_payment(&self) -> bool {
        matches!(self.state, "pending_payment" | "payment_unknown")
    }

    /// Whether it was paid and is not cancelled.
    pub fn is_sold(&self) -> bool {
        matches!(self.state, "confirmed" | "shipped" | "delivered")
    }

    pub fn is_cancelled(&self) -> bool {
        self.state == "cancelled"
    }

    /// Units of each product's own stock that are not on sale because of this order. Units of sales had left it before.
    pub fn units_gone(&self) -> BTreeMap<Product<'a>, i64> {
        let mut gone = BTreeMap::new();
        for (line, units) in self.lines_gone().filter(|(line, _)| line.sale.is_none()) {
            *gone.entry((line.product, line.incarnation)).or_default() += units;
        }
        gone
    }

    /// Units of each sale that are in this order.
    pub fn sale_units_gone(&self) -> BTreeMap<&'a str, i64> {
        let mut gone = BTreeMap::new();
        for (line, units) in self.lines_gone() {
            if let Some(sale) = line.sale {
                *gone.entry(sale).or_default() += units;
            }
        }
        gone
    }

    /// Units of each line that are not on sale because of this order.
    ///
    /// An order that is not cancelled keeps the units it bought, except restocked ones. A cancelled one has restocked
    /// everything, except what a refund wrote off (`r` = false). Units are restocked when a refund is requested,
    /// whether or not it is paid.
    fn lines_gone(&self) -> impl Iterator<Item = (&Line<'a>, i64)> {
        self.lines.iter().map(|line| {
            let returned = self.refunds.iter().flat_map(|refund| &refund.lines).filter(|l| l.product == line.product);
            let units =
                |restock: bool| -> i64 { returned.clone().filter(|l| l.restock == restock).map(|l| l.units).sum() };
            (line, if self.is_cancelled() { units(false) } else { line.units - units(true) })
        })
    }
}

/// The order whose item has this key.
pub fn order_of<'a>(pk: &'a str, sk: &str) -> Option<&'a str> {
    pk.strip_prefix("ORDER#").filter(|_| sk == "STATUS")
}

/// The product whose stock has this key.
pub fn stock_of<'a>(pk: &'a str, sk: &str) -> Option<&'a str> {
    let product = pk.strip_prefix("PROD#")?;
    (sk.strip_prefix("META#")?.strip_prefix(product)? == "#STOCK#00").then_some(product)
}

/// The product whose ledger line has this key.
pub fn move_of<'a>(pk: &'a str, sk: &str) -> Option<&'a str> {
    pk.strip_prefix("PROD#").filter(|_| sk.starts_with("MOVE#"))
}

pub fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_default()
}

pub fn number(item: &Value, name: &str) -> i64 {
    item[name].as_i64().unwrap_or_default()
}

pub fn list<'a>(item: &'a Value, name: &str) -> &'a [Value] {
    item[name].as_array().map_or(&[], Vec::as_slice)
}
