//! Categories, one item each.
//!
//! The categories of one level are in one partition, sorted by path. So the children of a category are one Query,
//! however many categories are below them; and the whole tree is four Queries, merged.

use std::collections::{BTreeSet, HashSet, VecDeque};

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::{Category, CategoryPath, MAX_CATEGORY_DEPTH};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table,
    conditions::{ConditionFailed, write_if},
    keys,
    keys::key_of_item,
    meter::{Pattern, metered},
    page::one_more_than,
    rows,
    rows::{Item, n, s},
};

/// Products directly in a category.
pub(crate) const OWN: &str = "own";
/// Products in the categories below it.
pub(crate) const BELOW: &str = "below";

/// New categories that are written concurrently.
const CONCURRENCY: usize = 16;

/// Maximum categories in one Query: about 70 KB.
const MAX_READ: i32 = 1_000;

/// Which categories a list contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shown {
    /// Those with products, in them or below.
    Filled,
    /// Empty ones too.
    All,
}

impl Shown {
    fn includes(self, category: &Category) -> bool {
        match self {
            Shown::Filled => !category.is_empty(),
            Shown::All => true,
        }
    }
}

/// The position of a category in a list: its path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CategoryPosition(String);

impl CategoryPosition {
    fn of(category: &Category) -> Self {
        Self(category.path.to_string())
    }

