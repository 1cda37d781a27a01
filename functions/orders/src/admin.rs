//! Lists and details of orders for the shop's staff.

use std::collections::HashSet;

use api::{
    Admin, Page, PathId, Problem, QueryParams,
    codes::{self, Code},
    schema,
};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::{OrderId, OrderState};
use serde::{Deserialize, Serialize};
use table::{CustomerOrder, DayPosition, DuePosition, Open, Table, keys};
use utoipa::IntoParams;

use crate::{
    answer,
    state::State,
    wire::{OrderListResponse, OrderResponse},
};

api::codes! {
    DayInvalid = Code::bad_request("day_invalid", "the day is not a date, or cannot be combined with this state");
    StateInvalid = Code::bad_request("state_invalid", "the state does not exist");
}

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
#[utoipa::path(get, path = "/admin/orders", operation_id = "listShopOrders", tag = "orders", security(("admin" = [])), params(ListParams, Page), responses(
    (status = 200, description = "a page of orders", body = OrderListResponse),
    DayInvalid,
    StateInvalid,
))]
pub async fn list(
    _: Admin,
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ListParams>,
    page: Page,
) -> Result<Json<OrderListResponse>, Problem> {
    let (table, now) = (&state.context.table, state.context.clock.now());
    let Some(named) = params.state.as_deref() else { return list_all(table, day(params.day, now)?, page).await };
    let wanted = OrderState::parse(named);
    let open = match wanted {
        Some(state) if state.awaits_payment() => Some(Open::Payment(state)),
        None if named == "refund_owed" => Some(Open::Refund),
        None if named == "disputed" => Some(Open::Dispute),
        _ => None,
    };

    if let Some(open) = open {
        if params.day.is_some() {
            return Err(Problem::new(DayInvalid, "this state lists orders of all days; leave out the day"));
        }
        let page = page.of(named);
        let found = table.order_list_open(open, page.limit, page.after()?.as_ref()).await?;
        return Ok(Json(page.list(&found)));
    }

    let wanted = wanted.ok_or_else(|| Problem::new(StateInvalid, "this order state does not exist"))?;
    let day = day(params.day, now)?;
    let page = page.of(format_args!("{} {day}", wanted.as_str()));
    let found = table.order_list_by_state(wanted, &day, page.limit, page.after()?.as_ref()).await?;
    Ok(Json(page.list(&found)))
}

/// Orders of every state that were placed on one day. First those without a payment outcome; the rest of the page, or
/// the next page, are the others.
async fn list_all(table: &Table, day: String, page: Page) -> Result<Json<OrderListResponse>, Problem> {
    let page = page.of(format_args!("of {day}"));
    let answer =
        |items: Vec<CustomerOrder>, next: Option<AllPosition>| Ok(Json(page.list(&table::Page { items, next })));

    let (mut orders, after) = match page.after()? {
        Some(AllPosition::Settled(after)) => (Vec::new(), after),
        position @ (Some(AllPosition::Open(_)) | None) => {
            let after = position.and_then(|position| match position {
                AllPosition::Open(due) => Some(due),
                AllPosition::Settled(_) => None,
            });
            let found = table.order_list_open(Open::AnyPayment, page.limit, after.as_ref()).await?;
            let of_day: Vec<_> =
                found.items.into_iter().filter(|order| keys::day(order.id.placed_at()) == day).collect();
            if let Some(next) = found.next {
                return answer(of_day, Some(AllPosition::Open(next)));
            }
            (of_day, None)
        }
    };
    let room = page.limit - i32::try_from(orders.len()).unwrap_or(page.limit);
    let found = table.order_list_by_day(&day, room.max(1), after.as_ref()).await?;
    if room < 1 {
        let more = !found.items.is_empty();
        return answer(orders, more.then_some(AllPosition::Settled(None)));
    }
    // One whose payment got its outcome a moment ago may be in both lists.
    let seen: HashSet<OrderId> = orders.iter().map(|order| order.id).collect();
    orders.extend(found.items.into_iter().filter(|order| !seen.contains(&order.id)));
    answer(orders, found.next.map(|next| AllPosition::Settled(Some(next))))
}

/// Returns any customer's order.
#[utoipa::path(get, path = "/admin/orders/{orderId}", operation_id = "getShopOrder", tag = "orders", security(("admin" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order", body = OrderResponse),
        codes::NotFound,
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
    real.then_some(day).ok_or_else(|| Problem::new(DayInvalid, "day must be yyyy-mm-dd"))
}
