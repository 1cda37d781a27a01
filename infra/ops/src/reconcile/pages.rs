use table::{IndexPosition, Page, StoreError};

/// All entries of a list, over all its pages.
pub(super) async fn all<T>(
    page: impl AsyncFn(Option<IndexPosition>) -> Result<Page<T, IndexPosition>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let read = page(after).await?;
        items.extend(read.items);
        after = read.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}
