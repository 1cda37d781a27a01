use domain::{Timestamp, UserId};
use table::Table;

use crate::StackError;

/// Products of a data folder from before categories were kept in NFC are written again where a list would not find them.
/// Costs one read where there are none.
pub async fn categories(table: &Table, now: Timestamp) -> Result<(), StackError> {
    let actor: UserId = "migration".parse().map_err(|e: domain::Invalid| StackError::start("categories", e))?;
    for path in table.categories_misspelled().await? {
        let products = table.category_respell(&path, &actor, now).await?;
        tracing::info!(path, products, "a category is spelled in NFC");
    }
    Ok(())
}
