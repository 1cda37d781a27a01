//! The products that wait to be indexed: a queue that has each product once, however often it changes.
//!
//! An entry says that a product has changed, never what: the indexer reads the product when it indexes it. So entries may
//! be written late, twice or out of order.

use domain::{Invalid, ProductId, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    StoreError, Table,
    conditions::{EXISTS, values, write_if},
    keys,
    meter::metered,
    rows::{self, Item, from_item, key_of, millis, n, s},
};

/// A product that waits to be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedProduct {
    pub id: ProductId,
    /// Since when.
    pub since: Timestamp,
    /// Another one after each change.
    pub change: Uuid,
}

fn changed(item: Item) -> Result<ChangedProduct, StoreError> {
    #[derive(Deserialize)]
    struct ChangedRow {
        #[serde(rename = "SK")]
        sk: String,
        since: i64,
        change: String,
    }
    let key = key_of(&item);
    let row: ChangedRow = from_item(item)?;
    let read = || -> Result<ChangedProduct, Invalid> {
        let (id, since) = (keys::search_product_id(&row.sk)?, rows::from_millis(row.since)?);
        let change = Uuid::parse_str(&row.change);
        let change = change.map_err(|e| Invalid::new("change", "id_invalid", e.to_string()))?;
        Ok(ChangedProduct { id, since, change })
    };
    read().map_err(|e| StoreError::corrupt(key, e))
}

impl Table {
    /// AP-96a: notes that a product has changed, or was deleted. UpdateItem: an entry that is there keeps the time since
    /// when it waits.
    pub async fn search_change_note(&self, id: &ProductId, change: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let call = self
            .update(keys::search_changed(id))
            .update_expression("SET change = :change, since = if_not_exists(since, :now)")
            .expression_attribute_values(":change", s(change))
            .expression_attribute_values(":now", n(millis(now)))
            .send();
        metered("AP-96", call).await?;
        Ok(())
    }

    /// AP-96b: the products of one of the four shards that wait to be indexed, by id, at most so many. Query
    /// `SEARCH#CHANGED#n`, consistent: what is noted when a run begins is in the generation it publishes.
    pub async fn search_changes_get(&self, shard: u8, limit: i32) -> Result<Vec<ChangedProduct>, StoreError> {
        let call = self
            .query(keys::search_changed_pk(shard))
            .consistent_read(true)
            .key_condition_expression("PK = :pk")
            .limit(limit)
            .send();
        let output = metered("AP-96", call).await?;
        output.items.unwrap_or_default().into_iter().map(changed).collect()
    }

    /// AP-96c: a product was indexed as it was after this change. DeleteItem, conditional on the change. If it has changed
    /// again, it waits from `indexed_at` on instead; an UpdateItem.
    pub async fn search_change_done(&self, indexed: &ChangedProduct, indexed_at: Timestamp) -> Result<(), StoreError> {
        let key = || keys::search_changed(&indexed.id);
        let call = self
            .delete(key())
            .condition_expression("change = :read")
            .set_expression_attribute_values(Some(values([(":read", s(indexed.change))])))
            .send();
        if write_if("AP-96", call).await?.is_ok() {
            return Ok(());
        }
        let call = self
            .update(key())
            .condition_expression(EXISTS)
            .update_expression("SET since = :at")
            .expression_attribute_values(":at", n(millis(indexed_at)))
            .send();
        // Otherwise another run has indexed it meanwhile.
        let _waits = write_if("AP-96", call).await?;
        Ok(())
    }
}
