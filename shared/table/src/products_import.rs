//! Import of many products, and completing an import that was interrupted.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::{Attributes, DetailsChange, Invalid, ProductId, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::{
    ProductPage, ProductRecord, StoreError, Table,
    conditions::{Condition, NEW, values, write_if},
    keys,
    keys::{Key, key_of_item},
    meter::metered,
    product_rows::{product_item, product_record},
    rows::{Item, n},
    stock::{MoveKind, available, incarnation, initial, is_of, move_item, stock_item},
    transact::AnyCondition,
};

/// A product to import, with its initial stock.
#[derive(Debug, Clone)]
pub struct ImportRecord {
    /// The product to create if it does not exist yet.
    pub record: ProductRecord,
    pub stock: i64,
    /// The fields of `record` that are written over an existing product.
    pub says: Says,
}

/// The fields that an import sets of a product that exists. The others stay unchanged.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    Everything,
    Only(Box<Said>),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// All but the attributes.
    pub details: DetailsChange,
    /// The attributes that are taken from the import's record.
    pub attributes: BTreeSet<AttributePart>,
    pub description: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributePart {
    /// All but those that have fields of their own.
    Others,
    /// The attribute `source`.
    Source,
    /// The attribute `license`.
    License,
}

/// What an import does with existing products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They are left unchanged.
    Keep,
    /// They are changed to their record, unless the record is the one that was imported last: then later changes of the
    /// product are intentional and stay.
    Change,
    /// They are changed to their record.
    ChangeAll,
}

/// The result of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    Created,
    /// The product existed with other content.
    Updated,
    Unchanged,
    /// The product existed without its stock, which it has now.
    Unfinished,
    /// The product existed, and existing ones are not to be changed.
    Exists,
    /// The product existed, and its attributes together with those of the record exceed what a product may have.
    AttributesRefused,
    /// At most a part of it was written; importing it again completes it.
    Unwritten,
}

/// Concurrent writes where each item needs a PutItem of its own, for its condition.
const CONCURRENCY: usize = 16;

