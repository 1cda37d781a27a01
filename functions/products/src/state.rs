use std::sync::Arc;

use api::Context;
use axum::extract::FromRef;
use domain::ProductId;
use jiff::SignedDuration;
use table::{Descriptions, ProductCard, ProductPage};

use crate::{
    cache::Cache,
    category_page::{CategoryPage, CategoryPageKey},
};

/// How long an answer may be served from memory. Short for stock, long for the catalogue.
const PRODUCT_TTL: SignedDuration = SignedDuration::from_secs(2);
const FEATURED_TTL: SignedDuration = SignedDuration::from_secs(30);
const CATEGORIES_TTL: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    pub(crate) descriptions: Descriptions,
    /// `None` is cached too: a request for a missing product costs no more than for an existing one.
    pub(crate) products: Cache<ProductId, Option<Arc<ProductPage>>>,
    pub(crate) featured: Cache<(), Arc<Vec<ProductCard>>>,
    pub(crate) categories: Cache<CategoryPageKey, Arc<CategoryPage>>,
}

impl State {
    pub fn new(context: Context, descriptions: Descriptions) -> Self {
        Self {
            context,
            descriptions,
            products: Cache::new(10_000, PRODUCT_TTL),
            featured: Cache::new(1, FEATURED_TTL),
            categories: Cache::new(1_000, CATEGORIES_TTL),
        }
    }

    /// An answer in this environment's cache must not outlive its own write. Other environments see the change when
    /// their copy expires.
    pub async fn forget(&self, id: &ProductId) {
        self.products.forget(id).await;
        self.featured.forget(&()).await;
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
