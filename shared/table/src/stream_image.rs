//! Items in the table's stream: before and after a change.

use domain::{AccountLink, CategoryPath, Order, ProductId, Sale};
use serde_json::Value;

use crate::{
    OrderLookup, ProductRecord, StoreError,
    account_links::account_link,
    category_counts::category_of,
    keys::{self, Key},
    order_lookups::order_lookup,
    order_rows::order,
    product_rows::product_record,
    rows::Item,
    sale_rows::sale,
    stock::available,
};

/// An item before or after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamImage(Item);

impl StreamImage {
    pub fn new(item: serde_dynamo::Item) -> Self {
        Self(item.into())
    }

    /// The item's key; `None` if it does not have this table's form.
    pub fn key(&self) -> Option<Key> {
        keys::key_of_item(&self.0)
    }

    /// The item as an order.
    pub fn order(&self) -> Result<Order, StoreError> {
        order(self.0.clone())
    }

    /// The item as a request for a link in a mail.
    pub fn account_link(&self) -> Result<AccountLink, StoreError> {
        account_link(self.0.clone())
    }

    /// The item as a request for a link to an order.
    pub fn order_lookup(&self) -> Result<OrderLookup, StoreError> {
        order_lookup(self.0.clone())
    }

    /// The item as a product.
    pub fn product(&self) -> Result<ProductRecord, StoreError> {
        product_record(self.0.clone())
    }

    /// The item as a sale.
    pub fn sale(&self) -> Result<Sale, StoreError> {
        sale(self.0.clone())
    }

    /// The category of a product, if it is in one; nothing else of the product is read.
    pub fn category(&self) -> Result<Option<CategoryPath>, StoreError> {
        category_of(&self.0)
    }

    /// The units of a stock item.
    pub fn available(&self) -> Result<i64, StoreError> {
        available(&self.0)
    }

    /// The item as plain JSON.
    pub fn json(&self) -> Result<Value, StoreError> {
        crate::rows::from_item(self.0.clone())
    }
}

/// The product that the key's partition belongs to.
pub fn product_of(key: &Key) -> Option<ProductId> {
    keys::product_id(&key.pk).ok()
}
