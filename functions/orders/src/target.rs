use api::{Problem, Session, codes::Code, edge::ORDER_TOKEN};
use axum::extract::FromRequestParts;
use domain::{Order, OrderId, UserId};
use http::request::Parts;
use saga::TimeBudget;

use crate::state::State;

api::codes! {
    pub OrderLinkInvalid = Code::unauthorized(
        "order_link_invalid",
        "the token of an order's link has expired, or was never valid; request a new link",
    );
}

/// Who asks for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requester {
    /// Its customer, who has a session.
    Customer(UserId),
    /// Who has the link in a mail about it, and may look at it and cancel it.
    LinkHolder(OrderId),
    /// The shop's staff, who may change any order.
    Staff,
}

/// The order of a request, and its time budget.
pub struct OrderTarget {
    pub order: OrderId,
    pub by: Requester,
    pub budget: TimeBudget,
}

impl OrderTarget {
    /// The current order.
    pub async fn load(&self, state: &State) -> Result<Order, Problem> {
        self.by.order(state, self.order).await
    }
}

impl Requester {
    /// Whose idempotency keys a request has, and who is on record for it. A link is nobody's in particular.
    pub fn keys(&self) -> Result<UserId, Problem> {
        match self {
            Self::Customer(customer) => Ok(customer.clone()),
            Self::LinkHolder(order) => format!("link-{order}").parse().map_err(Problem::internal),
            Self::Staff => Err(Problem::internal("requests of staff are recorded under their own id")),
        }
    }

    /// The order as it is now, if it is for them.
    pub async fn order(&self, state: &State, id: OrderId) -> Result<Order, Problem> {
        let table = &state.context.table;
        let found = match self {
            Self::Customer(owner) => table.order_get_consistent(owner, id).await?,
            Self::LinkHolder(order) if *order != id => None,
            Self::LinkHolder(_) | Self::Staff => table.order_get_for_shop(id).await?,
        };
        found.ok_or_else(|| Problem::not_found("order"))
    }
}

/// A customer or the holder of a link, never staff. A token decides alone, even if the browser sends a session as well: it
/// may be that of another customer.
impl FromRequestParts<State> for Requester {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let Some(token) = parts.headers.get(&ORDER_TOKEN) else {
            let session = Session::from_request_parts(parts, state).await?;
            return Ok(Self::Customer(session.uid));
        };
        let order = token.to_str().ok().and_then(|token| state.links.check_order(token, state.context.clock.now()));
        let detail = "the link cannot be used any more; request a new one with POST /orders/lookup";
        order.map(Self::LinkHolder).ok_or_else(|| Problem::new(OrderLinkInvalid, detail))
    }
}
