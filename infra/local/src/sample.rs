use domain::{Currency, Invalid, Money, Timestamp};
use ops::import::{ImportOptions, import};
use serde::Deserialize;
use serde_json::Value;
use table::{Descriptions, Table};

use crate::{StackError, error_chain, store::DataFolder};

/// Content of a new shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    None,
    /// The sample catalogue: 60 products in 8 categories.
    Sample,
}

const CATALOG: &str = include_str!("../assets/catalog.jsonl");

/// The input of a picture.
#[derive(Debug, Deserialize)]
pub struct SampleProduct {
    pub id: String,
    pub name: String,
    pub category: Vec<String>,
}

/// Loads the sample catalogue once: later starts do not touch it, so changes of operators stay.
pub async fn load(
    seed: Seed,
    data: &DataFolder,
    table: &Table,
    descriptions: &Descriptions,
    currency: Currency,
    now: Timestamp,
) -> Result<(), StackError> {
    if seed == Seed::None || data.is_seeded() {
        return Ok(());
    }
    let failed = |e: String| StackError::start("sample catalogue", e);
    let catalog = catalog_in(currency).map_err(|e| failed(e.to_string()))?;
    let options = ImportOptions { currency: Some(currency), ..ImportOptions::new("sample", now) };
    let refuse = |reject: ops::import::Reject| Err(std::io::Error::other(format!("{reject:?}")));
    let loaded = import(table, descriptions, catalog.as_bytes(), &options, refuse, |_| {}).await;
    loaded.map_err(|e| failed(error_chain(&e)))?;
    // So that its categories are in the first page, which is requested before the stream is delivered.
    ops::migrate::run(table, now, None, |_| {}).await?;
    data.mark_seeded()
}

/// The sample catalogue in a shop's own currency, so that everything can be bought: the number of minor units stays, so
/// 8.99 USD become 899 JPY.
fn catalog_in(currency: Currency) -> Result<String, Invalid> {
    let unreadable = |e: serde_json::Error| Invalid::new("line", "record_invalid", e.to_string());
    let line = |line: &str| -> Result<String, Invalid> {
        let mut record: Value = serde_json::from_str(line).map_err(unreadable)?;
        let dollars = Money::parse_decimal(record["price"].as_str().unwrap_or_default(), Currency::USD)?;
        let price = Money::price(dollars.amount_minor(), currency)?.to_string();
        record["price"] = price.split(' ').next().into();
        record["currency"] = currency.code().into();
        Ok(format!("{record}\n"))
    };
    CATALOG.lines().map(line).collect()
}

/// The sample product with this id.
pub fn product(id: &str) -> Option<SampleProduct> {
    CATALOG.lines().filter_map(|line| serde_json::from_str::<SampleProduct>(line).ok()).find(|p| p.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_have_a_price_in_any_currency() {
        for (currency, price) in
            [(Currency::USD, "8.99"), (Currency::EUR, "8.99"), (Currency::JPY, "899"), (Currency::KWD, "0.899")]
        {
            let catalog = catalog_in(currency).unwrap();
            let first: Value = serde_json::from_str(catalog.lines().next().unwrap()).unwrap();

            assert_eq!((first["price"].as_str(), first["currency"].as_str()), (Some(price), Some(currency.code())));
            assert_eq!(catalog.lines().count(), CATALOG.lines().count());
        }
    }
}
