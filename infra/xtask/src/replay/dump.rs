//! The table in the engine, read without any of the shop's own code.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region},
    types::AttributeValue,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::{Outcome, with_sources};

type Item = HashMap<String, AttributeValue>;

/// The data that the audit needs of all items.
#[derive(Debug, Default)]
pub struct Dump {
    /// Stock, by product.
    pub stock: BTreeMap<String, i64>,
    /// By order id.
    pub orders: BTreeMap<String, Order>,
    /// Products that have a line item, by order id.
    pub line_items: BTreeMap<String, BTreeSet<String>>,
    /// Customers that have an order in their list, by order id.
    pub listed: BTreeMap<String, Vec<String>>,
}

/// An order's own item.
#[derive(Debug)]
pub struct Order {
    pub customer: String,
    pub state: String,
    pub currency: String,
    pub total_minor: i64,
    pub lines: Vec<OrderLine>,
}

#[derive(Debug)]
pub struct OrderLine {
    pub product: String,
    pub units: i64,
    pub price_minor: i64,
}

impl Dump {
    /// Reads the whole table. The product never scans; this is an auditor's copy, which needs a scan: reading by key
    /// only finds what is expected to exist.
    pub async fn read(endpoint: &str, table: &str) -> Outcome<Self> {
        let mut pages = client(endpoint).scan().table_name(table).consistent_read(true).into_paginator().send();
        let mut dump = Self::default();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| with_sources(&e))?;
            for item in page.items() {
                dump.take(item)?;
            }
        }
        Ok(dump)
    }

    fn take(&mut self, item: &Item) -> Outcome<()> {
        let (pk, sk) = (text(item, "PK")?, text(item, "SK")?);
        if let Some(product) = pk.strip_prefix("PROD#") {
            if sk == format!("META#{product}#STOCK#00") {
                self.stock.insert(product.to_owned(), number(item, "available")?);
            }
        } else if let Some(id) = pk.strip_prefix("ORDER#") {
            if sk == "STATUS" {
                self.orders.insert(id.to_owned(), order(item)?);
            } else if let Some(product) = sk.strip_prefix("ITEM#") {
                self.line_items.entry(id.to_owned()).or_default().insert(product.to_owned());
            }
        } else if let Some(customer) = pk.strip_prefix("USER#")
            && let Some(entry) = sk.strip_prefix("ORDER#")
        {
            let (_day, id) = entry.split_once('#').ok_or_else(|| format!("{pk} / {sk} names no order"))?;
            self.listed.entry(id.to_owned()).or_default().push(customer.to_owned());
        }
        Ok(())
    }
}

fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    // A local engine checks no signature, but the SDK needs credentials to sign with.
    let credentials = Credentials::new("local", "local", None, None, "local");
    let config = Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

fn order(item: &Item) -> Outcome<Order> {
    let lines = item.get("lines").and_then(|lines| lines.as_l().ok()).ok_or("an order has no lines")?;
    let line = |line: &AttributeValue| -> Outcome<OrderLine> {
        let line = line.as_m().map_err(|_| "an order's line is no map")?;
        Ok(OrderLine {
            product: text(line, "id")?.to_owned(),
            units: number(line, "q")?,
            price_minor: number(line, "p")?,
        })
    };
    Ok(Order {
        customer: text(item, "customer")?.to_owned(),
        state: text(item, "state")?.to_owned(),
        currency: text(item, "currency")?.to_owned(),
        total_minor: number(item, "total")?,
        lines: lines.iter().map(line).collect::<Outcome<_>>()?,
    })
}

fn text<'a>(item: &'a Item, name: &str) -> Outcome<&'a str> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.map(String::as_str).ok_or_else(|| format!("no text in {name} of {item:?}").into())
}

fn number(item: &Item, name: &str) -> Outcome<i64> {
    let value = item.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse::<i64>().ok());
    value.ok_or_else(|| format!("no whole number in {name} of {item:?}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn n(number: i64) -> AttributeValue {
        AttributeValue::N(number.to_string())
    }

    fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> Item {
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn key(pk: &str, sk: &str) -> Item {
        map([("PK", s(pk)), ("SK", s(sk))])
    }

    #[test]
    fn items_are_distinguished_by_their_keys() {
        let mut stock = key("PROD#mug", "META#mug#STOCK#00");
        stock.insert("available".to_owned(), n(7));
        let mut status = key("ORDER#1", "STATUS");
        let line = AttributeValue::M(map([("id", s("mug")), ("name", s("Mug")), ("q", n(3)), ("p", n(899))]));
        status.extend(map([
            ("customer", s("ann")),
            ("state", s("confirmed")),
            ("currency", s("GBP")),
            ("total", n(2_697)),
            ("lines", AttributeValue::L(vec![line])),
        ]));

        let mut dump = Dump::default();
        for item in [&stock, &status, &key("ORDER#1", "ITEM#mug"), &key("USER#ann", "ORDER#2026-01-31#1")] {
            dump.take(item).unwrap();
        }
        for (pk, sk) in [("PROD#mug", "META#mug"), ("PROD#mug", "MOVE#1"), ("USER#ann", "CART"), ("IDEM#ann#1", "x")] {
            dump.take(&key(pk, sk)).unwrap();
        }

        let order = &dump.orders["1"];
        assert_eq!((order.customer.as_str(), order.state.as_str(), order.total_minor), ("ann", "confirmed", 2_697));
        let line = &order.lines[0];
        assert_eq!((line.product.as_str(), line.units, line.price_minor), ("mug", 3, 899));
        assert_eq!((dump.stock.len(), dump.stock["mug"]), (1, 7));
        assert!(dump.line_items["1"].contains("mug"));
        assert_eq!(dump.listed["1"], ["ann"]);
    }

    #[test]
    fn an_item_without_a_required_attribute_is_an_error() {
        assert!(Dump::default().take(&key("ORDER#1", "STATUS")).is_err());
        assert!(Dump::default().take(&key("PROD#mug", "META#mug#STOCK#00")).is_err());
        assert!(Dump::default().take(&key("USER#ann", "ORDER#1")).is_err());
    }
}
