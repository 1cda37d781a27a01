//! Cancellation by the customer.

use api::{Deadline, NoBody, PathId, Problem, RequestKey, codes, idempotency};
use axum::{extract::State as Extract, response::Response};
use domain::{CancelDecision, Order, OrderId, VoidReason};
use saga::TimeBudget;

use crate::{
    amounts::AmountNotRefundable,
    fulfilment::{OrderStateConflict, state_conflict},
    idempotent::{self, Decision},
    problems::saga_problem,
    state::State,
    target::{OrderLinkInvalid, OrderTarget, Requester},
    wire::OrderResponse,
};

/// Cancels one of the customer's orders that was not shipped. What was paid is refunded. The token of the link in a mail
/// about the order does it, too.
#[utoipa::path(post, path = "/orders/{orderId}/cancel", operation_id = "cancelOrder", tag = "orders", security(("session" = []), ("orderToken" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header)),
    responses(
        (status = 200, description = "the current order", body = OrderResponse),
        (status = 202, description = "the payment provider did not answer: the refund is owed, and paid later", body = OrderResponse),
        OrderLinkInvalid,
        codes::NotFound,
        (status = 409, description = "the order was shipped"),
        OrderStateConflict,
        NoBody,
        AmountNotRefundable,
    ))]
pub async fn cancel(
    by: Requester,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
    deadline: Deadline,
    key: RequestKey,
    _: NoBody,
) -> Result<Response, Problem> {
    let now = state.context.clock.now();
    let target = OrderTarget { order: id, by, budget: state.budget(deadline) };
    let order = target.load(&state).await?;
    let request = key.request(&target.by.keys()?, &id.to_string());
    if order.state.awaits_payment() {
        if let Some(prior) = state.context.table.idempotency_get(&request).await? {
            idempotency::same_request(prior)?;
        }
        let order = paid_or_not(&state, order, target.budget).await?;
        if order.state.awaits_payment() {
            // The request is not recorded, so the answer must not suggest that it will be carried out.
            return Err(Problem::busy(
                "it is not known yet whether the order was paid; send the request again to cancel it",
            ));
        }
    }
    idempotent::execute(&state, &request, &target, |order| match order.cancel(now).map_err(state_conflict)? {
        CancelDecision::Refund(moved) => Ok(Decision::Move(Box::new(state.refundable(*moved)?))),
        CancelDecision::Already => Ok(Decision::Nothing),
        // It had an outcome a moment ago, which never changes back.
        CancelDecision::AskProvider => Err(Problem::internal(format!("order {id} went back to having no outcome"))),
    })
    .await
}

/// An order without an outcome gets one first: the provider closes the payment, or reports that it was charged.
async fn paid_or_not(state: &State, order: Order, budget: TimeBudget) -> Result<Order, Problem> {
    let closed = state.saga.close(order, VoidReason::CancelledByCustomer, budget, state.context.clock.now());
    closed.await.map_err(saga_problem)
}
