use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use domain::CategoryPath;
use stream::{Change, Failure};
use table::{StoreError, Table, error_chain, product_of};

/// Categories that products of a batch were added to or removed from. Those above are updated once for each batch, not
/// for each product.
#[derive(Debug, Default)]
pub struct Touched(Mutex<BTreeSet<CategoryPath>>);

impl Touched {
    fn add(&self, paths: impl IntoIterator<Item = CategoryPath>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
    }

    /// Updates the categories above. Returns whether that is done or impossible; otherwise the batch has to be
    /// delivered again.
    pub async fn settle(self, table: &Table) -> bool {
        let touched = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        match table.categories_settle(touched).await {
            Ok(()) => true,
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(
                    error = error_chain(&error),
                    "a stored category is malformed; its numbers stay unchanged"
                );
                true
            }
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "categories could not be counted; the batch is delivered again"
                );
                false
            }
        }
    }
}

/// Maintains the number of products in each category, whenever a product is created, deleted or moved.
///
/// `counting`: products of one category are counted one after another, because transactions on one item conflict.
pub async fn project(
    table: &Table,
    change: &Change,
    counting: &tokio::sync::Mutex<()>,
    touched: &Touched,
) -> Result<(), Failure> {
    let Some(product) = product_of(&change.key) else { return Ok(()) };
    if change.key != table::keys::product(&product) {
        return Ok(());
    }
    let category = |image: &Option<table::StreamImage>| image.as_ref().map(|image| image.category()).transpose();
    let (before, after) = (category(&change.old)?.flatten(), category(&change.new)?.flatten());
    // Most changes of a product do not move it.
    if before == after {
        return Ok(());
    }
    // An earlier delivery may have counted it, and crashed before it updated the categories above.
    touched.add(before.into_iter().chain(after));
    let _turn = counting.lock().await;
    touched.add(table.product_category_count(&product).await?.touched);
    Ok(())
}
