//! Products: the catalog for shoppers and its administration by staff.

mod admin;
mod batch;
mod cache;
mod catalog;
mod categories;
mod category_page;
mod category_renames;
mod description;
mod record;
mod sales;
mod state;
mod stock;
mod wire;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use state::State;

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
        .routes(routes!(sales::announced))
        .routes(routes!(sales::create, sales::list))
        .routes(routes!(sales::get, sales::patch))
        .routes(routes!(sales::start))
        .routes(routes!(sales::stop))
        .merge(large)
        .with_state(state)
}
