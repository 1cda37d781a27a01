//! What the shop's staff see of orders.

use api::{Admin, Id, Params, Problem, schema, wire::page_limit};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::{OrderId, OrderState};
use serde::Deserialize;
use table::{Open, keys};
use utoipa::IntoParams;

use crate::{
    State,
    wire::{OrderListResponse, OrderResponse, OrderSummaryResponse},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// `confirmed`, `shipped`, `delivered` or `cancelled`, newest first; or `pending_payment`, `payment_unknown`,
    /// `refund_owed` or `disputed`, due first.
    #[param(value_type = schema::OrderListState, example = "confirmed")]
    state: String,
    /// `yyyy-mm-dd`, UTC, the day the orders were placed; today unless told. Not for what is open, which few orders are:
    /// those of every day are listed.
    #[param(value_type = Option<schema::Day>, example = "2026-01-31")]
    day: Option<String>,
    /// 1 to 100, 24 unless told.
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
}

/// Orders of one state.
#[utoipa::path(get, path = "/admin/orders", operation_id = "listShopOrders", tag = "orders", security(("admin" = [])), params(ListParams), responses(
    (status = 200, description = "a page of orders", body = OrderListResponse),
))]
pub async fn list(
    _: Admin,
    Extract(state): Extract<State>,
    Params(params): Params<ListParams>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(params.limit)?;
    let wanted = OrderState::parse(&params.state);
    let open = match wanted {
        Some(state) if state.is_unsettled() => Some(Open::Payment(state)),
        None if params.state == "refund_owed" => Some(Open::Refund),
        None if params.state == "disputed" => Some(Open::Dispute),
        _ => None,
    };
    let (table, cursors, now) = (&state.context.table, &state.context.cursors, state.context.clock.now());

    if let Some(open) = open {
        if params.day.is_some() {
            return Err(Problem::bad_request("day_invalid", "what is open is listed whatever its day"));
        }
        let list = format!("/admin/orders {}", params.state);
        let after = params.cursor.as_deref().map(|c| cursors.open(c, &list, now)).transpose()?;
        let page = table.order_list_open(open, limit, after.as_ref()).await?;
        let items = page.items.iter().map(OrderSummaryResponse::from).collect();
        let next_cursor = page.next.map(|p| cursors.seal(&p, &list, now));
        return Ok(Json(OrderListResponse { items, next_cursor }));
    }

    let wanted = wanted.ok_or_else(|| Problem::bad_request("state_invalid", "there is no such order state"))?;
    let day = day(params.day, now)?;
    let list = format!("/admin/orders {} {day}", wanted.as_str());
    let after = params.cursor.as_deref().map(|c| cursors.open(c, &list, now)).transpose()?;
    let page = table.order_list_by_state(wanted, &day, limit, after.as_ref()).await?;
    let items = page.items.iter().map(OrderSummaryResponse::from).collect();
    Ok(Json(OrderListResponse { items, next_cursor: page.next.map(|p| cursors.seal(&p, &list, now)) }))
}

/// Any customer's order.
#[utoipa::path(get, path = "/admin/orders/{orderId}", operation_id = "getShopOrder", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order", body = OrderResponse),
        (status = 404, description = "`not_found`: there is no such order"),
    ))]
pub async fn get(_: Admin, Extract(state): Extract<State>, Id(id): Id<OrderId>) -> Result<impl IntoResponse, Problem> {
    let found = state.context.table.order_get_for_shop(id).await?;
    let order = found.ok_or_else(|| Problem::not_found("order"))?;
    Ok(Json(OrderResponse::for_staff(&order)))
}

fn day(given: Option<String>, now: domain::Timestamp) -> Result<String, Problem> {
    let Some(day) = given else { return Ok(keys::day(now)) };
    let real = day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok();
    real.then_some(day).ok_or_else(|| Problem::bad_request("day_invalid", "day must be yyyy-mm-dd"))
}
