//! From a cart to an order: hold, charge, confirm.
//!
//! The order, its stock, the emptied cart and the idempotency record are committed in one transaction before the
//! provider is asked, so that there is never a charge without an order. What a crash leaves behind is an order that
//! holds its stock until somebody settles it: a retry under the same key, or the sweeper.

use api::{Context, Json, Problem, RequestKey, SessionAndCart, idempotency, rates, wire::ProblemDetails};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{
    Address, AddressId, Cart, Invalid, Money, Order, OrderId, OrderState, PlaceError, Placement, Product, ProductId,
    StockEffect, TransitionError, UserId,
};
use http::{StatusCode, header};
use payments::{AnswerLost, Charge, ChargeOutcome, PaymentToken};
use serde_json::json;
use table::{Idempotency, OrderTransitionError, PlaceOrderError, PriorRequest, Shortage, StoreError};

use crate::{
    State,
    wire::{OrderResponse, PlaceOrderRequest},
};

const ROUTE: &str = "POST /orders";

/// Buys what is in the cart.
#[utoipa::path(post, path = "/orders", tag = "orders", security(("session" = [])),
    params(("Idempotency-Key" = String, Header, description = "16 to 64 characters; a retry with the same one buys nothing twice")),
    request_body = PlaceOrderRequest,
    responses(
        (status = 201, body = OrderResponse),
        (status = 202, description = "the provider's answer was lost: `payment_unknown`, the stock stays held", body = OrderResponse),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 402, description = "`payment_declined`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`out_of_stock`, `price_changed`, `cart_empty`, `cart_changed`, `product_not_sold`, `idempotency_in_progress`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 429, body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn place(
    SessionAndCart { session, cart }: SessionAndCart,
    Extract(state): Extract<State>,
    key: RequestKey,
    Json(body): Json<PlaceOrderRequest>,
) -> Result<Response, Problem> {
    let asked = Asked::parse(&body)?;
    let request = key.request(&session.uid, ROUTE, &body);
    let context = &state.context;
    if let Some(prior) = context.table.idempotency_get(&request).await? {
        return resume(&state, &session.uid, prior, asked.token).await;
    }
    rates::allow(context, |rates| vec![rates.checkout(&session.uid)]).await?;

    let order = order(context, &session.uid, &cart, &asked).await?;
    match commit(context, &order, &cart, &request).await? {
        Committed::Now => settle(&state, order, asked.token, Some(&cart)).await,
        Committed::Before(prior) => resume(&state, &session.uid, prior, asked.token).await,
    }
}

/// The body, parsed.
struct Asked {
    token: PaymentToken,
    ship_to: Option<AddressId>,
    expected_total: Option<Money>,
}

impl Asked {
    fn parse(body: &PlaceOrderRequest) -> Result<Self, Invalid> {
        Ok(Self {
            token: PaymentToken::parse(&body.payment.token)?,
            ship_to: body.shipping_address_id.as_deref().map(str::parse).transpose()?,
            expected_total: body.expected_total.as_ref().map(api::wire::Money::total).transpose()?,
        })
    }
}

/// The order the cart would be at this moment.
async fn order(context: &Context, uid: &UserId, cart: &Cart, asked: &Asked) -> Result<Order, Problem> {
    let ids: Vec<ProductId> = cart.lines.keys().cloned().collect();
    let pages = context.table.products_get_consistent(&ids).await?;
    let products: Vec<Product> = pages.into_iter().map(|page| page.record.product).collect();
    let ship_to = address(context, uid, asked.ship_to.as_ref()).await?;
    let placement = Placement {
        id: OrderId::try_from(context.clock.uuid_v7())?,
        customer: uid,
        cart,
        products: &products,
        currency: context.policy.currency,
        expected_total: asked.expected_total,
        ship_to,
        now: context.clock.now(),
    };
    Order::place(placement).map_err(place_problem)
}

async fn address(context: &Context, uid: &UserId, id: Option<&AddressId>) -> Result<Option<Address>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let address = context.table.address_get(uid, id).await?;
    address.map(Some).ok_or_else(|| Problem::not_found("address"))
}

enum Committed {
    Now,
    /// Another request under the same key was first.
    Before(PriorRequest),
}

async fn commit(context: &Context, order: &Order, cart: &Cart, request: &Idempotency) -> Result<Committed, Problem> {
    match context.table.order_place(order, cart, request, context.clock.now()).await {
        Ok(()) => Ok(Committed::Now),
        Err(PlaceOrderError::Repeated(prior)) => Ok(Committed::by(prior, order)),
        Err(PlaceOrderError::OutOfStock(shortages)) => refused(context, order, request, out_of_stock(&shortages)).await,
        Err(PlaceOrderError::CartChanged) => {
            let changed = Problem::conflict("cart_changed", "the cart was changed meanwhile; look at it again");
            refused(context, order, request, changed).await
        }
        // Committed or not: the idempotency record, being part of it, tells.
        Err(PlaceOrderError::Store(error @ StoreError::AnswerLost(_))) => {
            refused(context, order, request, error.into()).await
        }
        Err(PlaceOrderError::Store(error)) => Err(error.into()),
    }
}

