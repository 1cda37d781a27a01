//! Requests that change an order, carried out once for each idempotency key.

use api::{Problem, idempotency};
use axum::response::Response;
use domain::{Order, OrderEvent, OrderId, TransitionEffects};
use http::StatusCode;
use table::{Cause, Idempotency, IdempotencyPutError, OrderTransitionError, PriorRequest, StoreError};

use crate::{answer, problems::saga_problem, state::State, target::OrderTarget};

/// Rounds of read, decide and write before an order that others keep changing is left to them.
pub const ROUNDS: usize = 6;

/// The decision about a request for the current order.
pub enum Decision {
    Move(Box<TransitionEffects>),
    /// The order is in the requested state already.
    Nothing,
}

/// Carries a request out, or repeats the first answer. `decide` is pure.
pub async fn execute(
    state: &State,
    request: &Idempotency,
    target: &OrderTarget,
    decide: impl Fn(&Order) -> Result<Decision, Problem> + Send + Sync,
) -> Result<Response, Problem> {
    let (table, now) = (&state.context.table, state.context.clock.now());
    if let Some(prior) = table.idempotency_get(request).await? {
        return replay(state, prior, target).await;
    }
    for _ in 0..ROUNDS {
        let order = target.load(state).await?;
        let written = match decide(&order)? {
            Decision::Nothing => match table.idempotency_put(request, &outcome(&order), now).await {
                Ok(()) => Ok(order),
                Err(IdempotencyPutError::Repeated(prior)) => Err(OrderTransitionError::Repeated(prior)),
                Err(IdempotencyPutError::Store(error)) => Err(error.into()),
            },
            Decision::Move(moved) => {
                let cause = outcome(&moved.order);
                let written = table.order_transition(&moved, Cause::Request(request, &cause), now).await;
                written.map(|()| moved.order)
            }
        };
        match written {
            Ok(order) => {
                state.saga.project(&order).await;
                let version = order.version;
                return finish(state, order, version, target).await;
            }
            Err(OrderTransitionError::Repeated(prior)) => return replay(state, prior, target).await,
            Err(OrderTransitionError::Changed | OrderTransitionError::EventSeen) => {}
            // Written or not: the record, which is part of the transaction, shows it.
            Err(OrderTransitionError::Store(error @ StoreError::OutcomeUnknown(_))) => {
                let prior = idempotency::same_request(table.idempotency_get(request).await?.ok_or(error)?)?;
                let (order, version) = (target.load(state).await?, version_of(&prior)?);
                return finish(state, order, version, target).await;
            }
            Err(OrderTransitionError::Store(error)) => return Err(error.into()),
        }
    }
    Err(saga_problem(saga::SagaError::Contended))
}

async fn replay(state: &State, prior: PriorRequest, target: &OrderTarget) -> Result<Response, Problem> {
    let version = version_of(&idempotency::same_request(prior)?)?;
    let order = target.load(state).await?;
    let response = finish(state, order, version, target).await?;
    // A refund that is owed has no first answer yet.
    Ok(if response.status() == StatusCode::OK { idempotency::replayed(response) } else { response })
}

/// The answer to the request that made this version of an order. A refund it requested is paid first, if it is still
/// owed; once the provider has answered, this answer does not change.
async fn finish(state: &State, mut order: Order, version: u64, target: &OrderTarget) -> Result<Response, Problem> {
    let at = usize::try_from(version).unwrap_or(usize::MAX).saturating_sub(1);
    let Some(OrderEvent::RefundRequested(number)) = order.history.get(at).map(|t| t.event) else {
        return answer::moved(state, target, &order.as_of(version), false).await;
    };
    if order.as_refunded(number).is_none() {
        order = state.saga.refund(order, target.budget, state.context.clock.now()).await.map_err(saga_problem)?;
    }
    match order.as_refunded(number) {
        Some(refunded) => answer::moved(state, target, &refunded, false).await,
        None => answer::moved(state, target, &order, true).await,
    }
}

/// The content of a request's record: which version of which order it made, or found.
fn outcome(order: &Order) -> String {
    format!("{} {}", order.id, order.version)
}

fn version_of(prior: &PriorRequest) -> Result<u64, Problem> {
    let unreadable = || Problem::internal(format!("{:?} is not the outcome of an order's request", prior.outcome));
    let (order, version) = prior.outcome.split_once(' ').ok_or_else(unreadable)?;
    order.parse::<OrderId>().map_err(|_| unreadable())?;
    version.parse().map_err(|_| unreadable())
}
