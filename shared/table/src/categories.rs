use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::CategoryPath;

use crate::{StoreError, Table, keys, meter::metered};

impl Table {
    /// AP-15: every category path that ever held a product. GetItem, eventually consistent; read through a cache.
    pub async fn categories_list(&self) -> Result<BTreeSet<CategoryPath>, StoreError> {
        let joined = self.category_paths_stored().await?;
        Ok(joined.iter().map(|path| CategoryPath::stored(path)).collect())
    }

    /// The paths as they are stored: AP-15.
    pub(crate) async fn category_paths_stored(&self) -> Result<Vec<String>, StoreError> {
        let output = metered("AP-15", self.get(keys::categories()).send()).await?;
        let paths = output.item.as_ref().and_then(|item| item.get("paths")?.as_ss().ok());
        Ok(paths.cloned().unwrap_or_default())
    }

    /// AP-15: makes paths known, and the paths above them. UpdateItem that adds to a set: repeating it changes nothing.
    /// A category is written when its first product is, so it is no hot item.
    pub async fn categories_add(&self, paths: &BTreeSet<CategoryPath>) -> Result<(), StoreError> {
        let joined: BTreeSet<String> = paths.iter().flat_map(|p| p.levels().map(|l| l.to_string())).collect();
        if joined.is_empty() {
            return Ok(());
        }
        let call = self
            .update(keys::categories())
            .update_expression("ADD #paths :paths")
            .expression_attribute_names("#paths", "paths")
            .expression_attribute_values(":paths", AttributeValue::Ss(joined.into_iter().collect()))
            .send();
        metered("AP-15", call).await?;
        Ok(())
    }
}
