//! The number of products in each category.
//!
//! Beside each product there is an item with the category that it is counted in; that item and the category's number
//! change in one transaction, so that no delivery, late, repeated or out of order, counts a product twice. Each
//! category then adds its products to the one above it and records how many it has added: changes since then are added
//! together, so that the top-level categories are not written for each product.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{Category, CategoryPath, MAX_CATEGORY_DEPTH, ProductId};

use crate::{
    IndexPosition, Page, StoreError, Table,
    batches::backoff,
    categories::{BELOW, OWN, category, count},
    conditions::{EXISTS, NEW},
    keys::{self, key_of_item},
    meter::metered,
    rows::{Item, n, s},
    schema::CATEGORY_INDEXES,
    transact::{TransactError, values},
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
pub(crate) fn same_category(product: Option<&Item>) -> (String, Item) {
    match product.and_then(stored_category) {
        None => ("attribute_not_exists(category)".to_owned(), Item::new()),
        Some((level, path)) => {
            let is = format!("{} = :category", CATEGORY_INDEXES[level].hash);
            let no_deeper =
                CATEGORY_INDEXES.get(level + 1).map(|index| format!(" AND attribute_not_exists({})", index.hash));
            (is + &no_deeper.unwrap_or_default(), values([(":category", s(path))]))
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
            let (still, bound) = same_category(product);
            let mut actions = vec![
                self.transact_check(product_key.clone(), &still, bound),
                self.counted_in(counted_key.clone(), given.as_ref(), counted.as_ref()),
            ];
            actions.extend(given.iter().map(|path| self.category_add(path, OWN, 1)));
            actions.extend(counted.iter().map(|path| self.category_add(path, OWN, -1)));
            match self.transact("AP-65", actions).await {
                Ok(()) => return Ok(CategoryCounted { changed: true, touched }),
                // The product was moved, or counted by another delivery, meanwhile.
                Err(TransactError::Canceled(_)) => backoff(round).await,
                Err(TransactError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Busy("the product's category is being changed".into()))
    }

    fn counted_in(
        &self,
        key: keys::Key,
        given: Option<&CategoryPath>,
        counted: Option<&CategoryPath>,
    ) -> TransactWriteItem {
        let was = |path: &CategoryPath| values([(":was", s(path.to_string()))]);
        match (given, counted) {
            (None, None) => self.transact_check(key, NEW, Item::new()),
            (None, Some(counted)) => self.transact_delete(key, Some("category = :was"), was(counted)),
            (Some(given), None) => {
                let mut item = key.into_item();
                item.insert("category".to_owned(), s(given.to_string()));
                self.transact_put(item, Some(NEW))
            }
            (Some(given), Some(counted)) => {
                let mut values = was(counted);
                values.insert(":now".to_owned(), s(given.to_string()));
                self.transact_update(key, "SET category = :now", "category = :was", values)
            }
        }
    }

    fn category_add(&self, path: &CategoryPath, number: &str, delta: i64) -> TransactWriteItem {
        let update = format!("ADD {number} :delta");
        self.transact_upsert(keys::category(path), &update, values([(":delta", n(delta))]))
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
            .query()
            .consistent_read(true)
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", s(keys::category_pk(depth)))
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
            let mut bound = values([(":has", n(has))]);
            let condition = match item.get(PASSED_UP) {
                None => format!("{EXISTS} AND attribute_not_exists({PASSED_UP})"),
                Some(passed) => {
                    bound.insert(":passed".to_owned(), passed.clone());
                    format!("{PASSED_UP} = :passed")
                }
            };
            let actions = vec![
                self.transact_update(keys::category(path), &format!("SET {PASSED_UP} = :has"), &condition, bound),
                self.category_add(parent, BELOW, delta),
            ];
            match self.transact("AP-65", actions).await {
                Ok(()) => return Ok(()),
                // Another delivery added it meanwhile.
                Err(TransactError::Canceled(_)) => backoff(round).await,
                Err(TransactError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Busy("the category is being counted".into()))
    }
}

fn counted_category(item: &Item) -> Result<CategoryPath, StoreError> {
    let path = item.get("category").and_then(|path| path.as_s().ok()).map_or("", String::as_str);
    Ok(CategoryPath::stored(path))
}
