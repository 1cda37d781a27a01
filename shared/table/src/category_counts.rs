//! The number of products in each category.
//!
//! Beside each product there is an item with the category that it is counted in; that item and the category's number
//! change in one transaction, so that no delivery, late, repeated or out of order, counts a product twice. Each
//! category then adds its products to the one above it and records how many it has added: changes since then are added
//! together, so that the top-level categories are not written for each product.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Category, CategoryPath, MAX_CATEGORY_DEPTH, ProductId};

use crate::{
    IndexPosition, Page, StoreError, Table,
    batches::backoff,
    categories::{BELOW, OWN, category, count},
    conditions::{Condition, EXISTS, NEW, values},
    keys::{self, key_of_item},
    meter::metered,
    rows::{Item, n, s},
    schema::CATEGORY_INDEXES,
    transact::{AnyCondition, Transaction},
};

/// How many of a category's products the category above has counted.
const PASSED_UP: &str = "passedUp";

/// Rounds of read and write before an item that others keep changing is left to the next delivery.
const MAX_ROUNDS: u32 = 8;

/// The result of counting a product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CategoryCounted {
    /// Whether it was counted in another category, or not at all, before.
    pub changed: bool,
    /// The categories whose numbers may not have been added to the category above yet.
    pub touched: BTreeSet<CategoryPath>,
}

/// The numbers of a category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryCount {
    pub category: Category,
    /// How many of them the category above has counted.
    pub passed_up: u64,
}

impl CategoryCount {
    /// Whether the category above has to be updated.
    pub fn is_behind(&self) -> bool {
        self.category.path.depth() > 1 && self.category.products() != self.passed_up
    }
}

/// A product's category, from the attribute of its deepest level.
fn stored_category(product: &Item) -> Option<(usize, &String)> {
    let at = |level: usize| product.get(CATEGORY_INDEXES[level].hash)?.as_s().ok().map(|path| (level, path));
    (0..MAX_CATEGORY_DEPTH).rev().find_map(at)
}

pub(crate) fn category_of(product: &Item) -> Result<Option<CategoryPath>, StoreError> {
    Ok(stored_category(product).map(|(_, path)| CategoryPath::stored(path)))
}

/// The condition that a product's category is still the one that was read; for a product that is deleted or in no
/// category, that it has none.
pub(crate) fn same_category(product: Option<&Item>) -> Condition {
    match product.and_then(stored_category) {
        None => Condition::from("attribute_not_exists(category)"),
        Some((level, path)) => {
            let is = format!("{} = :category", CATEGORY_INDEXES[level].hash);
            let no_deeper =
                CATEGORY_INDEXES.get(level + 1).map(|index| format!(" AND attribute_not_exists({})", index.hash));
            Condition::new(is + &no_deeper.unwrap_or_default(), values([(":category", s(path))]))
        }
    }
}

impl Table {
    /// AP-65a: counts a product in its current category, or in none. BatchGetItem of the product and of the category it
    /// is counted in, consistent; if they differ, a transaction of up to four: the product is unchanged, the category
    /// it is counted in, and the numbers of both categories.
    pub async fn product_category_count(&self, id: &ProductId) -> Result<CategoryCounted, StoreError> {
        let (product_key, counted_key) = (keys::product(id), keys::product_category(id));
        let mut touched = BTreeSet::new();
        for round in 1..=MAX_ROUNDS {
            let found = self.items_get("AP-65", vec![product_key.clone(), counted_key.clone()], true).await?;
            let item = |key: &keys::Key| found.iter().find(|item| key_of_item(item).as_ref() == Some(key));
            let (product, counted_in) = (item(&product_key), item(&counted_key));
            let given = product.map(category_of).transpose()?.flatten();
            let counted = counted_in.map(counted_category).transpose()?;
            touched.extend(given.iter().chain(&counted).cloned());
            if given == counted {
                return Ok(CategoryCounted { changed: false, touched });
            }
            let mut transaction = self.transaction();
            transaction.check(AnyCondition, same_category(product), product_key.clone());
            count_in(&mut transaction, counted_key.clone(), given.as_ref(), counted.as_ref());
            given.iter().for_each(|path| category_add(&mut transaction, path, OWN, 1));
            counted.iter().for_each(|path| category_add(&mut transaction, path, OWN, -1));
            match transaction.write("AP-65").await? {
                Ok(()) => return Ok(CategoryCounted { changed: true, touched }),
                // The product was moved, or counted by another delivery, meanwhile.
                Err(_failed) => backoff(round).await,
            }
        }
        Err(StoreError::Busy("the product's category is being changed".into()))
    }

