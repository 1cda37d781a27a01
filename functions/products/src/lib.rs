//! Products: the catalog for shoppers and its administration by staff.

mod admin;
mod batch;
mod catalog;
mod categories;
mod category_page;
mod category_renames;
mod description;
mod price_page;
mod record;
mod sales;
mod state;
mod stock;
mod wire;

use api::{Documentation, Routes, routes};
use axum::extract::DefaultBodyLimit;
use table::{StoreError, Table};

pub use state::State;

/// The routes for shoppers, documented if `D` is an OpenAPI document.
pub fn router<D: Documentation>(state: State) -> Routes<D> {
    Routes::new()
        .routes(routes!(catalog::list))
        .routes(routes!(catalog::featured))
        .routes(routes!(catalog::get))
        .routes(routes!(categories::list))
        .routes(routes!(description::get))
        .routes(routes!(sales::announced))
        .with_state(state)
}

/// The routes for staff: a function of its own, whose code the public one does not have. It reads HTML that was sent.
pub fn admin_router<D: Documentation>(state: State) -> Routes<D> {
    let large = Routes::new()
        .routes(routes!(batch::create_batch))
        .routes(routes!(description::put))
        .layer(DefaultBodyLimit::max(api::edge::LARGE_BODY_BYTES));
    Routes::new()
        .routes(routes!(admin::create))
        .routes(routes!(admin::replace, admin::patch, admin::delete))
        .routes(routes!(stock::adjust))
        .routes(routes!(categories::list_all, categories::remove))
        .routes(routes!(category_renames::list, category_renames::create))
        .routes(routes!(category_renames::get))
        .routes(routes!(sales::create, sales::list))
        .routes(routes!(sales::get, sales::patch))
        .routes(routes!(sales::start))
        .routes(routes!(sales::stop))
        .merge(large)
        .with_state(state)
}

/// Opens the connection of the first request, which only reads.
///
/// # Errors
/// The table cannot be read.
pub async fn first_read(table: &Table) -> Result<(), StoreError> {
    table.product_probe().await
}

/// The same for staff, whose first request reads a session and writes.
///
/// # Errors
/// The table cannot be read.
pub async fn admin_first_read(table: &Table) -> Result<(), StoreError> {
    let (read, ()) = tokio::join!(table.session_probe(), table.open_write_connection());
    read
}
