//! The audit log: who changed what, and from which value to which.
//!
//! One line of JSON for each change, each in an object of its own named by the stream's event id:
//! `yyyy/mm/dd/<event id>.jsonl`. However often a record is delivered, and in whatever batches, the log has it once,
//! without reading or locking. Concatenated, the objects of a day are the day's JSON Lines.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use stream::{Change, Failure, Kind};
use table::{
    Bucket, PRODUCT_ATTRIBUTES,
    keys::{self, Entity, sha256_hex},
};

/// Replaces a value that is confidential: the log shows that it changed, but not the value.
const REDACTED: &str = "[redacted]";

/// A kind of item that is audited.
struct Audited {
    entity: &'static str,
    /// Attributes whose values are logged. All others, including future ones, are redacted.
    shown: &'static [&'static str],
}

const PRODUCT: Audited = Audited { entity: "product", shown: PRODUCT_ATTRIBUTES };
const STOCK_MOVE: Audited = Audited { entity: "stock_move", shown: &["delta", "kind", "reason", "actor", "corrected"] };
const REVIEW: Audited = Audited { entity: "review", shown: &["stars", "at"] };
const ORDER: Audited = Audited {
    entity: "order",
    shown: &[
        "customer",
        "state",
        "version",
        "cartVersion",
        "lines",
        "currency",
        "subtotal",
        "discount",
        "shipping",
        "tax",
        "total",
        "itemCount",
        "guest",
        "language",
        "paymentState",
        "paymentReference",
        "refunds",
        "disputes",
        "history",
        "placedAt",
        "dueAt",
        "writtenBy",
    ],
};
const SALE: Audited = Audited {
    entity: "sale",
    shown: &[
        "product",
        "productName",
        "unitCount",
        "keyCount",
        "lotCount",
        "currency",
        "terms",
        "progress",
        "soldOut",
        "version",
        "requestedBy",
        "createdAt",
        "writtenBy",
    ],
};
const CUSTOMER: Audited = Audited { entity: "customer", shown: &["uid", "emailVerified", "role", "createdAt"] };
const CREDENTIAL: Audited = Audited { entity: "credential", shown: &["uid"] };
const ADDRESS: Audited = Audited { entity: "address", shown: &[] };

/// Counters, which do not show a change by anybody. A login counts itself on the credential.
const COUNTERS: &[&str] = &["logins"];

/// One line of the log.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    event_id: &'a str,
    /// RFC 3339, UTC.
    at: String,
    /// A user's id, `provider`, `shop`, the name of an operator's command, or `unknown`.
    who: String,
    entity: &'static str,
    action: &'static str,
    /// The item's key.
    item: String,
    /// The changed attributes: `null` for an absent value.
    before: Map<String, Value>,
    after: Map<String, Value>,
}

/// Writes the change to the log, if its kind is audited.
pub async fn record(log: &Bucket, change: &Change) -> Result<(), Failure> {
    let Some(entry) = entry(change)? else { return Ok(()) };
    let mut line = serde_json::to_vec(&entry).map_err(|e| Failure::Never(e.into()))?;
    line.push(b'\n');
    let key = object_key(change);
    log.put(&key, line, "application/jsonl").await.map_err(|e| Failure::Again(e.into()))
}

fn object_key(change: &Change) -> String {
    let day = keys::day(change.at).replace('-', "/");
    let safe = |id: &str| id.len() <= 100 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let id = if safe(&change.event_id) { change.event_id.clone() } else { sha256_hex(&change.event_id) };
    format!("{day}/{id}.jsonl")
}

