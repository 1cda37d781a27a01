//! Orders: checkout, what becomes of an order afterwards, and what customers, staff and payment providers see and say
//! of it.

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

use api::{
    Context, Deadline, Problem,
    codes::{Code, FIELD_OF_ERROR, Member, Members, reference},
};
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

/// What a step of the saga that could not be taken is told as. The order stands; asking again goes on from there.
fn saga_problem(error: SagaError) -> Problem {
    match error {
        SagaError::Store(error) => error.into(),
        SagaError::NoTime => {
            Problem::busy("too little time is left to ask the payment provider; send the request again")
        }
        SagaError::Silent => Problem::busy("the payment provider does not answer; send the request again"),
        SagaError::Contended => Problem::busy("others are at this order; try again"),
        SagaError::NoPayment => payment_missing(),
        SagaError::Gone => Problem::internal(error),
    }
}

const TOTAL: Members = Members {
    schema: "PaymentMissingProblem",
    all: &[Member::sometimes("total", || reference("Money")), FIELD_OF_ERROR[0]],
};

api::codes! {
    PaymentMissing = Code::unprocessable("payment_missing", "there is a total to pay, and no payment was given")
        .with(&TOTAL);
}

/// 422: the body may leave the payment out only where there is nothing to pay.
fn payment_missing() -> Problem {
    let detail = "there is something to pay: send a payment with a token";
    Problem::new(PaymentMissing, detail).with("field", "payment")
}
