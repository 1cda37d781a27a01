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

/// How long an answer may be served from memory. Short where stock shows, long where only the catalogue does.
const PRODUCT_TTL: SignedDuration = SignedDuration::from_secs(2);
const FEATURED_TTL: SignedDuration = SignedDuration::from_secs(30);
const CATEGORIES_TTL: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    pub(crate) descriptions: Descriptions,
    /// `None` is cached too: asking for what is not there costs no more than asking for what is.
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

    /// What this environment wrote, it must not answer from memory. Others see it when their copy runs out.
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