fn entry(change: &Change) -> Result<Option<Entry<'_>>, Failure> {
    let Some(audited) = audited(&change.key) else { return Ok(None) };
    let action = match change.kind {
        Kind::Insert => "insert",
        Kind::Modify => "modify",
        Kind::Remove => "remove",
        // Expired; not changed by anybody.
        Kind::Expire => return Ok(None),
    };
    let attributes = |image: &Option<table::StreamImage>| match image.as_ref().map(|image| image.json()).transpose()? {
        Some(Value::Object(attributes)) => Ok(attributes),
        _ => Ok::<_, Failure>(Map::new()),
    };
    let (old, new) = (attributes(&change.old)?, attributes(&change.new)?);
    let who = who(change, &old, &new);

    let (mut before, mut after) = (Map::new(), Map::new());
    let names: BTreeSet<_> =
        old.keys().chain(new.keys()).filter(|name| ![keys::PK, keys::SK].contains(&name.as_str())).collect();
    for name in names {
        let (was, is) = (old.get(name), new.get(name));
        if was == is || COUNTERS.contains(&name.as_str()) {
            continue;
        }
        let show = |value: Option<&Value>| match value {
            None => Value::Null,
            Some(value) if audited.shown.contains(&name.as_str()) => value.clone(),
            Some(_) => Value::from(REDACTED),
        };
        before.insert(name.clone(), show(was));
        after.insert(name.clone(), show(is));
    }
    if before.is_empty() && action == "modify" {
        return Ok(None);
    }
    Ok(Some(Entry {
        event_id: &change.event_id,
        at: format!("{:.3}", change.at),
        who,
        entity: audited.entity,
        action,
        item: format!("{} / {}", change.key.pk, change.key.sk),
        before,
        after,
    }))
}

fn audited(key: &keys::Key) -> Option<Audited> {
    match key.entity()? {
        Entity::Order => Some(ORDER),
        Entity::Product => Some(PRODUCT),
        Entity::StockMove => Some(STOCK_MOVE),
        Entity::Review => Some(REVIEW),
        Entity::Sale => Some(SALE),
        Entity::Profile => Some(CUSTOMER),
        Entity::Address => Some(ADDRESS),
        Entity::Credential => Some(CREDENTIAL),
        // Orders and the ledger have every change of stock, reviews have the rating, and the lists repeat their items.
        Entity::Stock
        | Entity::Rating
        | Entity::ReviewCounted
        | Entity::OrderLine
        | Entity::CustomerOrder
        | Entity::OrderByNumber
        | Entity::OrderByContact
        | Entity::OrderByReference
        | Entity::SessionListed
        | Entity::ProductCategory
        | Entity::Category
        | Entity::CategoriesBefore
        | Entity::CategoriesMigrated
        | Entity::CategoryRename
        | Entity::CategoryRenaming
        // Copies of the sale, and what orders have taken of it.
        | Entity::SaleConfig
        | Entity::SaleLot
        | Entity::SaleBuyer
        // Derived from products; of rules, the object in S3 is kept.
        | Entity::SearchManifest
        | Entity::SearchRebuild
        | Entity::SearchRules
        | Entity::SearchGone
        | Entity::SearchChanged => None,
        // The order has what became of a payment; the rest is of one visit.
        Entity::PaymentEvent
        | Entity::Cart
        | Entity::AccountLink
        | Entity::GuestAccount
        | Entity::Session
        | Entity::Idempotency
        | Entity::Rate
        | Entity::OrderLookup
        | Entity::Notification => None,
    }
}

/// The item names its writer; a customer's own item was written by the customer.
fn who(change: &Change, old: &Map<String, Value>, new: &Map<String, Value>) -> String {
    let text = |name: &str| new.get(name).and_then(Value::as_str).map(str::to_owned);
    // A deleted item does not name who deleted it; for a product, the line in the ledger does.
    let by = || if change.kind == Kind::Remove { None } else { text("writtenBy").or_else(|| text("actor")) };
    let owner = || keys::user_id(&change.key.pk).ok().map(|id| id.to_string());
    let reviewer = || keys::reviewer_id(&change.key.sk).ok().map(|id| id.to_string());
    let holder = || new.get("uid").or(old.get("uid")).and_then(Value::as_str).map(str::to_owned);
    by().or_else(owner).or_else(reviewer).or_else(holder).unwrap_or_else(|| "unknown".to_owned())
}
