use std::collections::{HashMap, HashSet};

use domain::{ProductId, Timestamp};
use uuid::Uuid;

use crate::{
    ProductRecord, StoreError, Table, keys,
    keys::{Key, key_of_item},
    product_rows::{product_item, product_record},
    rows::Item,
    stock::{MoveKind, available, move_item, stock_item},
};

/// A product to load, with the stock it starts with.
#[derive(Debug, Clone)]
pub struct ImportRecord {
    pub record: ProductRecord,
    pub stock: i64,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    Created,
    /// The product was there with other content.
    Updated,
    Unchanged,
    /// The product was there without its stock, which it has now.
    Unfinished,
    /// The product was there, and existing ones are not to be touched.
    Exists,
    /// The table took part of it at most; loading it again completes it.
    Unwritten,
}

impl Table {
    /// AP-13: loads products, any number. BatchGetItem tells what is there, BatchWriteItem of 25 writes what is not,
    /// unprocessed items again with backoff. Stock that is there is never touched, and is written after everything else
    /// of its product, so loading a file again changes nothing, and completes one that was interrupted. With `overwrite`, products with other content are replaced.
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
        let found = self.items_get("AP-13", wanted.collect(), true).await?;
        let mut found: HashMap<Key, Item> =
            found.into_iter().filter_map(|item| Some((key_of_item(&item)?, item))).collect();

        let (mut outcomes, mut writes, mut stocks) = (Vec::with_capacity(records.len()), Vec::new(), Vec::new());
        for import in records {
            let id = &import.record.product.id;
            let stored = found.remove(&keys::product(id)).map(product_record).transpose()?;
            let stock = found.get(&keys::stock(id, keys::ONLY_STOCK_SHARD)).map(available).transpose()?;
            let (has_stock, sold_out) = (stock.is_some(), stock.unwrap_or(import.stock) <= 0);
            let mut outcome = match &stored {
                None => ImportOutcome::Created,
                Some(_) if !overwrite && has_stock => ImportOutcome::Exists,
                // Begun by a load that was interrupted: what is there stays, and the rest is written.
                Some(_) if !overwrite => ImportOutcome::Unfinished,
                Some(stored) if same_content(stored, &import.record) => ImportOutcome::Unchanged,
                Some(_) => ImportOutcome::Updated,
            };
            match outcome {
                ImportOutcome::Created => writes.push(product_item(&import.record, sold_out, actor)),
                ImportOutcome::Updated => {
                    let stored = &stored.as_ref().expect("an updated product is stored").product;
                    let mut record = import.record.clone();
                    record.product.version = stored.version;
                    record.product.created_at = stored.created_at;
                    writes.push(product_item(&record.changed(now), sold_out, actor));
                }
                _ => {}
            }
            if !has_stock && outcome != ImportOutcome::Exists {
                stocks.push(stock_item(id, import.stock));
                // A load that was interrupted may have left a line with another number.
                if import.stock > 0 || stored.is_some() {
                    writes.push(move_item(id, first_move(id), MoveKind::Initial, import.stock, "initial", actor));
                }
                if outcome == ImportOutcome::Unchanged {
                    outcome = ImportOutcome::Updated;
                }
            }
            outcomes.push(outcome);
        }

        let pk = |item: &Item| key_of_item(item).map(|key| key.pk);
        let mut unwritten: HashSet<_> = self.items_put("AP-13", writes).await?.iter().map(pk).collect();
        // The stock is what tells a whole product from one that an interruption left unfinished, so it comes last.
        stocks.retain(|item| !unwritten.contains(&pk(item)));
        unwritten.extend(self.items_put("AP-13", stocks).await?.iter().map(pk));
        for (outcome, import) in outcomes.iter_mut().zip(records) {
            if unwritten.contains(&Some(keys::product_pk(&import.record.product.id))) {
                *outcome = ImportOutcome::Unwritten;
            }
        }
        Ok(outcomes)
    }
}

/// The id of the ledger's first line, the same whenever it is written: a UUIDv7 of the epoch, from the product's id.
fn first_move(id: &ProductId) -> Uuid {
    let digest = keys::sha256_hex(id.as_str());
    let mut random = [0; 10];
    random.copy_from_slice(&digest.as_bytes()[..10]);
    uuid::Builder::from_unix_timestamp_millis(0, &random).into_uuid()
}

/// Whether two records say the same of a product, whenever they were written.
fn same_content(a: &ProductRecord, b: &ProductRecord) -> bool {
    let mut b = b.clone();
    b.product.version = a.product.version;
    b.product.created_at = a.product.created_at;
    b.product.updated_at = a.product.updated_at;
    // The same text, wherever it was kept.
    let same_text = match (&a.description, &b.description) {
        (Some(a), Some(b)) => a.says_the_same(b),
        (a, b) => a == b,
    };
    same_text && a.product == b.product
}
