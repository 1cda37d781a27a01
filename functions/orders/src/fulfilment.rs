//! Sending orders out, by the shop's staff.

use api::{Admin, Deadline, Id, NoBody, Problem, RequestKey, wire::ProblemDetails};
use axum::{extract::State as Extract, response::Response};
use domain::{Moved, OrderId, TransitionError};

use crate::{
    State,
    once::{self, About, Decision},
    wire::OrderResponse,
};

/// An order is on its way.
#[utoipa::path(post, path = "/admin/orders/{orderId}/ship", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header, description = "16 to 64 characters")),
    responses(
        (status = 200, body = OrderResponse),
        (status = 400, description = "`body_invalid`: it takes no body", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`order_state_conflict`: it is not confirmed", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn ship(
    admin: Admin,
    Extract(state): Extract<State>,
    Id(id): Id<OrderId>,
    deadline: Deadline,
    key: RequestKey,
    _: NoBody,
) -> Result<Response, Problem> {
    let now = state.context.clock.now();
    let request = key.request(&admin.uid, "POST /admin/orders/{orderId}/ship", &id.to_string());
    let about = About { order: id, owner: None, patience: state.patience(deadline) };
    once::carry_out(&state, &request, &about, |order| forward(order.ship(now))).await
}

/// An order arrived.
#[utoipa::path(post, path = "/admin/orders/{orderId}/deliver", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header, description = "16 to 64 characters")),
    responses(
        (status = 200, body = OrderResponse),
        (status = 400, description = "`body_invalid`: it takes no body", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`order_state_conflict`: it is not shipped", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn deliver(
    admin: Admin,
    Extract(state): Extract<State>,
    Id(id): Id<OrderId>,
    deadline: Deadline,
    key: RequestKey,
    _: NoBody,
) -> Result<Response, Problem> {
    let now = state.context.clock.now();
    let request = key.request(&admin.uid, "POST /admin/orders/{orderId}/deliver", &id.to_string());
    let about = About { order: id, owner: None, patience: state.patience(deadline) };
    once::carry_out(&state, &request, &about, |order| forward(order.deliver(now))).await
}

fn forward(moved: Result<Option<Moved>, TransitionError>) -> Result<Decision, Problem> {
    match moved {
        Ok(Some(moved)) => Ok(Decision::Move(Box::new(moved))),
        Ok(None) => Ok(Decision::Nothing),
        Err(error) => Err(state_conflict(error)),
    }
}

pub fn state_conflict(error: TransitionError) -> Problem {
    Problem::conflict("order_state_conflict", error.to_string()).with("state", error.from.as_str())
}