    /// AP-65b: adds the numbers of categories, and of those above them, to the category above each. For each level a
    /// GetItem, consistent, and if there is a difference a transaction of two. Can be repeated at any time.
    pub async fn categories_settle(&self, paths: BTreeSet<CategoryPath>) -> Result<(), StoreError> {
        let mut by_depth: BTreeMap<usize, BTreeSet<CategoryPath>> = BTreeMap::new();
        for path in paths {
            by_depth.entry(path.depth()).or_default().insert(path);
        }
        while let Some((depth, paths)) = by_depth.pop_last() {
            for path in paths {
                let Some(parent) = path.parent() else { continue };
                self.category_pass_up(&path, &parent).await?;
                by_depth.entry(depth - 1).or_default().insert(parent);
            }
        }
        Ok(())
    }

    /// AP-65c: the numbers of the categories of one level. Query of the level, consistent, 1,000 items.
    pub async fn category_counts_by_level(
        &self,
        depth: usize,
        after: Option<IndexPosition>,
    ) -> Result<Page<CategoryCount, IndexPosition>, StoreError> {
        let call = self
            .query(keys::category_pk(depth))
            .consistent_read(true)
            .key_condition_expression("PK = :pk")
            .limit(1_000)
            .set_exclusive_start_key(after.map(IndexPosition::into_key))
            .send();
        let output = metered("AP-65", call).await?;
        let read = |item: Item| Ok(CategoryCount { category: category(&item)?, passed_up: count(&item, PASSED_UP)? });
        let items = output.items.unwrap_or_default().into_iter().map(read).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page { items, next: output.last_evaluated_key.map(IndexPosition::of_key) })
    }

    async fn category_pass_up(&self, path: &CategoryPath, parent: &CategoryPath) -> Result<(), StoreError> {
        for round in 1..=MAX_ROUNDS {
            let found = metered("AP-65", self.get(keys::category(path)).consistent_read(true).send()).await?;
            let Some(item) = found.item else { return Ok(()) };
            let has = count(&item, OWN)? + count(&item, BELOW)?;
            let passed = count(&item, PASSED_UP)?;
            if has == passed {
                return Ok(());
            }
            let delta = i64::try_from(has).unwrap_or(i64::MAX) - i64::try_from(passed).unwrap_or(i64::MAX);
            let same = match item.get(PASSED_UP) {
                None => Condition::new(format!("{EXISTS} AND attribute_not_exists({PASSED_UP})"), Item::new()),
                Some(passed) => Condition::new(format!("{PASSED_UP} = :passed"), values([(":passed", passed.clone())])),
            };
            let mut transaction = self.transaction();
            let update = format!("SET {PASSED_UP} = :has");
            transaction.update_if(AnyCondition, same, keys::category(path), &update, values([(":has", n(has))]));
            category_add(&mut transaction, parent, BELOW, delta);
            match transaction.write("AP-65").await? {
                Ok(()) => return Ok(()),
                // Another delivery added it meanwhile.
                Err(_failed) => backoff(round).await,
            }
        }
        Err(StoreError::Busy("the category is being counted".into()))
    }
}

/// Writes the category that a product is counted in, if it is still the one that was read.
fn count_in(
    transaction: &mut Transaction<'_, AnyCondition>,
    key: keys::Key,
    given: Option<&CategoryPath>,
    counted: Option<&CategoryPath>,
) {
    let was = |path: &CategoryPath| Condition::new("category = :was", values([(":was", s(path.to_string()))]));
    match (given, counted) {
        (None, None) => transaction.check(AnyCondition, NEW, key),
        (None, Some(counted)) => transaction.delete_if(AnyCondition, was(counted), key),
        (Some(given), None) => {
            let mut item = key.into_item();
            item.insert("category".to_owned(), s(given.to_string()));
            transaction.put_if(AnyCondition, NEW, item);
        }
        (Some(given), Some(counted)) => {
            let now = values([(":now", s(given.to_string()))]);
            transaction.update_if(AnyCondition, was(counted), key, "SET category = :now", now);
        }
    }
}

fn category_add(transaction: &mut Transaction<'_, AnyCondition>, path: &CategoryPath, number: &str, delta: i64) {
    transaction.update(keys::category(path), &format!("ADD {number} :delta"), values([(":delta", n(delta))]));
}

fn counted_category(item: &Item) -> Result<CategoryPath, StoreError> {
    let path = item.get("category").and_then(|path| path.as_s().ok()).map_or("", String::as_str);
    Ok(CategoryPath::stored(path))
}
