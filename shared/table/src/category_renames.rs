//! Renames of categories: the task, its progress, and moving each product.

use domain::{CategoryPath, CategoryRename, CategoryRenameId, Invalid, ProductId, Timestamp, UserId};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{
    IndexPosition, Page, StoreError, Table,
    batches::backoff,
    category_counts::{category_of, same_category},
    conditions::{Condition, EXISTS, NEW, values, write_if},
    keys::{self, Key, key_of_item},
    meter::metered,
    page::one_more_than,
    rows,
    rows::{BY, Item, from_item, millis, n, s},
    schema::{CATEGORY_INDEXES, TTL_ATTRIBUTE},
    stream_image::product_of,
    transact::AnyCondition,
};

/// How long a finished rename can be looked up.
const RETENTION: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Rounds of read and write before a product that others keep changing is left to the next pass.
const MAX_ROUNDS: u32 = 6;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenameRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    from_path: String,
    to_path: String,
    by: String,
    expected_products: u64,
    moved_products: u64,
    left_products: u64,
    requested_at: i64,
    last_moved_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
}

fn rename_item(rename: &CategoryRename) -> Item {
    let Key { pk, sk } = keys::category_rename(rename.id);
    rows::to_item(RenameRow {
        pk,
        sk,
        from_path: rename.from.to_string(),
        to_path: rename.to.to_string(),
        by: rename.by.to_string(),
        expected_products: rename.expected,
        moved_products: rename.moved,
        left_products: rename.left,
        requested_at: millis(rename.requested_at),
        last_moved_at: millis(rename.last_moved_at),
        finished_at: rename.finished_at.map(millis),
    })
}

fn rename(item: Item) -> Result<CategoryRename, StoreError> {
    let row: RenameRow = from_item(item)?;
    let read = || -> Result<CategoryRename, Invalid> {
        Ok(CategoryRename {
            id: row.sk.strip_prefix(keys::CATEGORY_RENAME_PREFIX).unwrap_or_default().parse()?,
            from: CategoryPath::stored(&row.from_path),
            to: CategoryPath::stored(&row.to_path),
            by: row.by.parse::<UserId>()?,
            expected: row.expected_products,
            moved: row.moved_products,
            left: row.left_products,
            requested_at: rows::from_millis(row.requested_at)?,
            last_moved_at: rows::from_millis(row.last_moved_at)?,
            finished_at: row.finished_at.map(rows::from_millis).transpose()?,
        })
    };
    read().map_err(|e| StoreError::corrupt(format!("{} / {}", row.pk, row.sk), e))
}

/// The position of a rename in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryRenamePosition(String);

/// The result for one product of a renamed category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moving {
    Moved,
    /// It is in another category by now, or deleted.
    Elsewhere,
    /// Its new path would have too many levels, or be too long; it is not moved.
    TooDeep,
}

impl Table {
    /// AP-67a: creates a rename. TransactWriteItems of two: the rename, and a marker that it is open.
    pub async fn category_rename_put(&self, rename: &CategoryRename) -> Result<(), StoreError> {
        let mut transaction = self.transaction();
        transaction.put_if(AnyCondition, NEW, rename_item(rename));
        transaction.put(keys::category_renaming(rename.id).into_item());
        let written = transaction.write("AP-67").await?;
        written.map_err(|_failed| StoreError::Busy("a rename of this id was there".into()))
    }

    /// AP-67b: the state of a rename. GetItem, consistent.
    pub async fn category_rename_get(&self, id: CategoryRenameId) -> Result<Option<CategoryRename>, StoreError> {
        let found = metered("AP-67", self.get(keys::category_rename(id)).consistent_read(true).send()).await?;
        found.item.map(rename).transpose()
    }

