//! The payment of an order after its checkout.

use api::{Deadline, NoBody, PathId, Problem, Session, codes, rates};
use axum::{
    Json,
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{Order, OrderEvent, OrderId, PaymentState};
use table::REQUEST_RUNNING;

use crate::{
    amounts::AmountNotChargeable,
    answer::{self, AuthenticationFailed, OrderCancelled, PaymentDeclined, PaymentExpired},
    problems::saga_problem,
    state::State,
    wire::OrderResponse,
};

/// Reads the state of an order's payment from the payment provider. It never charges: repeat it as often as needed, for
/// example after the customer has authenticated the payment. An order that was not paid is answered like its checkout.
#[utoipa::path(post, path = "/orders/{orderId}/payment/refresh", operation_id = "refreshPayment", tag = "orders", security(("session" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order is paid", body = OrderResponse),
        (status = 202, description = "the payment has no outcome yet, and the stock stays held. With `payment.action`, the customer still has to authenticate the payment", body = OrderResponse, headers(("Location"))),
        PaymentDeclined,
        PaymentExpired,
        AuthenticationFailed,
        codes::NotFound,
        OrderCancelled,
        AmountNotChargeable,
        NoBody,
        codes::RateLimited,
    ))]
pub async fn refresh(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
    deadline: Deadline,
    _: NoBody,
) -> Result<Response, Problem> {
    let (table, now) = (&state.context.table, state.context.clock.now());
    let found = table.order_get_consistent(&session.uid, id).await?;
    let order = found.ok_or_else(|| Problem::not_found("order"))?;
    if order.state.awaits_payment() {
        rates::allow(&state.context, |rates| vec![rates.payment_refresh(&session.uid)]).await?;
    }
    // The request that placed it may still be charging: it would get an error if the provider was asked in between.
    let is_first = order.payment.state == PaymentState::Pending && order.challenges() == 0;
    if is_first && now < order.placed_at() + REQUEST_RUNNING {
        return Ok(answer::checkout(&order));
    }
    let refreshed = state.saga.refresh(order, state.budget(deadline), now).await.map_err(saga_problem)?;
    let order = &refreshed.order;
    if is_authentication_failed(order) {
        return Err(answer::authentication_failed(order));
    }
    match order.was_confirmed() {
        true => Ok(Json(OrderResponse::from(order)).into_response()),
        false => Ok(answer::charged(&state, &refreshed)),
    }
}

/// Whether the last attempt to pay failed, and another one is possible.
fn is_authentication_failed(order: &Order) -> bool {
    let last = order.history.iter().rev().find(|entry| entry.event != OrderEvent::Claimed);
    last.is_some_and(|entry| entry.event == OrderEvent::ChallengeFailed)
}
