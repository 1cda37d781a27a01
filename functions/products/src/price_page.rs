//! Pages of all products by price, which are read several at once.

use std::sync::Arc;

use domain::Timestamp;
use table::{Page, PricePosition, PriceRange, ProductCard, SortOrder, StoreError};

use crate::state::State;

pub type PricePage = Page<ProductCard, PricePosition>;

/// Which page of which list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PricePageKey {
    pub range: PriceRange,
    pub order: SortOrder,
    pub limit: i32,
    pub after: Option<PricePosition>,
    /// [`State::changes`] when the request arrived, so that a page that is read during a change is not shown after it.
    pub changes: u64,
}

/// A page through the cache, which also gets the pages after it that the same reads hold.
pub async fn price_page(state: &State, key: &PricePageKey, now: Timestamp) -> Result<Arc<PricePage>, StoreError> {
    let load = async || {
        let PricePageKey { range, order, limit, after, changes: _ } = key;
        let pages = state.context.table.product_list_by_price(*range, *order, *limit, after.clone()).await?;
        let mut pages = pages.into_iter().map(Arc::new);
        let first = pages.next().unwrap_or_else(|| Arc::new(Page { items: Vec::new(), next: None }));
        let mut before = first.clone();
        for page in pages {
            state.price_pages.put(PricePageKey { after: before.next.clone(), ..key.clone() }, now, page.clone()).await;
            before = page;
        }
        Ok(first)
    };
    state.price_pages.get(key, now, load).await
}
