//! Lists and details of orders for the shop's staff.

use std::collections::HashSet;

use api::{
    Admin, Page, PathId, Problem, QueryParams,
    codes::{self, Code, FIELD_OF_ERROR, Members},
    schema,
};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::{Email, Invalid, Order, OrderId, OrderState};
use serde::{Deserialize, Serialize};
use table::{CustomerOrder, DayPosition, DuePosition, Open, OrderSearch, Table, keys};
use utoipa::IntoParams;

use crate::{
    answer,
    state::State,
    wire::{OrderListResponse, OrderResponse},
};

const FIELD: Members = Members { schema: "SearchProblem", all: &[FIELD_OF_ERROR[0]] };

api::codes! {
    DayInvalid = Code::bad_request("day_invalid", "the day is not a date, or cannot be combined with this state");
    SearchInvalid = Code::bad_request(
        "search_invalid",
        "orders are looked for by one of number, email, reference and customer, and not of one day",
    )
    .with(&FIELD);
    StateInvalid = Code::bad_request("state_invalid", "the state does not exist");
}

#[derive(Deserialize, IntoParams)]
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
    /// Only orders with this number, newest first; mostly there is one. At most one of `number`, `email`, `reference` and
    /// `customer` may be given, alone or together with `state`, which leaves out orders of other states: a page may then
    /// be short or empty although another one follows.
    #[param(value_type = Option<schema::OrderNumberSought>, example = "7K3QX-94M2A")]
    number: Option<String>,
    /// Only orders whose contact has this e-mail, of guests and customers.
    #[param(value_type = Option<schema::Email>, example = "ann@example.com")]
    email: Option<String>,
    /// Only orders that this payment is for: the payment provider's id.
    #[param(value_type = Option<schema::PaymentReference>, example = "pi_3MtwBwLkdIwHu7ix28a3tqPa")]
    reference: Option<String>,
    /// Only orders of this customer or guest.
    #[param(value_type = Option<schema::UserId>)]
    customer: Option<String>,
}

impl ListParams {
    /// What orders are looked for by, if they are.
    ///
    /// # Errors
    /// 400 `search_invalid` if it is more than one thing.
    fn search(&self) -> Result<Option<OrderSearch>, Problem> {
        let Self { state: _, day, number, email, reference, customer } = self;
        let named = |field: &'static str| move |invalid: Invalid| Problem::from(Invalid { field, ..invalid });
        let searches = [
            number.as_deref().map(|raw| raw.parse().map(OrderSearch::Number).map_err(named("number"))),
            email.as_deref().map(|raw| Email::parse(raw).map(OrderSearch::Email).map_err(named("email"))),
            reference.as_deref().map(|raw| raw.parse().map(OrderSearch::Reference).map_err(named("reference"))),
            customer.as_deref().map(|raw| raw.parse().map(OrderSearch::Customer).map_err(named("customer"))),
        ];
        let mut given = searches.into_iter().flatten();
        let (search, other) = (given.next(), given.next());
        let refused = |field: &str, detail: &str| Err(Problem::new(SearchInvalid, detail).with("field", field));
        match (search, other, day) {
            (Some(_), Some(_), _) => refused("number", "send one of number, email, reference and customer"),
            (Some(_), None, Some(_)) => {
                refused("day", "orders are looked for among those of all days; leave out the day")
            }
            (search, _, _) => search.transpose(),
        }
    }
}

/// The position in a list of orders of every state.
#[derive(Debug, Serialize, Deserialize)]
enum AllPosition {
    #[serde(rename = "o")]
    Open(DuePosition),
    #[serde(rename = "s")]
    Settled(Option<DayPosition>),
}

/// Lists orders of one state, or of every state; or looks for them by number, e-mail, payment or customer.
#[utoipa::path(get, path = "/admin/orders", operation_id = "listShopOrders", tag = "orders", security(("admin" = [])), params(ListParams, Page), responses(
    (status = 200, description = "a page of orders", body = OrderListResponse),
    DayInvalid,
    SearchInvalid,
    StateInvalid,
    (status = 422, description = "`order_number_invalid`, `email_invalid`"),
))]
pub async fn list(
    _: Admin,
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ListParams>,
    page: Page,
) -> Result<Json<OrderListResponse>, Problem> {
    let (table, now) = (&state.context.table, state.context.clock.now());
    if let Some(search) = params.search()? {
        return list_found(table, &search, &params, page).await;
    }
    let Some(named) = params.state.as_deref() else { return list_all(table, day(params.day, now)?, page).await };
    let wanted = match Wanted::parse(named)? {
        Wanted::Settled(state) => state,
        Wanted::Open(_) if params.day.is_some() => {
            return Err(Problem::new(DayInvalid, "this state lists orders of all days; leave out the day"));
        }
        Wanted::Open(open) => {
            let page = page.of(named);
            let found = table.order_list_open(open, page.limit, page.after()?.as_ref()).await?;
            return Ok(Json(page.list(&found)));
        }
    };
    let day = day(params.day, now)?;
    let page = page.of(format_args!("{} {day}", wanted.as_str()));
    let found = table.order_list_by_state(wanted, &day, page.limit, page.after()?.as_ref()).await?;
    Ok(Json(page.list(&found)))
}

/// What `state` asks for.
enum Wanted {
    Settled(OrderState),
    Open(Open),
}

impl Wanted {
    fn parse(named: &str) -> Result<Self, Problem> {
        match (OrderState::parse(named), named) {
            (Some(state), _) if state.awaits_payment() => Ok(Self::Open(Open::Payment(state))),
            (Some(state), _) => Ok(Self::Settled(state)),
            (None, "refund_owed") => Ok(Self::Open(Open::Refund)),
            (None, "disputed") => Ok(Self::Open(Open::Dispute)),
            (None, _) => Err(Problem::new(StateInvalid, "this order state does not exist")),
        }
    }

    fn is_of(&self, order: &Order) -> bool {
        match self {
            Self::Settled(state) => order.state == *state,
            Self::Open(open) => open.is_of(order),
        }
    }
}

/// The orders that are looked for; with a state, those of them that are in it.
async fn list_found(
    table: &Table,
    search: &OrderSearch,
    params: &ListParams,
    page: Page,
) -> Result<Json<OrderListResponse>, Problem> {
    let wanted = params.state.as_deref().map(Wanted::parse).transpose()?;
    // A search itself does not print: it may be an e-mail.
    let ListParams { state, day: _, number, email, reference, customer } = params;
    let page = page.of(format_args!("{state:?} {number:?} {email:?} {reference:?} {customer:?}"));
    let found = table.order_search(search, page.limit, page.after()?.as_ref()).await?;
    let items = found.items.iter().filter(|order| wanted.as_ref().is_none_or(|wanted| wanted.is_of(order)));
    let items = items.map(CustomerOrder::from).collect();
    Ok(Json(page.list(&table::Page { items, next: found.next })))
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
