//! Shipping and delivery, by the shop's staff.

use api::{
    Admin, Deadline, JsonIfAny, NoBody, PathId, Problem, RequestKey,
    codes::{self, Code, Member, Members, reference},
};
use axum::{extract::State as Extract, response::Response};
use domain::{OrderId, TransitionEffects, TransitionError};
use serde::Serialize;

use crate::{
    idempotent::{self, Decision},
    state::State,
    target::{OrderTarget, Requester},
    wire::{OrderResponse, ShipOrderRequest},
};

/// What the digest of the idempotency record covers: the body and the order.
#[derive(Serialize)]
struct Payload<'a> {
    order: String,
    body: &'a ShipOrderRequest,
}

/// The state that the order is in.
const STATE: Members =
    Members { schema: "OrderStateProblem", all: &[Member::always("state", || reference("OrderStateName"))] };

api::codes! {
    pub OrderStateConflict = Code::conflict("order_state_conflict", "the order is in a state that does not allow it")
        .with(&STATE);
    pub ShipmentDiffers = Code::conflict(
        "shipment_differs",
        "the order was shipped before, with another parcel or without one; what is known of it stays",
    );
}

/// Marks an order as shipped, with what is known of the parcel. Repeated with the same parcel, or without one, it changes
/// nothing.
#[utoipa::path(post, path = "/admin/orders/{orderId}/ship", operation_id = "shipOrder", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = Option<ShipOrderRequest>,
    responses(
        (status = 200, description = "the current order", body = OrderResponse),
        codes::NotFound,
        (status = 409, description = "the order is not confirmed"),
        OrderStateConflict,
        ShipmentDiffers,
    ))]
pub async fn ship(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
    deadline: Deadline,
    key: RequestKey,
    JsonIfAny(body): JsonIfAny<ShipOrderRequest>,
) -> Result<Response, Problem> {
    let (now, shipment) = (state.context.clock.now(), body.shipment()?);
    // Without a parcel the digest is as it was before there were any.
    let request = match shipment.is_empty() {
        true => key.request(&admin.uid, &id.to_string()),
        false => key.request(&admin.uid, &Payload { order: id.to_string(), body: &body }),
    };
    let target = OrderTarget { order: id, by: Requester::Staff, budget: state.budget(deadline) };
    idempotent::execute(&state, &request, &target, |order| match order.ship_as(shipment.clone(), now) {
        Ok(None) if !shipment.is_empty() && !order.shipments.contains(&shipment) => {
            Err(Problem::new(ShipmentDiffers, "the order was shipped before, with another parcel or without one"))
        }
        shipped => forward(shipped),
    })
    .await
}

/// Marks an order as delivered.
#[utoipa::path(post, path = "/admin/orders/{orderId}/deliver", operation_id = "deliverOrder", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header)),
    responses(
        (status = 200, description = "the current order", body = OrderResponse),
        codes::NotFound,
        (status = 409, description = "the order is not shipped"),
        OrderStateConflict,
        NoBody,
    ))]
pub async fn deliver(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
    deadline: Deadline,
    key: RequestKey,
    _: NoBody,
) -> Result<Response, Problem> {
    let now = state.context.clock.now();
    let request = key.request(&admin.uid, &id.to_string());
    let target = OrderTarget { order: id, by: Requester::Staff, budget: state.budget(deadline) };
    idempotent::execute(&state, &request, &target, |order| forward(order.deliver(now))).await
}

fn forward(moved: Result<Option<TransitionEffects>, TransitionError>) -> Result<Decision, Problem> {
    match moved {
        Ok(Some(moved)) => Ok(Decision::Move(Box::new(moved))),
        Ok(None) => Ok(Decision::Nothing),
        Err(error) => Err(state_conflict(error)),
    }
}

pub fn state_conflict(error: TransitionError) -> Problem {
    Problem::new(OrderStateConflict, error.to_string()).with("state", error.from.as_str())
}
