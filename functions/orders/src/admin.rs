//! Lists and details of orders for the shop's staff.

use std::collections::HashSet;

use api::{Admin, PathId, Problem, QueryParams, schema, wire::page_limit};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::{OrderId, OrderState};
use serde::{Deserialize, Serialize};
use table::{CustomerOrder, DayPosition, DuePosition, Open, keys};
use utoipa::IntoParams;

use crate::{
    answer,
    state::State,
    wire::{OrderListResponse, OrderResponse, OrderSummaryResponse},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// `confirmed`, `shipped`, `delivered` or `cancelled`, newest first; or `pending_payment`, `payment_unknown`,
    /// `refund_owed` or `disputed`, soonest due first. Without it, orders of every state that were placed on the day:
    /// first those without a payment outcome, soonest due first, then the others, newest first.
    #[param(value_type = Option<schema::OrderListState>, example = "confirmed")]
    state: Option<String>,
    /// The UTC day the orders were placed, `yyyy-mm-dd`; by default today. Not together with `pending_payment`,
    /// `payment_unknown`, `refund_owed` or `disputed`, which list the orders of all days.
    #[param(value_type = Option<schema::Day>, example = "2026-01-31")]
    day: Option<String>,
    /// 1 to 100, by default 24.
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
}

/// The position in a list of orders of every state.
#[derive(Debug, Serialize, Deserialize)]
enum AllPosition {
    #[serde(rename = "o")]
    Open(DuePosition),
    #[serde(rename = "s")]
    Settled(Option<DayPosition>),
}

/// Lists orders of one state, or of every state.
#[utoipa::path(get, path = "/admin/orders", operation_id = "listShopOrders", tag = "orders", security(("admin" = [])), params(ListParams), responses(
    (status = 200, description = "a page of orders", body = OrderListResponse),
))]
pub async fn list(
    _: Admin,
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ListParams>,
) -> Result<Json<OrderListResponse>, Problem> {
    let limit = page_limit(params.limit)?;
    let Some(named) = params.state.as_deref() else { return list_all(&state, params, limit).await };
    let wanted = OrderState::parse(named);
    let open = match wanted {
        Some(state) if state.awaits_payment() => Some(Open::Payment(state)),
        None if named == "refund_owed" => Some(Open::Refund),
        None if named == "disputed" => Some(Open::Dispute),
        _ => None,
    };
    let (table, cursors, now) = (&state.context.table, &state.context.cursors, state.context.clock.now());

    if let Some(open) = open {
        if params.day.is_some() {
            return Err(Problem::bad_request("day_invalid", "this state lists orders of all days; leave out the day"));
        }
        let list = format!("/admin/orders {named}");
        let after = params.cursor.as_deref().map(|c| cursors.open(c, &list, now)).transpose()?;
        let page = table.order_list_open(open, limit, after.as_ref()).await?;
        let items = page.items.iter().map(OrderSummaryResponse::from).collect();
        let next_cursor = page.next.map(|p| cursors.seal(&p, &list, now));
        return Ok(Json(OrderListResponse { items, next_cursor }));
    }

    let wanted = wanted.ok_or_else(|| Problem::bad_request("state_invalid", "this order state does not exist"))?;
    let day = day(params.day, now)?;
    let list = format!("/admin/orders {} {day}", wanted.as_str());
    let after = params.cursor.as_deref().map(|c| cursors.open(c, &list, now)).transpose()?;
    let page = table.order_list_by_state(wanted, &day, limit, after.as_ref()).await?;
    let items = page.items.iter().map(OrderSummaryResponse::from).collect();
    Ok(Json(OrderListResponse { items, next_cursor: page.next.map(|p| cursors.seal(&p, &list, now)) }))
}

/// Orders of every state that were placed on one day. First those without a payment outcome; the rest of the page, or
/// the next page, are the others.
async fn list_all(state: &State, params: ListParams, limit: i32) -> Result<Json<OrderListResponse>, Problem> {
    let (table, cursors, now) = (&state.context.table, &state.context.cursors, state.context.clock.now());
    let day = day(params.day, now)?;
    let list = format!("/admin/orders of {day}");
    let answer = |orders: &[CustomerOrder], next: Option<AllPosition>| {
        let items = orders.iter().map(OrderSummaryResponse::from).collect();
        Ok(Json(OrderListResponse { items, next_cursor: next.map(|p| cursors.seal(&p, &list, now)) }))
    };
    let after: Option<AllPosition> = params.cursor.as_deref().map(|c| cursors.open(c, &list, now)).transpose()?;

    let (mut orders, after) = match after {
        Some(AllPosition::Settled(after)) => (Vec::new(), after),
        Some(AllPosition::Open(_)) | None => {
            let after = after.and_then(|position| match position {
                AllPosition::Open(due) => Some(due),
                AllPosition::Settled(_) => None,
            });
            let page = table.order_list_open(Open::AnyPayment, limit, after.as_ref()).await?;
            let of_day: Vec<_> =
                page.items.into_iter().filter(|order| keys::day(order.id.placed_at()) == day).collect();
            if let Some(next) = page.next {
                return answer(&of_day, Some(AllPosition::Open(next)));
            }
            (of_day, None)
        }
    };
    let room = limit - i32::try_from(orders.len()).unwrap_or(limit);
    let page = table.order_list_by_day(&day, room.max(1), after.as_ref()).await?;
    if room < 1 {
        let more = !page.items.is_empty();
        return answer(&orders, more.then_some(AllPosition::Settled(None)));
    }
    // One whose payment got its outcome a moment ago may be in both lists.
    let seen: HashSet<OrderId> = orders.iter().map(|order| order.id).collect();
    orders.extend(page.items.into_iter().filter(|order| !seen.contains(&order.id)));
    answer(&orders, page.next.map(|next| AllPosition::Settled(Some(next))))
}

/// Returns any customer's order.
#[utoipa::path(get, path = "/admin/orders/{orderId}", operation_id = "getShopOrder", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order", body = OrderResponse),
        (status = 404, description = "`not_found`: the order does not exist"),
    ))]
pub async fn get(
    _: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
) -> Result<impl IntoResponse, Problem> {
    let found = state.context.table.order_get_for_shop(id).await?;
    let order = found.ok_or_else(|| Problem::not_found("order"))?;
    Ok(Json(answer::for_staff(&state, &order).await?))
}

fn day(given: Option<String>, now: domain::Timestamp) -> Result<String, Problem> {
    let Some(day) = given else { return Ok(keys::day(now)) };
    let real = day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok();
    real.then_some(day).ok_or_else(|| Problem::bad_request("day_invalid", "day must be yyyy-mm-dd"))
}
