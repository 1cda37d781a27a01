//! Products: the catalog for shoppers and its administration by staff.

mod admin;
mod batch;
mod cache;
mod catalog;
mod categories;
mod category_renames;
mod description;
mod stock;
mod wire;

use std::sync::Arc;

use api::Context;
use axum::extract::{DefaultBodyLimit, FromRef};
use domain::ProductId;
use jiff::SignedDuration;
use table::{Descriptions, ProductCard, ProductPage};
use utoipa_axum::{router::OpenApiRouter, routes};

use cache::Cache;

/// How long an answer may be served from memory. Short for stock, long for the catalogue.
const PRODUCT_TTL: SignedDuration = SignedDuration::from_secs(2);
const FEATURED_TTL: SignedDuration = SignedDuration::from_secs(30);
const CATEGORIES_TTL: SignedDuration = SignedDuration::from_secs(30);

#[derive(Clone)]
pub struct State {
    context: Context,
    descriptions: Descriptions,
    /// `None` is cached too: a request for a missing product costs no more than for an existing one.
    products: Cache<ProductId, Option<Arc<ProductPage>>>,
    featured: Cache<(), Arc<Vec<ProductCard>>>,
    categories: Cache<categories::List, Arc<categories::Categories>>,
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
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}

pub fn router(state: State) -> OpenApiRouter {
    let large = OpenApiRouter::new()
        .routes(routes!(batch::create_batch))
        .routes(routes!(description::put))
        .layer(DefaultBodyLimit::max(api::edge::LARGE_BODY_BYTES));
    OpenApiRouter::new()
        .routes(routes!(catalog::list))
        .routes(routes!(catalog::featured))
        .routes(routes!(catalog::get))
        .routes(routes!(categories::list))
        .routes(routes!(description::get))
        .routes(routes!(admin::create))
        .routes(routes!(admin::replace, admin::patch, admin::delete))
        .routes(routes!(stock::adjust))
        .routes(routes!(categories::list_all, categories::remove))
        .routes(routes!(category_renames::list, category_renames::create))
        .routes(routes!(category_renames::get))
        .merge(large)
        .with_state(state)
}
