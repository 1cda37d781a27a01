//! Orders: checkout, the life of an order, and the routes for customers, staff and payment providers.

mod admin;
mod amounts;
mod answer;
mod cancel;
mod checkout;
mod fulfilment;
mod history;
mod idempotent;
mod refunds;
mod webhooks;
mod wire;

use std::sync::Arc;

use api::{Context, Deadline, Problem};
use axum::extract::FromRef;
use payments::PaymentProvider;
use saga::{Saga, SagaError, TimeBudget};
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(Clone)]
pub struct State {
    context: Context,
    saga: Saga,
}

impl State {
    pub fn new(context: Context, payments: Arc<dyn PaymentProvider>) -> Self {
        let saga = Saga::new(context.table.clone(), payments);
        Self { context, saga }
    }

    /// How long a request can wait for the payment provider.
    fn budget(&self, deadline: Deadline) -> TimeBudget {
        deadline.0.map_or(TimeBudget::UNLIMITED, |deadline| TimeBudget::until(deadline, self.context.clock.now()))
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
        .routes(routes!(cancel::cancel))
        .routes(routes!(admin::list))
        .routes(routes!(admin::get))
        .routes(routes!(fulfilment::ship))
        .routes(routes!(fulfilment::deliver))
        .routes(routes!(refunds::refund))
        .routes(routes!(webhooks::receive))
        .with_state(state)
}

/// The answer if a step of the saga could not be taken. The order is unchanged; a retry continues from there.
fn saga_problem(error: SagaError) -> Problem {
    match error {
        SagaError::Store(error) => error.into(),
        SagaError::NoTime => {
            Problem::busy("too little time is left to call the payment provider; send the request again")
        }
        SagaError::Silent => Problem::busy("the payment provider does not answer; send the request again"),
        SagaError::Contended => Problem::busy("the order is being changed by another request; send the request again"),
        SagaError::NoPayment => payment_missing(),
        SagaError::Gone => Problem::internal(error),
    }
}

/// 422: the payment may be left out only if the total is zero.
fn payment_missing() -> Problem {
    let detail = "the total is not zero: send a payment with a token";
    Problem::unprocessable("payment_missing", detail).with("field", "payment")
}
