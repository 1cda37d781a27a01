use std::collections::HashMap;

use domain::Timestamp;
use uuid::Uuid;

use crate::{
    ProductRecord, StoreError, Table, keys,
    keys::Key,
    products::{product_item, product_record},
    rows::Item,
    stock::{move_item, stock_item},
};

/// A product to load, with the stock it starts with.
#[derive(Debug, Clone)]
pub struct ImportRecord {
    pub record: ProductRecord,
    pub stock: i64,
    /// Names the ledger's line of the first stock.
    pub move_id: Uuid,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    Created,
    /// The product was there with other content.
    Updated,
    Unchanged,
    /// The product was there, and existing ones are not to be touched.
    Exists,
    /// The table took part of it at most; loading it again completes it.
    Unwritten,
}

impl Table {
    /// AP-13: loads products, any number. BatchGetItem tells what is there, BatchWriteItem of 25 writes what is not,
    /// unprocessed items again with backoff. Stock that is there is never touched, so loading a file again changes
    /// nothing, and completes one that was interrupted. With `overwrite`, products with other content are replaced.
    ///
    /// Outcomes are in the order of `records`. BatchWriteItem has no conditions: of two loads of the same new id at the
    /// same moment, the last wins.
    pub async fn products_import(
        &self,
        records: &[ImportRecord],
        overwrite: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        let wanted = records.iter().flat_map(|r| {
            let id = &r.record.product.id;
            [keys::product(id), keys::stock(id, keys::ONLY_STOCK_SHARD)]
        });
        let found = self.items_get(wanted.collect(), true).await?;
        let mut found: HashMap<Key, Item> = found.into_iter().filter_map(|item| Some((key(&item)?, item))).collect();

        let (mut outcomes, mut writes) = (Vec::with_capacity(records.len()), Vec::new());
        for import in records {
            let id = &import.record.product.id;
            let stored = found.remove(&keys::product(id)).map(product_record).transpose()?;
            let has_stock = found.contains_key(&keys::stock(id, keys::ONLY_STOCK_SHARD));
            let mut outcome = match &stored {
                None => ImportOutcome::Created,
                Some(_) if !overwrite => ImportOutcome::Exists,
                Some(stored) if same_content(stored, &import.record) => ImportOutcome::Unchanged,
                Some(_) => ImportOutcome::Updated,
            };
            match outcome {
                ImportOutcome::Created => writes.push(product_item(&import.record)),
                ImportOutcome::Updated => {
                    let stored = &stored.as_ref().expect("an updated product is stored").product;
                    let mut record = import.record.clone();
                    record.product.version = stored.version;
                    record.product.created_at = stored.created_at;
                    writes.push(product_item(&record.changed(now)));
                }
                _ => {}
            }
            if !has_stock && outcome != ImportOutcome::Exists {
                writes.push(stock_item(id, import.stock));
                if import.stock > 0 {
                    writes.push(move_item(id, import.move_id, import.stock, "initial", actor));
                }
                if outcome == ImportOutcome::Unchanged {
                    outcome = ImportOutcome::Updated;
                }
            }
            outcomes.push(outcome);
        }

        for item in self.items_put(writes).await? {
            let pk = key(&item).map(|key| key.pk);
            let unwritten = records.iter().position(|r| Some(keys::product_pk(&r.record.product.id)) == pk);
            if let Some(at) = unwritten {
                outcomes[at] = ImportOutcome::Unwritten;
            }
        }
        Ok(outcomes)
    }
}

fn key(item: &Item) -> Option<Key> {
    let part = |name| item.get(name)?.as_s().ok().cloned();
    Some(Key { pk: part(keys::PK)?, sk: part(keys::SK)? })
}

/// Whether two records say the same of a product, whenever they were written.
fn same_content(a: &ProductRecord, b: &ProductRecord) -> bool {
    let mut b = b.clone();
    b.product.version = a.product.version;
    b.product.created_at = a.product.created_at;
    b.product.updated_at = a.product.updated_at;
    *a == b
}