impl Committed {
    /// Whose the record is tells who committed: an earlier attempt of this very request may have.
    fn by(record: PriorRequest, order: &Order) -> Self {
        if record.outcome == order.id.to_string() { Self::Now } else { Self::Before(record) }
    }
}

/// What refused this request may be what the same request did a moment before: then that one's answer counts.
async fn refused(
    context: &Context,
    order: &Order,
    request: &Idempotency,
    problem: Problem,
) -> Result<Committed, Problem> {
    let record = context.table.idempotency_get(request).await?;
    record.map(|record| Committed::by(record, order)).ok_or(problem)
}

/// A key seen before: the first answer again, or, where the first request never got to one, on from where it stopped.
async fn resume(state: &State, uid: &UserId, prior: PriorRequest, token: PaymentToken) -> Result<Response, Problem> {
    let prior = idempotency::same_request(prior)?;
    let context = &state.context;
    let id: OrderId = prior.outcome.parse().map_err(Problem::internal)?;
    let found = context.table.order_get_consistent(uid, id).await?;
    let order = found.ok_or_else(|| Problem::internal(format!("order {id} of an idempotency record is gone")))?;
    if let Some(first) = order.as_first_answered() {
        let mut response = answer(&first);
        response.headers_mut().insert(idempotency::REPLAYED, http::HeaderValue::from_static("true"));
        return Ok(response);
    }
    if context.clock.now() < prior.running_until {
        return Err(idempotency::in_progress(context, &prior));
    }
    settle(state, order, token, None).await
}

/// Charges, and moves the order to where the outcome puts it. `cart` is what a declined customer gets back.
async fn settle(state: &State, order: Order, token: PaymentToken, cart: Option<&Cart>) -> Result<Response, Problem> {
    let (table, now) = (&state.context.table, state.context.clock.now());
    let charge = Charge { order: order.id, amount: order.totals.total, token };
    let outcome = state.payments.charge(&charge).await;

    let moved = match outcome {
        Ok(ChargeOutcome::Captured { reference }) => order.confirm(&reference, now),
        Ok(ChargeOutcome::Declined) => order.decline(now),
        Err(AnswerLost) => order.payment_lost(now),
    };
    let (settled, effect) = match moved {
        Ok(Some(moved)) => moved,
        Ok(None) => (order.clone(), StockEffect::None),
        Err(error @ TransitionError { .. }) => return Err(Problem::internal(error)),
    };
    match table.order_transition(&settled, effect, cart).await {
        Ok(()) => {}
        Err(OrderTransitionError::Changed) => return settled_elsewhere(state, &order).await,
        Err(OrderTransitionError::Store(error)) => return Err(error.into()),
    }
    project(state, &settled).await;
    Ok(answer(&settled))
}

/// Somebody else settled the order while this request charged it; the provider charged once, so their answer is ours.
async fn settled_elsewhere(state: &State, order: &Order) -> Result<Response, Problem> {
    let found = state.context.table.order_get_consistent(&order.customer, order.id).await?;
    let stored = found.ok_or_else(|| Problem::internal(format!("order {} is gone", order.id)))?;
    // Whoever settled it may have died before projecting it.
    project(state, &stored).await;
    let first = stored.as_first_answered();
    first.map(|order| answer(&order)).ok_or_else(|| Problem::internal("an order went back to having no outcome"))
}

/// Reading one's own write is a courtesy: the stream repairs what is missing, so a failure is not the order's.
async fn project(state: &State, order: &Order) {
    if let Err(error) = state.context.table.order_project(order).await {
        tracing::warn!(order = %order.id, %error, "projection left to the stream");
    }
}

fn answer(order: &Order) -> Response {
    let status = match order.state {
        OrderState::Cancelled => {
            return Problem::new(StatusCode::PAYMENT_REQUIRED, "payment_declined", "the payment was declined")
                .with("orderId", order.id.to_string())
                .into_response();
        }
        OrderState::PaymentUnknown => StatusCode::ACCEPTED,
        _ => StatusCode::CREATED,
    };
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    (status, location, axum::Json(OrderResponse::from(order))).into_response()
}

fn place_problem(error: PlaceError) -> Problem {
    let detail = error.to_string();
    let ids = |products: Vec<ProductId>| -> Vec<String> { products.iter().map(ProductId::to_string).collect() };
    match error {
        PlaceError::CartEmpty => Problem::conflict("cart_empty", detail),
        PlaceError::CurrencyMismatch { products } => {
            Problem::unprocessable("currency_mismatch", detail).with("products", ids(products))
        }
        PlaceError::NotSold { products } => {
            Problem::conflict("product_not_sold", detail).with("products", ids(products))
        }
        PlaceError::PriceChanged { total } => Problem::conflict("price_changed", detail).with_money("total", total),
    }
}

fn out_of_stock(shortages: &[Shortage]) -> Problem {
    let products: Vec<_> =
        shortages.iter().map(|s| json!({"productId": s.product.as_str(), "available": s.available})).collect();
    Problem::conflict("out_of_stock", "less is left than the cart holds").with("products", products)
}
