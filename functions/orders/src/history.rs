//! A customer's own orders.

use api::{PathId, Problem, QueryParams, Session, schema, wire::page_limit};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::OrderId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    state::State,
    wire::{OrderListResponse, OrderResponse, OrderSummaryResponse},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// 1 to 100, by default 24.
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
}

/// Lists the customer's orders, newest first.
#[utoipa::path(get, path = "/orders", operation_id = "listOrders", tag = "orders", security(("session" = [])), params(ListParams), responses(
    (status = 200, description = "a page of orders", body = OrderListResponse),
))]
pub async fn list(
    session: Session,
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ListParams>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(params.limit)?;
    let (cursors, now) = (&state.context.cursors, state.context.clock.now());
    let list = format!("/orders {}", session.uid);
    let after = params.cursor.as_deref().map(|c| cursors.open(c, &list, now)).transpose()?;

    let page = state.context.table.order_list_by_customer(&session.uid, limit, after.as_ref()).await?;

    let items = page.items.iter().map(OrderSummaryResponse::from).collect();
    Ok(Json(OrderListResponse { items, next_cursor: page.next.map(|p| cursors.seal(&p, &list, now)) }))
}

/// Returns one of the customer's orders. The order of another customer is not found.
#[utoipa::path(get, path = "/orders/{orderId}", operation_id = "getOrder", tag = "orders", security(("session" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order", body = OrderResponse),
        (status = 404, description = "`not_found`: the order does not exist"),
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
