//! Types that all stored entities share, and their conversion to DynamoDB items and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Invalid, Money, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

use crate::{StoreError, keys::PK};

/// Who last wrote an item, for the audit log: a customer's id, `provider`, `shop`, or an operator's command.
pub(crate) const BY: &str = "writtenBy";

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn to_item(row: impl Serialize) -> Item {
    serde_dynamo::to_item(row)
        .expect("rows hold only what DynamoDB can store: strings, integers, booleans, maps, lists")
}

pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let key = key_of(&item);
    serde_dynamo::from_item(item).map_err(|e| StoreError::corrupt(key, e))
}

/// `PK / SK`, for an error message.
pub(crate) fn key_of(item: &Item) -> String {
    let part = |name| item.get(name).and_then(|v| v.as_s().ok()).map_or("?", String::as_str);
    format!("{} / {}", part("PK"), part("SK"))
}

/// The partition key of an item; empty if it has none.
pub(crate) fn pk_of(item: &Item) -> &str {
    item.get(PK).and_then(|pk| pk.as_s().ok()).map_or("", String::as_str)
}

pub(crate) fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn n(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Milliseconds since the epoch.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(crate) fn from_millis(ms: i64) -> Result<Timestamp, Invalid> {
    Timestamp::from_millisecond(ms).map_err(|e| Invalid::new("timestamp", "corrupt", e.to_string()))
}

pub(crate) fn money(amount: i64, currency: &str) -> Result<Money, Invalid> {
    Ok(Money::amount(amount, domain::parse_currency(currency)?))
}
