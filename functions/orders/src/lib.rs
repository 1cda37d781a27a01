//! Orders: checkout, and what customers and staff see of what came of it.

mod admin;
mod checkout;
mod history;
mod wire;

use std::sync::Arc;

use api::Context;
use axum::extract::FromRef;
use payments::PaymentProvider;
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(Clone)]
pub struct State {
    context: Context,
    payments: Arc<dyn PaymentProvider>,
}

impl State {
    pub fn new(context: Context, payments: Arc<dyn PaymentProvider>) -> Self {
        Self { context, payments }
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}

pub fn router(state: State) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(checkout::place, history::list))
        .routes(routes!(history::get))
        .routes(routes!(admin::list))
        .with_state(state)
}
