//! What is left of the time when all categories were in one item: the migration reads it, and nothing else does.

use std::collections::BTreeSet;

use domain::{CategoryPath, MAX_CATEGORY_DEPTH};

use crate::{StoreError, Table, keys, keys::key_of_item, meter::metered};

/// The categories of the one item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CategoriesBefore {
    pub paths: BTreeSet<CategoryPath>,
    /// Paths that are stored in another spelling than NFC, as they are stored.
    pub misspelled: Vec<String>,
    /// Paths that are none.
    pub unreadable: Vec<String>,
    /// A migration went through them all, and through the products.
    pub migrated: bool,
}

impl Table {
    /// AP-69a: the one item that every category was in, if there is one, and whether it was migrated. BatchGetItem of 2,
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

    /// AP-69b: notes that the one item was migrated. PutItem; the item itself stays as it is, so that the version before can
    /// still be run.
    pub async fn categories_before_migrated(&self) -> Result<(), StoreError> {
        metered("AP-69", self.put(keys::categories_migrated().into_item()).send()).await?;
        Ok(())
    }
}
