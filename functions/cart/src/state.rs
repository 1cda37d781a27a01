use std::sync::Arc;

use api::{Cache, Context};
use axum::extract::FromRef;
use domain::ProductId;
use futures::future::try_join_all;
use jiff::SignedDuration;
use table::{ProductPage, StoreError};

/// How long a product is shown from memory, as long as in the catalogue. Checkout reads it again.
const PRODUCT_TTL: SignedDuration = SignedDuration::from_secs(2);

/// Up to this many missing products are read by a Query each, which costs half of their part of a BatchGetItem: a Query
/// counts the bytes of product and stock together.
const QUERIES: usize = 24;

/// Queries at the same time: for each a connection is open.
const AT_ONCE: usize = 8;

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    /// `None` is a product that is not sold.
    products: Cache<ProductId, Option<Arc<ProductPage>>>,
}

impl State {
    pub fn new(context: Context) -> Self {
        Self { context, products: Cache::new(10_000, PRODUCT_TTL) }
    }

    /// A product of at most two seconds ago; `None` if it is not sold. One that was not found is looked for again: it may
    /// have been created meanwhile, and can then be added.
    pub(crate) async fn product(&self, id: &ProductId) -> Result<Option<Arc<ProductPage>>, StoreError> {
        let now = self.context.clock.now();
        if let Some(None) = self.products.fresh(id, now).await {
            self.products.forget(id).await;
        }
        let load = async || Ok(self.context.table.product_get(id).await?.map(Arc::new));
        self.products.get(id, now, load).await
    }

    /// Those of the products that are sold, each of at most two seconds ago.
    pub(crate) async fn products(&self, ids: &[ProductId]) -> Result<Vec<Arc<ProductPage>>, StoreError> {
        let now = self.context.clock.now();
        let (mut found, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match self.products.fresh(id, now).await {
                Some(page) => found.extend(page),
                None => missing.push(id.clone()),
            }
        }
        if missing.len() <= QUERIES {
            for ids in missing.chunks(AT_ONCE) {
                let read = try_join_all(ids.iter().map(|id| self.product(id))).await?;
                found.extend(read.into_iter().flatten());
            }
            return Ok(found);
        }
        let read: Vec<_> = self.context.table.products_get(&missing).await?.into_iter().map(Arc::new).collect();
        for id in missing {
            let page = read.iter().find(|page| page.record.product.id == id).cloned();
            self.products.put(id, now, page).await;
        }
        found.extend(read);
        Ok(found)
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