    fn sort_key(&self) -> String {
        keys::category(&CategoryPath::stored(&self.0)).sk
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CategoryDeleteError {
    #[error("there is no such category")]
    Unknown,
    #[error("the category has products or categories in it")]
    NotEmpty,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A number of products on a category's item. It is updated by differences and may lag; a negative number, after an
/// item was deleted by hand, counts as zero.
pub(crate) fn count(item: &Item, name: &str) -> Result<u64, StoreError> {
    let number = |raw: &str| raw.parse::<i64>().ok();
    match item.get(name) {
        None => Ok(0),
        Some(value) => {
            let counted = value.as_n().ok().and_then(|raw| number(raw));
            let counted =
                counted.ok_or_else(|| StoreError::corrupt(rows::key_of(item), "a count that is no number"))?;
            Ok(u64::try_from(counted).unwrap_or_default())
        }
    }
}

pub(crate) fn category(item: &Item) -> Result<Category, StoreError> {
    let sk = item.get(keys::SK).and_then(|sk| sk.as_s().ok()).map_or("", String::as_str);
    let path = CategoryPath::stored_segments(keys::category_names(sk));
    Ok(Category { path, own: count(item, OWN)?, below: count(item, BELOW)? })
}

impl Table {
    /// AP-15a: the direct children of a category, or the top level for the empty path, by name. Query of the partition
    /// of their level, begins_with the path, eventually consistent; read through a cache. Categories that are not shown
    /// are read all the same.
    pub async fn category_list_children(
        &self,
        parent: &CategoryPath,
        shown: Shown,
        limit: i32,
        after: Option<&CategoryPosition>,
    ) -> Result<Page<Category, CategoryPosition>, StoreError> {
        let depth = parent.depth() + 1;
        if depth > MAX_CATEGORY_DEPTH {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let level = Level::new(depth, keys::category_below(parent), after);
        self.category_page("AP-15", vec![level], shown, limit, one_more_than(limit)).await
    }

    /// AP-64: the tree, each category before those below it. A Query on the partition of each level, eventually
    /// consistent, merged; a level that is used up while others have more is queried again. Read through a cache.
    pub async fn category_list_tree(
        &self,
        shown: Shown,
        limit: i32,
        after: Option<&CategoryPosition>,
    ) -> Result<Page<Category, CategoryPosition>, StoreError> {
        let levels = (1..=MAX_CATEGORY_DEPTH).map(|depth| Level::new(depth, String::new(), after)).collect();
        // Half of the page from each level: a level with most of the categories is queried twice.
        self.category_page("AP-64", levels, shown, limit, limit / 2 + 2).await
    }

    /// `batch`: how many categories of a level are read at once.
    async fn category_page(
        &self,
        pattern: Pattern,
        mut levels: Vec<Level>,
        shown: Shown,
        limit: i32,
        batch: i32,
    ) -> Result<Page<Category, CategoryPosition>, StoreError> {
        try_join_all(levels.iter_mut().map(|level| self.level_fill(pattern, level, shown, batch))).await?;
        let wanted = usize::try_from(one_more_than(limit)).unwrap_or_default();
        let mut items: Vec<Category> = Vec::new();
        while items.len() < wanted {
            for level in &mut levels {
                self.level_fill(pattern, level, shown, batch).await?;
            }
            let first = levels.iter_mut().filter(|level| !level.read.is_empty()).min_by(|a, b| a.head().cmp(&b.head()));
            let Some(category) = first.and_then(|level| level.read.pop_front()) else { break };
            items.push(category);
        }
        Ok(Page::cut(items, limit, false, CategoryPosition::of))
    }

    /// Reads on until the level has something to show, or is used up.
    async fn level_fill(
        &self,
        pattern: Pattern,
        level: &mut Level,
        shown: Shown,
        mut batch: i32,
    ) -> Result<(), StoreError> {
        while level.read.is_empty() && level.more {
            let query = self.query(keys::category_pk(level.depth));
            let call = match (&level.below[..], &level.after) {
                ("", None) => query.key_condition_expression("PK = :pk"),
                ("", Some(after)) => query
                    .key_condition_expression("PK = :pk AND SK > :after")
                    .expression_attribute_values(":after", s(after)),
                (below, after) => query
                    .key_condition_expression("PK = :pk AND begins_with(SK, :below)")
                    .expression_attribute_values(":below", s(below))
                    .set_exclusive_start_key(after.as_ref().map(|sk| level_key(level.depth, sk))),
            };
            let call = call.limit(batch).send();
            let output = metered(pattern, call).await?;
            level.more = output.last_evaluated_key.is_some();
            for item in output.items.unwrap_or_default() {
                level.after = key_of_item(&item).map(|key| key.sk);
                level.read.extend(Some(category(&item)?).filter(|category| shown.includes(category)));
            }
            // With many empty categories, the first non-empty one may be far away.
            batch = (batch * 2).min(MAX_READ);
        }
        Ok(())
    }

    /// AP-15b: creates paths, and the paths above them, if they do not exist. BatchGetItem finds those that do,
    /// eventually consistent; an UpdateItem for each of the others, which does not overwrite counts written meanwhile.
    pub async fn categories_add(&self, paths: &BTreeSet<CategoryPath>) -> Result<(), StoreError> {
        let levels: BTreeSet<CategoryPath> = paths.iter().flat_map(CategoryPath::levels).collect();
        let found = self.items_get("AP-15", levels.iter().map(keys::category).collect(), false).await?;
        let known: HashSet<keys::Key> = found.iter().filter_map(key_of_item).collect();
        let new = levels.iter().map(keys::category).filter(|key| !known.contains(key));
        let add = |key| async {
            let call = self
                .update(key)
                .update_expression("SET #own = if_not_exists(#own, :none)")
                .expression_attribute_names("#own", OWN)
                .expression_attribute_values(":none", n(0))
                .send();
            metered("AP-15", call).await
        };
        stream::iter(new).map(add).buffer_unordered(CONCURRENCY).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }

    /// AP-66a: one category, as of now. GetItem, consistent.
    pub async fn category_get(&self, path: &CategoryPath) -> Result<Option<Category>, StoreError> {
        if path.is_empty() {
            return Ok(None);
        }
        let output = metered("AP-66", self.get(keys::category(path)).consistent_read(true).send()).await?;
        output.item.as_ref().map(category).transpose()
    }

    /// AP-66b: whether there is a category below one, on this level. Query of the level, consistent.
    pub async fn category_has_level(&self, path: &CategoryPath, depth: usize) -> Result<bool, StoreError> {
        let call = self
            .query(keys::category_pk(depth))
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :below)")
            .expression_attribute_values(":below", s(keys::category_below(path)))
            .limit(1)
            .send();
        Ok(!metered("AP-66", call).await?.items().is_empty())
    }

    /// AP-66c: removes an empty category. Query of the level below, consistent, and DeleteItem, conditional on its
    /// counts. A product that is put into it meanwhile creates it again when it is counted.
    pub async fn category_delete(&self, path: &CategoryPath) -> Result<(), CategoryDeleteError> {
        if path.is_empty() {
            return Err(CategoryDeleteError::Unknown);
        }
        if path.depth() < MAX_CATEGORY_DEPTH && self.category_has_level(path, path.depth() + 1).await? {
            return Err(CategoryDeleteError::NotEmpty);
        }
        let call = self
            .delete(keys::category(path))
            .condition_expression(
                "attribute_exists(PK) AND (attribute_not_exists(own) OR own <= :none) \
                 AND (attribute_not_exists(below) OR below <= :none) \
                 AND (attribute_not_exists(passedUp) OR passedUp = :none)",
            )
            .expression_attribute_values(":none", n(0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        match write_if("AP-66", call).await? {
            Ok(_) => Ok(()),
            Err(ConditionFailed { item: None }) => Err(CategoryDeleteError::Unknown),
            Err(ConditionFailed { item: Some(_) }) => Err(CategoryDeleteError::NotEmpty),
        }
    }
}

/// The reading position within the categories of one level.
struct Level {
    depth: usize,
    /// The prefix of their sort keys.
    below: String,
    after: Option<String>,
    read: VecDeque<Category>,
    more: bool,
}

impl Level {
    fn new(depth: usize, below: String, after: Option<&CategoryPosition>) -> Self {
        let after = after.map(CategoryPosition::sort_key);
        Self { depth, below, after, read: VecDeque::new(), more: true }
    }

    fn head(&self) -> Option<&CategoryPath> {
        self.read.front().map(|category| &category.path)
    }
}

fn level_key(depth: usize, sk: &str) -> Item {
    Item::from([(keys::PK.to_owned(), s(keys::category_pk(depth))), (keys::SK.to_owned(), s(sk))])
}
