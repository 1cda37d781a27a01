//! What a request about an order is answered with, the first time and every time after.

use api::{
    Problem,
    codes::{Code, Member, Members, reference},
};
use axum::response::{IntoResponse, Response};
use domain::{Order, OrderEvent};
use http::{StatusCode, header};

use crate::{State, amounts::AmountNotChargeable, idempotent::OrderTarget, wire::OrderResponse};

/// The order that ended without a payment.
const ENDED: Members =
    Members { schema: "OrderEndedProblem", all: &[Member::always("orderId", || reference("OrderId"))] };

api::codes! {
    pub OrderCancelled = Code::conflict(
        "order_cancelled",
        "the order was cancelled before it was paid; nothing was charged",
    )
    .with(&ENDED);
    pub PaymentDeclined = Code::payment_required("payment_declined", "the payment was declined; nothing was charged")
        .with(&ENDED);
    pub PaymentExpired = Code::payment_required(
        "payment_expired",
        "the payment was not completed in time; nothing was charged",
    )
    .with(&ENDED);
}

/// A checkout's answer: by how the payment came out, or that it has not yet.
pub fn checkout(order: &Order) -> Response {
    let refused = |code: Code, detail| Problem::new(code, detail).with("orderId", order.id.to_string()).into_response();
    match order.last_event() {
        OrderEvent::Declined => refused(PaymentDeclined.into(), "the payment was declined"),
        OrderEvent::NotChargeable => {
            let detail =
                "the payment provider does not take this amount; nothing was charged, and the order is cancelled";
            refused(AmountNotChargeable.into(), detail)
        }
        OrderEvent::Expired => {
            let detail = "the payment had no outcome in time; nothing was charged, and the order is cancelled";
            refused(PaymentExpired.into(), detail)
        }
        OrderEvent::Cancelled | OrderEvent::Replaced => {
            refused(OrderCancelled.into(), "the order was cancelled before it was paid; nothing was charged")
        }
        _ if order.state.awaits_payment() => located(StatusCode::ACCEPTED, order),
        _ => located(StatusCode::CREATED, order),
    }
}

fn located(status: StatusCode, order: &Order) -> Response {
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    (status, location, axum::Json(OrderResponse::from(order))).into_response()
}

/// The answer to a request that moved an order on: 202 while a refund it asked for is owed.
pub async fn moved(state: &State, target: &OrderTarget, order: &Order, owed: bool) -> Result<Response, Problem> {
    let status = if owed { StatusCode::ACCEPTED } else { StatusCode::OK };
    let order = match target.owner {
        Some(_) => OrderResponse::from(order),
        None => for_staff(state, order).await?,
    };
    Ok((status, axum::Json(order)).into_response())
}

/// An order with what only the shop's staff see. Of a guest nothing is known but the id.
pub async fn for_staff(state: &State, order: &Order) -> Result<OrderResponse, Problem> {
    let customer = state.context.table.customer_get(&order.customer).await?;
    Ok(OrderResponse::for_staff(order, customer.as_ref()))
}
