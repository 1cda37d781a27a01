//! Refunds by the shop's staff.

use api::{
    Admin, All, Deadline, Invalids, Json, PathId, Problem, RequestKey,
    codes::{self, Code, FIELD_OF_ERROR, Member, Members, reference, units},
    invalids::each,
};
use axum::{extract::State as Extract, response::Response};
use domain::{Invalid, OrderId, Quantity, Reason, RefundError, RefundRequest, ReturnedLine};
use serde::Serialize;
use utoipa::openapi::{OneOfBuilder, RefOr, Schema};

use crate::{
    amounts::AmountNotRefundable,
    fulfilment::OrderStateConflict,
    idempotent::{self, Decision},
    state::State,
    target::{OrderTarget, Requester},
    wire::{OrderResponse, RefundOrderRequest, ReturnedLineRequest},
};

/// What the digest of the idempotency record covers: the body and the order.
#[derive(Serialize)]
struct Payload<'a> {
    order: String,
    body: &'a RefundOrderRequest,
}

const LEFT: Members = Members {
    schema: "RefundProblem",
    all: &[
        Member::sometimes("left", left),
        Member::sometimes("productId", || reference("ProductId")),
        FIELD_OF_ERROR[0],
        FIELD_OF_ERROR[1],
    ],
};

fn left() -> RefOr<Schema> {
    OneOfBuilder::new()
        .item(reference("Money"))
        .item(units().minimum(Some(0)))
        .description(Some("What is left to refund: an amount, or units of the product."))
        .into()
}

api::codes! {
    RefundAmountInvalid = Code::unprocessable(
        "refund_amount_invalid",
        "the amount is not positive, or not in the order's currency",
    );
    RefundLinesInvalid = Code::unprocessable(
        "refund_lines_invalid",
        "more units are returned than were bought, or there are too many lines",
    )
    .with(&LEFT);
    RefundTooMany = Code::unprocessable("refund_too_many", "the order has the maximum number of refunds");
    RefundTooMuch = Code::unprocessable("refund_too_much", "less than the amount is left to refund").with(&LEFT);
}

/// Refunds an order: an amount, the price of lines, or all that is left. A full refund of an order that was not shipped
/// cancels it.
#[utoipa::path(post, path = "/admin/orders/{orderId}/refund", operation_id = "refundOrder", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = RefundOrderRequest,
    responses(
        (status = 200, description = "the current order", body = OrderResponse),
        (status = 202, description = "the payment provider did not answer: the refund is owed, and paid later", body = OrderResponse),
        codes::NotFound,
        (status = 409, description = "the order was not paid"),
        OrderStateConflict,
        (status = 422, description = "`reason_invalid`"),
        RefundTooMuch,
        RefundTooMany,
        RefundAmountInvalid,
        RefundLinesInvalid,
        AmountNotRefundable,
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
    let request = key.request(&admin.uid, &payload);
    let target = OrderTarget { order: id, by: Requester::Staff, budget: state.budget(deadline) };
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
    match error {
        RefundError::NothingPaid(state) => Problem::new(OrderStateConflict, detail).with("state", state.as_str()),
        RefundError::TooMuch { left } => Problem::new(RefundTooMuch, detail).with_money("left", left),
        RefundError::TooMany => Problem::new(RefundTooMany, detail),
        // One code for both: the amount cannot be refunded.
        RefundError::NothingLeft | RefundError::AmountInvalid => Problem::new(RefundAmountInvalid, detail),
        RefundError::TooManyUnits { product, left } => {
            Problem::new(RefundLinesInvalid, detail).with("productId", product.as_str()).with("left", left)
        }
    }
}
