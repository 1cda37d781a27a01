//! A customer who does not want it any more.

use api::{Deadline, NoBody, PathId, Problem, RequestKey, Session, codes, idempotency};
use axum::{extract::State as Extract, response::Response};
use domain::{CancelDecision, Order, OrderId, VoidReason};
use saga::TimeBudget;

use crate::{
    State,
    amounts::AmountNotRefundable,
    fulfilment::{OrderStateConflict, state_conflict},
    idempotent::{self, Decision, OrderTarget},
    saga_problem,
    wire::OrderResponse,
};

/// Cancels an order that was not shipped. What was paid goes back.
#[utoipa::path(post, path = "/orders/{orderId}/cancel", operation_id = "cancelOrder", tag = "orders", security(("session" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header)),
    responses(
        (status = 200, description = "the order as it is now", body = OrderResponse),
        (status = 202, description = "the payment provider does not answer: the refund is owed", body = OrderResponse),
        codes::NotFound,
        (status = 409, description = "the order was shipped"),
        OrderStateConflict,
        NoBody,
        AmountNotRefundable,
    ))]
pub async fn cancel(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
    deadline: Deadline,
    key: RequestKey,
    _: NoBody,
) -> Result<Response, Problem> {
    let now = state.context.clock.now();
    let target = OrderTarget { order: id, owner: Some(session.uid.clone()), budget: state.budget(deadline) };
    let request = key.request(&session.uid, &id.to_string());
    let order = target.load(&state).await?;
    if order.state.awaits_payment() {
        if let Some(prior) = state.context.table.idempotency_get(&request).await? {
            idempotency::same_request(prior)?;
        }
        let order = paid_or_not(&state, order, target.budget).await?;
        if order.state.awaits_payment() {
            // Nothing remembers the wish, so that it must not sound as if it were granted.
            return Err(Problem::busy("whether it was paid is not known yet; send the request again to cancel it"));
        }
    }
    idempotent::execute(&state, &request, &target, |order| match order.cancel(now).map_err(state_conflict)? {
        CancelDecision::Refund(moved) => Ok(Decision::Move(Box::new(state.refundable(*moved)?))),
        CancelDecision::Already => Ok(Decision::Nothing),
        // It was settled a moment ago, and nothing leads back.
        CancelDecision::AskProvider => Err(Problem::internal(format!("order {id} went back to having no outcome"))),
    })
    .await
}

/// An order without an outcome gets one first: the provider is told to give it up, and says if it was paid already.
async fn paid_or_not(state: &State, order: Order, budget: TimeBudget) -> Result<Order, Problem> {
    let closed = state.saga.close(order, VoidReason::CancelledByCustomer, budget, state.context.clock.now());
    closed.await.map_err(saga_problem)
}
