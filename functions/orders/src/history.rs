//! A customer's own orders.

use api::{Page, PathId, Problem, Session, codes};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::OrderId;

use crate::{
    state::State,
    target::{OrderLinkInvalid, Requester},
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

/// Returns one of the customer's orders, or the one that the token of the link in a mail is for. Every other order is not
/// found.
#[utoipa::path(get, path = "/orders/{orderId}", operation_id = "getOrder", tag = "orders", security(("session" = []), ("orderToken" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order", body = OrderResponse),
        OrderLinkInvalid,
        codes::NotFound,
    ))]
pub async fn get(
    by: Requester,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
) -> Result<impl IntoResponse, Problem> {
    let order = match &by {
        Requester::Customer(customer) => {
            let found = state.context.table.order_get(customer, id).await?;
            found.ok_or_else(|| Problem::not_found("order"))?
        }
        Requester::LinkHolder(_) | Requester::Staff => by.order(&state, id).await?,
    };
    Ok(Json(OrderResponse::from(&order)))
}
