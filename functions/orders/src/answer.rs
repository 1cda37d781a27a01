//! Answers to requests about an order, the same for the first request and its retries.

use api::{
    Problem,
    codes::{Code, Member, Members, reference, units},
};
use axum::response::{IntoResponse, Response};
use domain::{MAX_CHALLENGES, Order, OrderEvent};
use http::{StatusCode, header};
use saga::Charged;

use crate::{
    amounts::AmountNotChargeable,
    state::State,
    target::{OrderTarget, Requester},
    wire::{OrderResponse, PaymentActionResponse},
};

/// The order that ended without a payment.
const ENDED: Members =
    Members { schema: "OrderEndedProblem", all: &[Member::always("orderId", || reference("OrderId"))] };

/// The order whose stock is still held.
const HELD: Members = Members {
    schema: "AuthenticationFailedProblem",
    all: &[
        Member::always("orderId", || reference("OrderId")),
        Member::always("attemptsLeft", || {
            units().description(Some("How many more cards can be tried for this order.")).into()
        }),
    ],
};

api::codes! {
    pub AuthenticationFailed = Code::payment_required(
        "authentication_failed",
        "the customer's bank did not authenticate the payment; nothing was charged, and the order can be paid with another card under another key",
    )
    .with(&HELD);
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

/// The answer to a request that charged, or looked at the payment: with what the customer has to do, or with the
/// payment's outcome. The order may have changed further meanwhile; the answer is the outcome.
pub fn charged(state: &State, charged: &Charged) -> Response {
    match &charged.action {
        None => checkout(&charged.order.as_of_payment_outcome().unwrap_or_else(|| charged.order.clone())),
        Some(action) => {
            let mut response = OrderResponse::from(&charged.order);
            response.payment.action = Some(PaymentActionResponse::new(state.saga.payments().name(), action));
            located(StatusCode::ACCEPTED, &charged.order, response)
        }
    }
}

/// The answer while the stock is held for another attempt to pay.
pub fn authentication_failed(order: &Order) -> Problem {
    let detail = "the customer's bank did not authenticate the payment; pay with another card under another key";
    let left = MAX_CHALLENGES.saturating_sub(order.challenges());
    Problem::new(AuthenticationFailed, detail).with("orderId", order.id.to_string()).with("attemptsLeft", left)
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
        _ if order.state.awaits_payment() => located(StatusCode::ACCEPTED, order, order.into()),
        _ => located(StatusCode::CREATED, order, order.into()),
    }
}

fn located(status: StatusCode, order: &Order, response: OrderResponse) -> Response {
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    (status, location, axum::Json(response)).into_response()
}

/// The answer to a request that changed an order: 202 while a refund it requested is owed.
pub async fn moved(state: &State, target: &OrderTarget, order: &Order, owed: bool) -> Result<Response, Problem> {
    let status = if owed { StatusCode::ACCEPTED } else { StatusCode::OK };
    let order = match target.by {
        Requester::Customer(_) | Requester::LinkHolder(_) => OrderResponse::from(order),
        Requester::Staff => for_staff(state, order).await?,
    };
    Ok((status, axum::Json(order)).into_response())
}

/// An order with the fields that only the shop's staff see. Of a guest only the id is known.
pub async fn for_staff(state: &State, order: &Order) -> Result<OrderResponse, Problem> {
    let customer = state.context.table.customer_get(&order.customer).await?;
    Ok(OrderResponse::for_staff(order, customer.as_ref()))
}
