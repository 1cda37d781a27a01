use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use api::{Cache, Context};
use axum::extract::FromRef;
use domain::ProductId;
use jiff::SignedDuration;
use table::{Descriptions, ProductCard, ProductPage};

use crate::{
    category_page::{CategoryPage, CategoryPageKey},
    price_page::{PricePage, PricePageKey},
};

/// How long an answer may be served from memory. Short for stock, long for the catalogue.
const PRODUCT_TTL: SignedDuration = SignedDuration::from_secs(2);
const PRICE_PAGES_TTL: SignedDuration = SignedDuration::from_secs(30);
const FEATURED_TTL: SignedDuration = SignedDuration::from_secs(30);
const CATEGORIES_TTL: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    pub(crate) descriptions: Descriptions,
    /// `None` is cached too: a request for a missing product costs no more than for an existing one.
    pub(crate) products: Cache<ProductId, Option<Arc<ProductPage>>>,
    /// Pages of all products by price.
    pub(crate) price_pages: Cache<PricePageKey, Arc<PricePage>>,
    /// How often this environment changed a product: what it read before is not used after it.
    changes: Arc<AtomicU64>,
    pub(crate) featured: Cache<(), Arc<Vec<ProductCard>>>,
    pub(crate) categories: Cache<CategoryPageKey, Arc<CategoryPage>>,
}

impl State {
    pub fn new(context: Context, descriptions: Descriptions) -> Self {
        Self {
            context,
            descriptions,
            products: Cache::new(10_000, PRODUCT_TTL),
            price_pages: Cache::new(500, PRICE_PAGES_TTL),
            changes: Arc::default(),
            featured: Cache::new(1, FEATURED_TTL),
            categories: Cache::new(1_000, CATEGORIES_TTL),
        }
    }

    /// An answer in this environment's cache must not outlive its own write. Other environments see the change when
    /// their copy expires.
    pub async fn forget(&self, id: &ProductId) {
        self.products.forget(id).await;
        self.featured.forget(&()).await;
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
