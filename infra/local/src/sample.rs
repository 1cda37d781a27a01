use domain::Timestamp;
use ops::import::{ImportOptions, import};
use serde::Deserialize;
use table::{Descriptions, Table};

use crate::{StackError, error_chain, store::DataFolder};

/// What a new shop starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    None,
    /// The sample catalogue: 60 products in 8 categories.
    Sample,
}

const CATALOG: &str = include_str!("../assets/catalog.jsonl");

/// What a picture is drawn from.
#[derive(Debug, Deserialize)]
pub struct SampleProduct {
    pub id: String,
    pub name: String,
    pub category: Vec<String>,
}

/// Loads the sample catalogue once: what an operator changed since is left alone by the next start.
pub async fn load(
    seed: Seed,
    data: &DataFolder,
    table: &Table,
    descriptions: &Descriptions,
    now: Timestamp,
) -> Result<(), StackError> {
    if seed == Seed::None || data.is_seeded() {
        return Ok(());
    }
    let options = ImportOptions { default_stock: 0, actor: "sample".to_owned(), now };
    let refuse = |reject: ops::import::Reject| Err(std::io::Error::other(format!("{reject:?}")));
    let loaded = import(table, descriptions, CATALOG.as_bytes(), &options, refuse, |_| {}).await;
    loaded.map_err(|e| StackError::start("sample catalogue", error_chain(&e)))?;
    // So that its categories are there with the first page, which is asked for before the stream is delivered.
    ops::migrate::run(table, |_| {}).await?;
    data.mark_seeded()
}

/// The sample product with this id.
pub fn product(id: &str) -> Option<SampleProduct> {
    CATALOG.lines().filter_map(|line| serde_json::from_str::<SampleProduct>(line).ok()).find(|p| p.id == id)
}
