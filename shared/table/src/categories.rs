use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::CategoryPath;

use crate::{StoreError, Table, keys, meter::metered, rows};

impl Table {
    /// AP-15: every category path that ever held a product. GetItem, eventually consistent; read through a cache.
    pub async fn categories_list(&self) -> Result<BTreeSet<CategoryPath>, StoreError> {
        let output = metered("AP-15", self.get(keys::categories()).send()).await?;
        let Some(item) = output.item else { return Ok(BTreeSet::new()) };
        let joined = item.get("paths").and_then(|v| v.as_ss().ok()).cloned().unwrap_or_default();
        let paths = joined.iter().map(|path| CategoryPath::parse(path)).collect::<Result<_, _>>();
        paths.map_err(|e| StoreError::corrupt(rows::key_of(&item), e))
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
