//! Refunds by the shop's staff.

use api::{Admin, All, Deadline, Invalids, Json, PathId, Problem, RequestKey, invalids::each};
use axum::{extract::State as Extract, response::Response};
use domain::{Invalid, OrderId, Quantity, Reason, RefundError, RefundRequest, ReturnedLine};
use http::StatusCode;
use serde::Serialize;

use crate::{
    idempotent::{self, Decision},
    state::State,
    target::OrderTarget,
    wire::{OrderResponse, RefundOrderRequest, ReturnedLineRequest},
};

/// What the digest of the idempotency record covers: the body and the order.
#[derive(Serialize)]
struct Payload<'a> {
    order: String,
    body: &'a RefundOrderRequest,
}

/// Refunds an order: an amount, the price of lines, or all that is left. A full refund of an order that was not shipped
/// cancels it.
#[utoipa::path(post, path = "/admin/orders/{orderId}/refund", operation_id = "refundOrder", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = RefundOrderRequest,
    responses(
        (status = 200, description = "the current order", body = OrderResponse),
        (status = 202, description = "the payment provider did not answer: the refund is owed, and paid later", body = OrderResponse),
        (status = 404, description = "`not_found`: the order does not exist"),
        (status = 409, description = "`order_state_conflict`: the order was not paid"),
        (status = 422, description = "`refund_too_much`, `refund_too_many`, `refund_amount_invalid`, `refund_lines_invalid`, `reason_invalid`; `amount_not_refundable`: the payment provider cannot refund this amount; `reason` is `not_a_multiple` or `currency_not_taken`, and `bound` the amount it refers to"),
    ))]
pub async fn refund(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
    deadline: Deadline,
    key: RequestKey,
    Json(body): Json<RefundOrderRequest>,
) -> Result<Response, Problem> {
    let wanted = parse(&body)?;
    let now = state.context.clock.now();
    let payload = Payload { order: id.to_string(), body: &body };
    let request = key.request(&admin.uid, "POST /admin/orders/{orderId}/refund", &payload);
    let target = OrderTarget { order: id, owner: None, budget: state.budget(deadline) };
    idempotent::execute(&state, &request, &target, |order| {
        let moved = order.refund(&wanted, now).map_err(refund_problem)?;
        Ok(Decision::Move(Box::new(state.refundable(moved)?)))
    })
    .await
}

fn parse(body: &RefundOrderRequest) -> Result<RefundRequest, Invalids> {
    let line = |line: &ReturnedLineRequest| {
        let (product, quantity) = (line.product_id.parse(), Quantity::new(line.quantity)).all()?;
        Ok::<_, Invalids>(ReturnedLine { product, quantity, restock: line.restock })
    };
    if body.lines.len() > domain::MAX_LINES {
        return Err(Invalid::new("lines", "refund_lines_invalid", "an order has at most 90 lines").into());
    }
    let amount = body.amount.as_ref().map(|amount| amount.total("amount")).transpose();
    let reason = body.reason.as_deref().map(Reason::parse).transpose();
    let (amount, lines, reason) = (amount, each("lines", &body.lines, line), reason).all()?;
    Ok(RefundRequest { amount, lines, reason })
}

fn refund_problem(error: RefundError) -> Problem {
    let detail = error.to_string();
    let unprocessable = |code| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone());
    match error {
        RefundError::NothingPaid(state) => {
            Problem::conflict("order_state_conflict", detail).with("state", state.as_str())
        }
        RefundError::TooMuch { left } => unprocessable("refund_too_much").with_money("left", left),
        RefundError::TooMany => unprocessable("refund_too_many"),
        // One code for both: the amount cannot be refunded.
        RefundError::NothingLeft | RefundError::AmountInvalid => unprocessable("refund_amount_invalid"),
        RefundError::TooManyUnits { product, left } => {
            unprocessable("refund_lines_invalid").with("productId", product.as_str()).with("left", left)
        }
    }
}
