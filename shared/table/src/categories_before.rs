//! What is left of the time when all categories were in one item: the migration reads it, and nothing else does.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{CategoryPath, Invalid};

use crate::{StoreError, Table, conditions::EXISTS, keys, meter::metered};

const MIGRATED: &str = "migrated";

/// The categories of the one item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CategoriesBefore {
    pub paths: BTreeSet<CategoryPath>,
    /// Paths that no product could be put into today.
    pub unreadable: Vec<String>,
    /// A migration went through them all, and through the products.
    pub migrated: bool,
}

impl Table {
    /// AP-69a: the one item that every category was in, if there is one. GetItem, consistent.
    pub async fn categories_before_get(&self) -> Result<Option<CategoriesBefore>, StoreError> {
        let found = metered("AP-69", self.get(keys::categories_before()).consistent_read(true).send()).await?;
        let Some(item) = found.item else { return Ok(None) };
        let mut before = CategoriesBefore { migrated: item.contains_key(MIGRATED), ..CategoriesBefore::default() };
        let joined = item.get("paths").and_then(|paths| paths.as_ss().ok()).into_iter().flatten();
        for path in joined {
            match CategoryPath::parse(path) {
                Ok(path) => {
                    before.paths.insert(path);
                }
                Err(Invalid { .. }) => before.unreadable.push(path.clone()),
            }
        }
        Ok(Some(before))
    }

    /// AP-69b: notes that the one item was migrated. UpdateItem; the item stays as it is otherwise, so that the version
    /// before can still be run.
    pub async fn categories_before_migrated(&self) -> Result<(), StoreError> {
        let call = self
            .update(keys::categories_before())
            .update_expression("SET migrated = :migrated")
            .condition_expression(EXISTS)
            .expression_attribute_values(":migrated", AttributeValue::Bool(true))
            .send();
        metered("AP-69", call).await?;
        Ok(())
    }
}