impl Table {
    /// AP-13: imports any number of products. BatchGetItem finds what exists. For a product that does not exist, the
    /// stock is written first, by a PutItem that is conditional on there being none; then the first line of its ledger
    /// and then the product, by BatchWriteItem of 25, unprocessed items again with backoff. Existing stock is never
    /// changed, and an existing product has its stock and its line, so importing a file again changes nothing, and
    /// completes an interrupted import. An existing product is changed as `existing` says, by a PutItem that is
    /// conditional on the version that was read.
    ///
    /// If another writer creates a product of the same id meanwhile, the stock decides which was first; the loser reads
    /// again and treats the product as an existing one, as it also does with one that staff changed meanwhile. If an
    /// interrupted import left stock without its product, AP-63 completes it. Outcomes are in the order of `records`.
    pub async fn products_import(
        &self,
        records: &[ImportRecord],
        existing: Existing,
        actor: &str,
        now: Timestamp,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        let mut outcomes = vec![ImportOutcome::Unwritten; records.len()];
        let mut open: Vec<usize> = (0..records.len()).collect();
        // Another writer's stock is found in the second round, and another writer's product in the third.
        for _ in 0..3 {
            let round: Vec<_> = open.iter().map(|at| &records[*at]).collect();
            let done = self.products_import_once(&round, existing, actor, now).await?;
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

    /// `None` for a record whose stock or product another writer has written meanwhile.
    async fn products_import_once(
        &self,
        records: &[&ImportRecord],
        existing: Existing,
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
            plans.push(Plan::of(import, stored, stock, existing, actor, now)?);
        }
        let stocks =
            plans.iter().zip(records).map(|(plan, import)| self.stock_begin(plan.stock.clone(), import, actor));
        let stocks: Vec<_> = stocks.collect();
        let put: Vec<bool> = stream::iter(stocks).buffered(CONCURRENCY).try_collect().await?;

        // The product after the ledger: an existing product has both other items.
        let ours = || plans.iter().zip(&put).filter(|(_, put)| **put).map(|(plan, _)| plan);
        let pk = |item: &Item| key_of_item(item).map(|key| key.pk);
        let ledger = ours().filter_map(|plan| plan.first_move.clone()).collect();
        let mut unwritten: HashSet<_> = self.items_put("AP-13", ledger).await?.iter().map(pk).collect();
        let new = |plan: &Plan| match &plan.product {
            ProductPlan::New(item) => Some(item.clone()),
            ProductPlan::Over { .. } | ProductPlan::There => None,
        };
        let products = ours().filter_map(new).filter(|item| !unwritten.contains(&pk(item)));
        let left = self.items_put("AP-13", products.collect()).await?;
        unwritten.extend(left.iter().map(pk));
        let over: Vec<_> = plans.iter().zip(&put).map(|(plan, put)| self.product_over(plan, *put)).collect();
        let put: Vec<bool> = stream::iter(over).buffered(CONCURRENCY).try_collect().await?;

        let outcome = |((plan, put), import): ((&Plan, &bool), &&ImportRecord)| {
            let left = unwritten.contains(&Some(keys::product_pk(&import.record.product.id)));
            put.then_some(if left { ImportOutcome::Unwritten } else { plan.outcome })
        };
        Ok(plans.iter().zip(&put).zip(records).map(outcome).collect())
    }

    /// Writes the change of an existing product, if one is planned and its stock was `put`. Returns whether everything
    /// is now as planned.
    async fn product_over(&self, plan: &Plan, put: bool) -> Result<bool, StoreError> {
        match &plan.product {
            ProductPlan::Over { item, read } if put => {
                let call = self.put(item.clone()).condition_expression("version = :read");
                Ok(write_if("AP-13", call.expression_attribute_values(":read", n(*read)).send()).await?.is_ok())
            }
            ProductPlan::Over { .. } | ProductPlan::New(_) | ProductPlan::There => Ok(put),
        }
    }

    /// The planned stock of a record. Returns whether it is now as planned.
    async fn stock_begin(&self, plan: StockPlan, import: &ImportRecord, actor: &str) -> Result<bool, StoreError> {
        match plan {
            StockPlan::New(item) => self.stock_put(item).await,
            StockPlan::Orphan => Ok(self.product_complete(&import.record, import.stock, actor).await?.is_some()),
            StockPlan::There => Ok(true),
        }
    }

    /// AP-63: completes a product of which an interrupted import left only the stock: the product, the first line of
    /// its ledger, and, if its stock is to be different by now, the difference as a further line, which keeps the
    /// ledger consistent whatever the first import may still write. GetItem, and TransactWriteItems of up to 4,
    /// conditional on the stock that was read. `None` if there is none, or another writer was first.
    pub async fn product_complete(
        &self,
        record: &ProductRecord,
        units: i64,
        actor: &str,
    ) -> Result<Option<ProductPage>, StoreError> {
        self.product_complete_with(record, units, actor, None).await
    }

    /// AP-63, with the record of the request in the same transaction.
    pub(crate) async fn product_complete_with(
        &self,
        record: &ProductRecord,
        units: i64,
        actor: &str,
        request: Option<Item>,
    ) -> Result<Option<ProductPage>, StoreError> {
        let product = &record.product;
        let id = &product.id;
        let key = keys::stock(id, keys::ONLY_STOCK_SHARD);
        let found = metered("AP-63", self.get(key).consistent_read(true).send()).await?;
        let Some(stock) = found.item else { return Ok(None) };
        let (incarnation, seen) = (incarnation(&stock), available(&stock)?);
        let same_stock = Condition::new("available = :seen", values([(":seen", n(seen))]));
        let mut transaction = self.transaction();
        transaction.put_if(AnyCondition, NEW, product_item(record, units <= 0, actor));
        transaction.update_if(
            AnyCondition,
            same_stock.and(is_of(incarnation, product.created_at)),
            keys::stock(id, keys::ONLY_STOCK_SHARD),
            "SET available = :units",
            values([(":units", n(units))]),
        );
        // Directly after the stock it changes, for consumers of the stream.
        if units != seen {
            let difference = units - seen;
            transaction.put(move_item(id, Uuid::now_v7(), MoveKind::Adjusted, difference, "loaded again", actor));
        }
        transaction.put(move_item(id, first_move(id), MoveKind::Initial, initial(&stock)?, "initial", actor));
        if let Some(request) = request {
            transaction.put_if(AnyCondition, NEW, request);
        }
        if transaction.write("AP-63").await?.is_err() {
            return Ok(None);
        }
        let (record, rating) = (record.clone(), Default::default());
        Ok(Some(ProductPage { record, available: units, incarnation, in_sale: false, rating }))
    }

    /// AP-13: the stock of a new product, if there is none. Returns whether it was written.
    async fn stock_put(&self, item: Item) -> Result<bool, StoreError> {
        Ok(write_if("AP-13", self.put(item).condition_expression(NEW).send()).await?.is_ok())
    }
}

/// The planned writes of one record.
struct Plan {
    outcome: ImportOutcome,
    stock: StockPlan,
    first_move: Option<Item>,
    product: ProductPlan,
}

enum ProductPlan {
    New(Item),
    /// Replaces what was read at this version.
    Over {
        item: Item,
        read: u64,
    },
    There,
}

#[derive(Clone)]
enum StockPlan {
    New(Item),
    /// Only the stock exists; the product is completed with all that belongs to it.
    Orphan,
    There,
}

impl Plan {
    fn of(
        import: &ImportRecord,
        stored: Option<ProductRecord>,
        stock: Option<Item>,
        existing: Existing,
        actor: &str,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let id = &import.record.product.id;
        if stored.is_none() && stock.is_some() {
            let (outcome, stock) = (ImportOutcome::Created, StockPlan::Orphan);
            return Ok(Self { outcome, stock, first_move: None, product: ProductPlan::There });
        }
        let sold_out = stock.as_ref().map_or(Ok(import.stock), available)? <= 0;
        let (outcome, product) = match &stored {
            None => (ImportOutcome::Created, ProductPlan::New(product_item(&import.record, sold_out, actor))),
            Some(_) if existing == Existing::Keep && stock.is_some() => (ImportOutcome::Exists, ProductPlan::There),
            // Started by an interrupted import: what exists stays, and the rest is written.
            Some(_) if existing == Existing::Keep => (ImportOutcome::Unfinished, ProductPlan::There),
            Some(stored) => {
                let over = |record: &ProductRecord| {
                    let item = product_item(record, sold_out, actor);
                    ProductPlan::Over { item, read: stored.product.version }
                };
                match changed(stored, import, existing, now) {
                    Change::None => (ImportOutcome::Unchanged, ProductPlan::There),
                    Change::Digest(record) => (ImportOutcome::Unchanged, over(&record)),
                    Change::Content(record) => (ImportOutcome::Updated, over(&record)),
                    Change::Refused => (ImportOutcome::AttributesRefused, ProductPlan::There),
                }
            }
        };
        // A product without its stock is completed in any mode.
        let outcome = match outcome {
            ImportOutcome::Unchanged if stock.is_none() => ImportOutcome::Updated,
            outcome => outcome,
        };
        if stock.is_some() {
            // A product with its stock also has its ledger line.
            return Ok(Self { outcome, stock: StockPlan::There, first_move: None, product });
        }
        // A new product without stock needs no ledger line.
        let first_move = (import.stock > 0 || stored.is_some())
            .then(|| move_item(id, first_move(id), MoveKind::Initial, import.stock, "initial", actor));
        let stock = stock_item(id, import.stock, Uuid::now_v7().into(), import.record.product.created_at);
        Ok(Self { outcome, stock: StockPlan::New(stock), first_move, product })
    }
}

/// The id of the ledger's first line, the same for every attempt: a UUIDv7 of the epoch, derived from the product's id.
fn first_move(id: &ProductId) -> Uuid {
    let digest = keys::sha256_hex(id.as_str());
    let mut random = [0; 10];
    random.copy_from_slice(&digest.as_bytes()[..10]);
    uuid::Builder::from_unix_timestamp_millis(0, &random).into_uuid()
}

/// What an import does with an existing product.
enum Change {
    None,
    /// The product has this content already; only the import is recorded.
    Digest(ProductRecord),
    Content(ProductRecord),
    /// Its attributes would exceed what a product may have.
    Refused,
}

fn changed(stored: &ProductRecord, import: &ImportRecord, existing: Existing, now: Timestamp) -> Change {
    let is_the_last_one = import.record.imported.is_some() && import.record.imported == stored.imported;
    if existing == Existing::Change && is_the_last_one {
        return Change::None;
    }
    match merged(stored, import) {
        Err(_attributes) => Change::Refused,
        Ok(record) if !same_content(stored, &record) => Change::Content(record.changed(now)),
        Ok(record) if record.imported != stored.imported => {
            // As it is stored, so that an equal description is not moved.
            Change::Digest(ProductRecord { imported: record.imported, ..stored.clone() })
        }
        Ok(_) => Change::None,
    }
}

/// The existing product with the fields of the import, of the same version.
fn merged(stored: &ProductRecord, import: &ImportRecord) -> Result<ProductRecord, Invalid> {
    let mut merged = import.record.clone();
    let (product, old) = (&mut merged.product, &stored.product);
    product.version = old.version;
    product.created_at = old.created_at;
    product.updated_at = old.updated_at;
    let Says::Only(said) = &import.says else { return Ok(merged) };

    let given = std::mem::take(&mut product.details.attributes);
    product.details = old.details.clone().changed(said.details.clone());
    product.details.attributes = merged_attributes(&old.details.attributes, &given, &said.attributes)?;
    if !said.description {
        merged.description = stored.description.clone();
    }
    Ok(merged)
}

/// Of each part the attributes of the import, if it sets them, otherwise the old ones.
fn merged_attributes(
    old: &Attributes,
    given: &Attributes,
    said: &BTreeSet<AttributePart>,
) -> Result<Attributes, Invalid> {
    if said.is_empty() {
        return Ok(old.clone());
    }
    let is_said = |name: &str| {
        said.contains(match name {
            "source" => &AttributePart::Source,
            "license" => &AttributePart::License,
            _ => &AttributePart::Others,
        })
    };
    let kept = old.iter().filter(|(name, _)| !is_said(name));
    let new = given.iter().filter(|(name, _)| is_said(name));
    Attributes::new(kept.chain(new).map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// Whether two records set the same fields to the same values, whichever import they are from.
fn same_content(a: &ProductRecord, b: &ProductRecord) -> bool {
    // The same text, wherever it is stored.
    let same_text = match (&a.description, &b.description) {
        (Some(a), Some(b)) => a.says_the_same(b),
        (a, b) => a == b,
    };
    same_text && a.product == b.product
}
