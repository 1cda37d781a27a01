//! Orders: checkout, the life of an order, and the routes for customers, staff and payment providers.

mod address_input;
mod admin;
mod amounts;
mod answer;
mod cancel;
mod checkout;
mod claims;
mod commit;
mod fulfilment;
mod history;
mod idempotent;
mod lookup;
mod lots;
mod payment;
mod problems;
mod refunds;
mod state;
mod target;
mod webhooks;
mod wire;

use api::{Documentation, Routes, routes};
use table::{StoreError, Table};

pub use state::State;
pub use wire::PlaceOrderRequest;

/// The routes, documented if `D` is an OpenAPI document.
pub fn router<D: Documentation>(state: State) -> Routes<D> {
    Routes::new()
        .routes(routes!(checkout::place, history::list))
        .routes(routes!(history::get))
        .routes(routes!(lookup::request))
        .routes(routes!(claims::list))
        .routes(routes!(claims::claim))
        .routes(routes!(cancel::cancel))
        .routes(routes!(payment::refresh))
        .routes(routes!(admin::list))
        .routes(routes!(admin::get))
        .routes(routes!(fulfilment::ship))
        .routes(routes!(fulfilment::deliver))
        .routes(routes!(refunds::refund))
        .routes(routes!(webhooks::receive))
        .with_state(state)
}

/// Opens the connections of the first request, which reads and writes.
///
/// # Errors
/// The table cannot be read.
pub async fn first_read(table: &Table) -> Result<(), StoreError> {
    let (read, ()) = tokio::join!(table.session_probe(), table.open_write_connection());
    read
}
