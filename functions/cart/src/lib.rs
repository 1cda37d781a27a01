//! The cart: one item for each customer, changed by one write.

mod handlers;
mod state;
mod wire;

use api::{Documentation, Routes, routes};
use table::{StoreError, Table};

pub use state::State;

/// The routes, documented if `D` is an OpenAPI document.
pub fn router<D: Documentation>(state: State) -> Routes<D> {
    Routes::new()
        .routes(routes!(handlers::get, handlers::clear))
        .routes(routes!(handlers::add))
        .routes(routes!(handlers::set, handlers::remove))
        .with_state(state)
}

/// Opens the connections of the first request, which reads and writes.
///
/// # Errors
/// The table cannot be read.
pub async fn first_read(table: &Table) -> Result<(), StoreError> {
    let (read, ()) = tokio::join!(table.product_probe(), table.open_write_connection());
    read
}
