//! The flag that a product is sold out in lists. Stock is a separate item so that a sale rewrites neither product nor
//! index; the flag follows when stock is used up or comes back.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ProductId;

use crate::{
    StoreError, Table,
    conditions::{Condition, EXISTS, values},
    keys,
    meter::metered,
    rows::{n, s},
    stock::available,
    transact::AnyCondition,
};

/// On the product while it is sold out, and in every index that lists products.
pub(crate) const SOLD_OUT: &str = "soldOut";

/// The flag of a product in lists, and its actual stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoldOutFlag {
    pub listed_as_sold_out: bool,
    /// Units over all shards.
    pub available: i64,
}

impl SoldOutFlag {
    pub fn is_wrong(self) -> bool {
        self.listed_as_sold_out != (self.available <= 0)
    }
}

impl Table {
    /// AP-52: a product's flag and its actual stock. Query `PROD#id`, begins_with `META#`, consistent, because
    /// differences are repaired. `None` if there is no such product.
    pub async fn sold_out_flag_get(&self, id: &ProductId) -> Result<Option<SoldOutFlag>, StoreError> {
        let call = self
            .query(keys::product_pk(id))
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .projection_expression("PK, SK, soldOut, available")
            .expression_attribute_values(":prefix", s(keys::PRODUCT_PAGE_PREFIX))
            .limit(keys::PRODUCT_PAGE_ITEMS)
            .send();
        let items = metered("AP-52", call).await?.items.unwrap_or_default();
        let product = s(keys::product(id).sk);
        let Some(meta) = items.iter().find(|item| item.get(keys::SK) == Some(&product)) else { return Ok(None) };
        let listed_as_sold_out = matches!(meta.get(SOLD_OUT), Some(AttributeValue::Bool(true)));
        let stock = items.iter().filter(|item| item.contains_key("available")).map(available);
        let available = stock.sum::<Result<i64, StoreError>>()?;
        Ok(Some(SoldOutFlag { listed_as_sold_out, available }))
    }

    /// AP-53: sets or removes the flag, if the stock still agrees: a transaction of the product's flag and a check of
    /// its stock, so that no late consumer undoes what a newer one did. Returns whether it did.
    pub async fn sold_out_flag_set(&self, id: &ProductId, sold_out: bool) -> Result<bool, StoreError> {
        let (condition, update, flag) = match sold_out {
            true => ("available <= :none", "SET soldOut = :flag, writtenBy = :shop", Some(AttributeValue::Bool(true))),
            false => ("available > :none", "SET writtenBy = :shop REMOVE soldOut", None),
        };
        let mut written = values([(":shop", s("shop"))]);
        written.extend(flag.map(|flag| (":flag".to_owned(), flag)));
        let still_so = Condition::new(condition, values([(":none", n(0))]));
        let mut transaction = self.transaction();
        transaction.check(AnyCondition, still_so, keys::stock(id, keys::ONLY_STOCK_SHARD));
        transaction.update_if(AnyCondition, EXISTS, keys::product(id), update, written);
        Ok(transaction.write("AP-53").await?.is_ok())
    }
}
