//! Answers to requests about an order, the same for the first request and its retries.

use api::{
    Problem,
    codes::{Code, Member, Members, reference},
};
use axum::response::{IntoResponse, Response};
use domain::{Order, OrderEvent};
use http::{StatusCode, header};

use crate::{amounts::AmountNotChargeable, state::State, target::OrderTarget, wire::OrderResponse};

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

/// The answer to a checkout: the payment's outcome, or 202 if it has none yet.
pub fn checkout(order: &Order) -> Response {
    let refused = |code: Code, detail| Problem::new(code, detail).with("orderId", order.id.to_string()).into_response();
    match order.last_event() {
        OrderEvent::Declined => refused(PaymentDeclined.into(), "the payment was declined"),
        OrderEvent::NotChargeable => {
            let detail =
                "the payment provider does not accept this amount; nothing was charged, and the order is cancelled";
            refused(AmountNotChargeable.into(), detail)
        }
        OrderEvent::Expired => {
            let detail = "the payment was not completed in time; nothing was charged, and the order is cancelled";
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

/// The answer to a request that changed an order: 202 while a refund it requested is owed.
pub async fn moved(state: &State, target: &OrderTarget, order: &Order, owed: bool) -> Result<Response, Problem> {
    let status = if owed { StatusCode::ACCEPTED } else { StatusCode::OK };
    let order = match target.owner {
        Some(_) => OrderResponse::from(order),
        None => for_staff(state, order).await?,
    };
    Ok((status, axum::Json(order)).into_response())
}

/// An order with the fields that only the shop's staff see. Of a guest only the id is known.
pub async fn for_staff(state: &State, order: &Order) -> Result<OrderResponse, Problem> {
    let customer = state.context.table.customer_get(&order.customer).await?;
    Ok(OrderResponse::for_staff(order, customer.as_ref()))
}