    /// AP-67c: renames, the newest first. Query `CATALOG`, begins_with `RENAME#`, eventually consistent.
    pub async fn category_rename_list(
        &self,
        limit: i32,
        after: Option<&CategoryRenamePosition>,
    ) -> Result<Page<CategoryRename, CategoryRenamePosition>, StoreError> {
        let start =
            after.and_then(|CategoryRenamePosition(id)| Some(keys::category_rename(id.parse().ok()?).into_item()));
        let call = self
            .query(keys::CATALOG)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::CATEGORY_RENAME_PREFIX))
            .scan_index_forward(false)
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-67", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(rename).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, more, |rename| CategoryRenamePosition(rename.id.to_string())))
    }

    /// AP-67d: the oldest rename that is not finished. Query `CATALOG`, begins_with `RENAMING#`, and GetItem if there
    /// is one, both consistent.
    pub async fn category_rename_first_open(&self) -> Result<Option<CategoryRename>, StoreError> {
        let call = self
            .query(keys::CATALOG)
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::CATEGORY_RENAMING_PREFIX))
            .limit(1)
            .send();
        let open = metered("AP-67", call).await?.items.unwrap_or_default().pop();
        let Some(Key { sk, .. }) = open.as_ref().and_then(key_of_item) else { return Ok(None) };
        let id = sk.strip_prefix(keys::CATEGORY_RENAMING_PREFIX).unwrap_or_default().parse::<CategoryRenameId>();
        let id = id.map_err(|e| StoreError::corrupt(format!("{} / {sk}", keys::CATALOG), e))?;
        self.category_rename_get(id).await
    }

    /// AP-67e: adds moved products to the progress of a rename. UpdateItem; concurrent runs may both add.
    pub async fn category_rename_advance(
        &self,
        id: CategoryRenameId,
        moved: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let call = self
            .update(keys::category_rename(id))
            .update_expression("ADD movedProducts :moved SET lastMovedAt = :now")
            .condition_expression(EXISTS)
            .expression_attribute_values(":moved", n(moved))
            .expression_attribute_values(":now", n(millis(now)))
            .send();
        metered("AP-67", call).await?;
        Ok(())
    }

    /// AP-67f: finishes a rename, with the number of products that could not be moved. TransactWriteItems of two: it is
    /// finished, and no longer open. It can be looked up for 90 days.
    pub async fn category_rename_finish(
        &self,
        id: CategoryRenameId,
        left: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let finished =
            values([(":now", n(millis(now))), (":left", n(left)), (":expires", n((now + RETENTION).as_second()))]);
        let update = format!("SET finishedAt = :now, leftProducts = :left, {TTL_ATTRIBUTE} = :expires");
        let open = Condition::new(format!("{EXISTS} AND attribute_not_exists(finishedAt)"), Item::new());
        let mut transaction = self.transaction();
        transaction.update_if(AnyCondition, open, keys::category_rename(id), &update, finished);
        transaction.delete(keys::category_renaming(id));
        // If a condition fails, another run finished it.
        let (Ok(()) | Err(_)) = transaction.write("AP-67").await?;
        Ok(())
    }

    /// AP-68a: the products of a category and those below it. Query on the index of the path's level, 1,000 keys.
    pub async fn product_ids_by_category(
        &self,
        category: &CategoryPath,
        after: Option<IndexPosition>,
    ) -> Result<Page<Result<ProductId, StoreError>, IndexPosition>, StoreError> {
        let Some(index) = category.depth().checked_sub(1).and_then(|level| CATEGORY_INDEXES.get(level)) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let page = self.index_keys("AP-68", index, category.to_string(), after).await?;
        Ok(page.read(product_of))
    }

    /// AP-68b: moves a product to its new category, if it is still in the old one. GetItem, consistent, and UpdateItem
    /// of the category alone, conditional on the one that was read: so it overwrites no other change, and changes
    /// nothing when repeated.
    pub async fn product_category_move(
        &self,
        id: &ProductId,
        rename: &CategoryRename,
        now: Timestamp,
    ) -> Result<Moving, StoreError> {
        for round in 1..=MAX_ROUNDS {
            let found = metered("AP-68", self.get(keys::product(id)).consistent_read(true).send()).await?;
            let Some(product) = found.item else { return Ok(Moving::Elsewhere) };
            let path = category_of(&product)?.unwrap_or_default();
            let path = match path.renamed(&rename.from, &rename.to) {
                Ok(Some(path)) => path,
                Ok(None) => return Ok(Moving::Elsewhere),
                Err(Invalid { .. }) => return Ok(Moving::TooDeep),
            };
            let Condition { expression: same, values: mut bound } = same_category(Some(&product));
            bound.extend(values([(":one", n(1)), (":now", n(millis(now))), (":by", s(rename.by.as_str()))]));
            let mut set = format!("SET version = version + :one, updatedAt = :now, {BY} = :by");
            let mut remove = Vec::new();
            let mut levels = path.levels();
            for (at, index) in CATEGORY_INDEXES.iter().enumerate() {
                match levels.next() {
                    Some(level) => {
                        set.push_str(&format!(", {} = :level{at}", index.hash));
                        bound.insert(format!(":level{at}"), s(level.to_string()));
                    }
                    None => remove.push(index.hash),
                }
            }
            if !remove.is_empty() {
                set.push_str(&format!(" REMOVE {}", remove.join(", ")));
            }
            let call = self
                .update(keys::product(id))
                .update_expression(set)
                .condition_expression(same)
                .set_expression_attribute_values(Some(bound))
                .send();
            match write_if("AP-68", call).await? {
                Ok(_) => return Ok(Moving::Moved),
                Err(_failed) => backoff(round).await,
            }
        }
        Err(StoreError::Busy("the product's category is being changed".into()))
    }
}
