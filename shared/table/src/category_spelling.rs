use domain::{CategoryPath, MAX_PRICE_MINOR, Timestamp, UserId};

use crate::{PriceRange, ProductWriteError, SortOrder, StoreError, Table};

/// Products read concurrently.
const BATCH: i32 = 100;

impl Table {
    /// Rewrites the products of a category whose stored path is not in NFC, so that lists find them: the indexes have
    /// the path as it was typed. Returns how many; for a path that is in NFC none, and nothing is read.
    ///
    /// By AP-03, AP-14 and AP-21. Can be interrupted and run again; a product that is changed meanwhile is normalised
    /// by that change.
    pub async fn category_respell(&self, stored: &str, actor: &UserId, now: Timestamp) -> Result<u64, StoreError> {
        if CategoryPath::stored(stored).to_string() == stored {
            return Ok(0);
        }
        let (spelled, all) = (CategoryPath::unnormalised(stored), PriceRange { min: 0, max: MAX_PRICE_MINOR });
        let (mut written, mut after) = (0, None);
        loop {
            let order = SortOrder::CheapestFirst;
            let page = self.product_list_by_category(&spelled, all, order, BATCH, after.as_ref()).await?;
            for card in &page.items {
                let Some(found) = self.product_get_consistent(&card.id).await? else { continue };
                match self.product_put(&found.record.changed(now), found.available, actor).await {
                    Ok(()) => written += 1,
                    // Every write of a product normalises its category.
                    Err(ProductWriteError::Changed | ProductWriteError::Unknown | ProductWriteError::Exists) => {}
                    Err(ProductWriteError::Store(error)) => return Err(error),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(written),
            }
        }
    }
}
