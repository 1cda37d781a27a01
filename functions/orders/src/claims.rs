//! Orders that a customer placed as a guest, before they had an account or without logging in.
//!
//! They are the customer's who reads the mail of the order's contact. A verified e-mail is not enough for that: the owner of
//! an address may have confirmed it for a stranger who registered it, and that stranger would get the owner's orders.

use api::{NoBody, Page, PathId, Problem, Session, codes, codes::Code};
use axum::{Json, extract::State as Extract};
use domain::{Customer, Order, OrderId};
use table::{CustomerOrder, OrderSearch, error_chain, keys};

use crate::{
    idempotent::ROUNDS,
    problems::saga_problem,
    state::State,
    wire::{OrderListResponse, OrderResponse},
};

api::codes! {
    EmailNotProven = Code::forbidden(
        "email_not_proven",
        "the customer has to show that they read the account's e-mail: request a verification, and open its link while logged in",
    );
}

/// Lists the guests' orders that were placed with the customer's e-mail and that no account has, newest first. A page may
/// be short or empty although another one follows.
#[utoipa::path(get, path = "/users/me/claimable-orders", operation_id = "listClaimableOrders", tag = "orders", security(("session" = [])), params(Page), responses(
    (status = 200, description = "a page of orders", body = OrderListResponse),
    EmailNotProven,
    codes::Guest,
))]
pub async fn list(
    session: Session,
    Extract(state): Extract<State>,
    page: Page,
) -> Result<Json<OrderListResponse>, Problem> {
    let table = &state.context.table;
    let customer = customer(&state, &session).await?;
    let page = page.of(format_args!("claimable by {} as {}", session.uid, keys::order_contact_pk(&customer.email)));
    let search = OrderSearch::Email(customer.email);
    let found = table.order_search(&search, page.limit, page.after()?.as_ref()).await?;
    let bought = found.items.into_iter().filter(Order::was_confirmed).collect();
    let orders = table.orders_of_guests(bought).await?;
    let items = orders.iter().map(CustomerOrder::from).collect();
    Ok(Json(page.list(&table::Page { items, next: found.next })))
}

/// Makes one of these orders the customer's. Repeated, it changes nothing.
#[utoipa::path(post, path = "/users/me/claimable-orders/{orderId}/claim", operation_id = "claimOrder", tag = "orders", security(("session" = [])),
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "the order, which is the customer's", body = OrderResponse),
        EmailNotProven,
        codes::Guest,
        codes::NotFound,
        NoBody,
    ))]
pub async fn claim(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<OrderId>,
    _: NoBody,
) -> Result<Json<OrderResponse>, Problem> {
    let (table, now) = (&state.context.table, state.context.clock.now());
    let not_found = || Problem::not_found("order");
    let customer = customer(&state, &session).await?;
    for _ in 0..ROUNDS {
        let order = table.order_get_for_shop(id).await?.ok_or_else(not_found)?;
        if order.customer == session.uid {
            return Ok(Json(OrderResponse::from(&order)));
        }
        let claimable = vec![order].into_iter().filter(|order| is_with_email_of(order, &customer)).collect();
        let order = table.orders_of_guests(claimable).await?.pop().ok_or_else(not_found)?;
        let moved = order.claim(&order.customer, &session.uid, now).ok_or_else(not_found)?;
        if table.order_claim(&moved.order, &order.customer).await? {
            state.saga.project(&moved.order).await;
            // The stream does it as well.
            if let Err(error) = table.order_list_entry_delete(&order.customer, id).await {
                tracing::warn!(order = %id, cause = error_chain(&error), "a claimed order is still in its guest's list");
            }
            return Ok(Json(OrderResponse::from(&moved.order)));
        }
    }
    Err(saga_problem(saga::SagaError::Contended))
}

/// The customer, who has shown that they read the mail of their address.
async fn customer(state: &State, session: &Session) -> Result<Customer, Problem> {
    let customer = state.context.table.customer_get(&session.uid).await?;
    let customer = customer.ok_or_else(|| Problem::new(codes::Guest, "register first"))?;
    let detail = "open the link that POST /users/me/verification mails, while you are logged in";
    customer.email_owned.then_some(customer).ok_or_else(|| Problem::new(EmailNotProven, detail))
}

fn is_with_email_of(order: &Order, customer: &Customer) -> bool {
    let contact = order.contact.as_ref().map(|contact| keys::order_contact_pk(&contact.email));
    order.was_confirmed() && contact == Some(keys::order_contact_pk(&customer.email))
}
