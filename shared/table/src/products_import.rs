//! Products that are loaded, many at a time, and what a load that was interrupted leaves behind.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::TransactWriteItem};
use domain::{ProductId, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::{
    ProductPage, ProductRecord, StoreError, Table,
    conditions::NEW,
    keys,
    keys::{Key, key_of_item},
    meter::metered,
    product_rows::{product_item, product_record},
    rows::{Item, n},
    stock::{MoveKind, available, incarnation, initial, is_of, move_item, stock_item},
    transact::{TransactError, values},
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

/// Stock items that are written at once: each by a PutItem of its own, for the sake of its condition.
const CONCURRENCY: usize = 16;

impl Table {
    /// AP-13: loads products, any number. BatchGetItem says what is there. Of a product that is not, the stock is written
    /// first, by a PutItem that is conditional on there being none; then the first line of its ledger and then the product,
    /// by BatchWriteItem of 25, unprocessed items again with backoff. Stock that is there is never touched, and a product
    /// that is there has its stock and its line, so loading a file again changes nothing, and completes one that was
    /// interrupted. With `overwrite`, products with other content are replaced.
    ///
    /// Where somebody else creates a product of the same id meanwhile, the stock decides who was first; what is there then
    /// is looked at anew, and left alone as any product that was there. Where a load that was interrupted left stock without
    /// its product, AP-63 completes it. Outcomes are in the order of `records`.
    pub async fn products_import(
        &self,
        records: &[ImportRecord],
        overwrite: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        let mut outcomes = vec![ImportOutcome::Unwritten; records.len()];
        let mut open: Vec<usize> = (0..records.len()).collect();
        // Who comes second to a stock finds it there the second time, and who comes second to its product the third.
        for _ in 0..3 {
            let round: Vec<_> = open.iter().map(|at| &records[*at]).collect();
            let done = self.products_import_once(&round, overwrite, actor, now).await?;
            let mut again = Vec::new();
            for (at, outcome) in open.into_iter().zip(done) {
                match outcome {
                    Some(outcome) => outcomes[at] = outcome,
                    None => again.push(at),
                }
            }
            if again.is_empty() {
                break;
            }
            open = again;
        }
        Ok(outcomes)
    }

    /// `None` for a record whose stock somebody else has written meanwhile.
    async fn products_import_once(
        &self,
        records: &[&ImportRecord],
        overwrite: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Vec<Option<ImportOutcome>>, StoreError> {
        let wanted = records.iter().flat_map(|r| {
            let id = &r.record.product.id;
            [keys::product(id), keys::stock(id, keys::ONLY_STOCK_SHARD)]
        });
        let found = self.items_get("AP-13", wanted.collect(), true).await?;
        let mut found: HashMap<Key, Item> =
            found.into_iter().filter_map(|item| Some((key_of_item(&item)?, item))).collect();

        let mut plans = Vec::with_capacity(records.len());
        for import in records {
            let id = &import.record.product.id;
            let stored = found.remove(&keys::product(id)).map(product_record).transpose()?;
            let stock = found.remove(&keys::stock(id, keys::ONLY_STOCK_SHARD));
            plans.push(Plan::of(import, stored, stock, overwrite, actor, now)?);
        }
        let stocks =
            plans.iter().zip(records).map(|(plan, import)| self.stock_begin(plan.stock.clone(), import, actor));
        let stocks: Vec<_> = stocks.collect();
        let put: Vec<bool> = stream::iter(stocks).buffered(CONCURRENCY).try_collect().await?;

        // Product after ledger: a product that is there has both the others.
        let ours = || plans.iter().zip(&put).filter(|(_, put)| **put).map(|(plan, _)| plan);
        let pk = |item: &Item| key_of_item(item).map(|key| key.pk);
        let ledger = ours().filter_map(|plan| plan.first_move.clone()).collect();
        let mut unwritten: HashSet<_> = self.items_put("AP-13", ledger).await?.iter().map(pk).collect();
        let products = ours().filter_map(|plan| plan.product.clone()).filter(|item| !unwritten.contains(&pk(item)));
        let left = self.items_put("AP-13", products.collect()).await?;
        unwritten.extend(left.iter().map(pk));

        let outcome = |((plan, put), import): ((&Plan, &bool), &&ImportRecord)| {
            let left = unwritten.contains(&Some(keys::product_pk(&import.record.product.id)));
            put.then_some(if left { ImportOutcome::Unwritten } else { plan.outcome })
        };
        Ok(plans.iter().zip(&put).zip(records).map(outcome).collect())
    }

    /// The stock of a record, as it is planned. Says whether it is there now, and as planned.
    async fn stock_begin(&self, plan: StockPlan, import: &ImportRecord, actor: &str) -> Result<bool, StoreError> {
        match plan {
            StockPlan::New(item) => self.stock_put(item).await,
            StockPlan::Orphan => Ok(self.product_complete(&import.record, import.stock, actor).await?.is_some()),
            StockPlan::There => Ok(true),
        }
    }

    /// AP-63: completes a product of which a load that was interrupted left the stock: the product, the first line of its
    /// ledger, and, where its stock is to be another by now, the difference as a line of its own, which keeps the ledger
    /// true whatever the first load may yet write. GetItem, and TransactWriteItems of up to 4, conditional on the stock
    /// that was read. `None` if there is none, or somebody else was first.
    pub async fn product_complete(
        &self,
        record: &ProductRecord,
        units: i64,
        actor: &str,
    ) -> Result<Option<ProductPage>, StoreError> {
        self.product_complete_with(record, units, actor, Vec::new()).await
    }

    /// AP-63, with further actions of the same transaction.
    pub(crate) async fn product_complete_with(
        &self,
        record: &ProductRecord,
        units: i64,
        actor: &str,
        further: Vec<TransactWriteItem>,
    ) -> Result<Option<ProductPage>, StoreError> {
        let product = &record.product;
        let id = &product.id;
        let key = keys::stock(id, keys::ONLY_STOCK_SHARD);
        let found = metered("AP-63", self.get(key).consistent_read(true).send()).await?;
        let Some(stock) = found.item else { return Ok(None) };
        let (incarnation, seen) = (incarnation(&stock), available(&stock)?);
        let (of_that_stock, mut bound) = is_of(incarnation, product.created_at);
        bound.extend(values([(":units", n(units)), (":seen", n(seen))]));
        let line =
            |move_id, kind, delta, reason| self.transact_put(move_item(id, move_id, kind, delta, reason, actor), None);
        let mut actions = vec![
            self.transact_put(product_item(record, units <= 0, actor), Some(NEW)),
            self.transact_update(
                keys::stock(id, keys::ONLY_STOCK_SHARD),
                "SET available = :units",
                &format!("available = :seen AND {of_that_stock}"),
                bound,
            ),
        ];
        // Next to the stock that it changes, for those who read the stream.
        if units != seen {
            actions.push(line(Uuid::now_v7(), MoveKind::Adjusted, units - seen, "loaded again"));
        }
        actions.push(line(first_move(id), MoveKind::Initial, initial(&stock)?, "initial"));
        actions.extend(further);
        match self.transact("AP-63", actions).await {
            Ok(()) => {
                let (record, rating) = (record.clone(), Default::default());
                Ok(Some(ProductPage { record, available: units, incarnation, rating }))
            }
            Err(TransactError::Canceled(_)) => Ok(None),
            Err(TransactError::Store(error)) => Err(error),
        }
    }

    /// AP-13: the stock of a new product, if there is none. Says whether it was written.
    async fn stock_put(&self, item: Item) -> Result<bool, StoreError> {
        match metered("AP-13", self.put(item).condition_expression(NEW).send()).await {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) => {
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }
}

/// What is to be written of one record.
struct Plan {
    outcome: ImportOutcome,
    stock: StockPlan,
    first_move: Option<Item>,
    product: Option<Item>,
}

#[derive(Clone)]
enum StockPlan {
    New(Item),
    /// It is there without its product, and is completed with all that belongs to it.
    Orphan,
    There,
}

impl Plan {
    fn of(
        import: &ImportRecord,
        stored: Option<ProductRecord>,
        stock: Option<Item>,
        overwrite: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let id = &import.record.product.id;
        if stored.is_none() && stock.is_some() {
            let (outcome, stock) = (ImportOutcome::Created, StockPlan::Orphan);
            return Ok(Self { outcome, stock, first_move: None, product: None });
        }
        let sold_out = stock.as_ref().map_or(Ok(import.stock), available)? <= 0;
        let (outcome, product) = match &stored {
            None => (ImportOutcome::Created, Some(product_item(&import.record, sold_out, actor))),
            Some(_) if !overwrite && stock.is_some() => (ImportOutcome::Exists, None),
            // Begun by a load that was interrupted: what is there stays, and the rest is written.
            Some(_) if !overwrite => (ImportOutcome::Unfinished, None),
            Some(stored) if same_content(stored, &import.record) => match stock {
                Some(_) => (ImportOutcome::Unchanged, None),
                None => (ImportOutcome::Updated, None),
            },
            Some(stored) => {
                let mut record = import.record.clone();
                record.product.version = stored.product.version;
                record.product.created_at = stored.product.created_at;
                (ImportOutcome::Updated, Some(product_item(&record.changed(now), sold_out, actor)))
            }
        };
        if stock.is_some() {
            // A product with its stock has its line too.
            return Ok(Self { outcome, stock: StockPlan::There, first_move: None, product });
        }
        // A new product of nothing needs no line.
        let first_move = (import.stock > 0 || stored.is_some())
            .then(|| move_item(id, first_move(id), MoveKind::Initial, import.stock, "initial", actor));
        let stock = stock_item(id, import.stock, Uuid::now_v7().into(), import.record.product.created_at);
        Ok(Self { outcome, stock: StockPlan::New(stock), first_move, product })
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
