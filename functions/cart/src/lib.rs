//! The cart: one item for each customer, changed by one write.

mod handlers;
mod wire;

use api::Context;
use axum::extract::FromRef;
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(Clone)]
pub struct State {
    context: Context,
}

impl State {
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}

pub fn router(state: State) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(handlers::get, handlers::clear))
        .routes(routes!(handlers::add))
        .routes(routes!(handlers::set, handlers::remove))
        .with_state(state)
}
