//! What is indexed of a product.

use domain::{CategoryPath, Money, ProductId, Timestamp};

/// What is indexed of one product.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub id: ProductId,
    pub name: String,
    pub manufacturer: Option<String>,
    pub category: CategoryPath,
    /// In the order of their names.
    pub attributes: Vec<(String, String)>,
    /// HTML as it is stored; its text is indexed.
    pub description: String,
    /// What it costs now: results are filtered and sorted by it.
    pub price: Money,
    /// What it costs outside of a sale.
    pub list_price: Money,
    pub thumbnail: Option<String>,
    pub sold_out: bool,
    pub reviews: u64,
    /// The average of its reviews in tenths of a star, 10 to 50.
    pub average_tenths: Option<u64>,
    pub created_at: Timestamp,
    /// The product's version that this was made from. Of two changes of one product the index keeps the later version,
    /// in whatever order they are applied.
    pub version: u64,
}

/// One change of the index.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The product as it is now.
    Put(Box<Document>),
    /// The product is not sold any more.
    Delete(ProductId),
}

impl Change {
    pub fn id(&self) -> &ProductId {
        match self {
            Change::Put(document) => &document.id,
            Change::Delete(id) => id,
        }
    }
}
