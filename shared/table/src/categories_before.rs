//! The old format, in which all categories were in one item. Only the migration reads it.

use std::collections::BTreeSet;

use domain::{CategoryPath, MAX_CATEGORY_DEPTH};

use crate::{StoreError, Table, keys, keys::key_of_item, meter::metered};

/// The categories of that item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CategoriesBefore {
    pub paths: BTreeSet<CategoryPath>,
    /// Stored paths that are not in NFC, as they are stored.
    pub misspelled: Vec<String>,
    /// Stored paths that are malformed.
    pub unreadable: Vec<String>,
    /// A migration has processed them all, and the products.
    pub migrated: bool,
}

impl Table {
    /// AP-69a: the one item that had every category, if it exists, and whether it was migrated. BatchGetItem of 2,
    /// consistent.
    pub async fn categories_before_get(&self) -> Result<Option<CategoriesBefore>, StoreError> {
        let (before, migrated) = (keys::categories_before(), keys::categories_migrated());
        let found = self.items_get("AP-69", vec![before.clone(), migrated.clone()], true).await?;
        let item = |key: &keys::Key| found.iter().find(|item| key_of_item(item).as_ref() == Some(key));
        let Some(paths) = item(&before) else { return Ok(None) };
        let mut before = CategoriesBefore { migrated: item(&migrated).is_some(), ..CategoriesBefore::default() };
        for path in paths.get("paths").and_then(|paths| paths.as_ss().ok()).into_iter().flatten() {
            let read = CategoryPath::stored(path);
            if !(1..=MAX_CATEGORY_DEPTH).contains(&read.depth()) {
                before.unreadable.push(path.clone());
                continue;
            }
            if read.to_string() != *path {
                before.misspelled.push(path.clone());
            }
            before.paths.insert(read);
        }
        Ok(Some(before))
    }

    /// AP-69b: records that the one item was migrated. PutItem; the item itself stays unchanged, so that the previous
    /// version can still run.
    pub async fn categories_before_migrated(&self) -> Result<(), StoreError> {
        metered("AP-69", self.put(keys::categories_migrated().into_item()).send()).await?;
        Ok(())
    }
}
