//! A customer's own orders.

use api::{Page, PathId, Problem, Session, codes};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::OrderId;

use crate::{
    state::State,
    wire::{OrderListResponse, OrderResponse},
};

/// Lists the customer's orders, newest first.
#[utoipa::path(get, path = "/orders", operation_id = "listOrders", tag = "orders", security(("session" = [])), params(Page), responses(
    (status = 200, description = "a page of orders", body = OrderListResponse),
))]
pub async fn list(
    session: Session,
    Extract(state): Extract<State>,
    page: Page,
) -> Result<Json<OrderListResponse>, Problem> {
    let page = page.of(&session.uid);
    let found = state.context.table.order_list_by_customer(&session.uid, page.limit, page.after()?.as_ref()).await?;
    Ok(Json(page.list(&found)))
}

/// Returns one of the customer's orders. The order of another customer is not found.
#[utoipa::path(get, path = "/orders/{orderId}", operation_id = "getOrder", tag = "orders", security(("session" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order", body = OrderResponse),
        codes::NotFound,
    ))]
pub async fn get(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
) -> Result<impl IntoResponse, Problem> {
    let found = state.context.table.order_get(&session.uid, id).await?;
    let order = found.ok_or_else(|| Problem::not_found("order"))?;
    Ok(Json(OrderResponse::from(&order)))
}
