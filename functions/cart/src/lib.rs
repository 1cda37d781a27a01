//! The cart: one item for each customer, changed by one write.

mod handlers;
mod state;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

pub use state::State;

pub fn router(state: State) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(handlers::get, handlers::clear))
        .routes(routes!(handlers::add))
        .routes(routes!(handlers::set, handlers::remove))
        .with_state(state)
}
