//! Checkout, from a cart to an order: hold the stock, charge, confirm.
//!
//! The order, its stock, the emptied cart and the idempotency record are committed in one transaction before the
//! provider is called, so that there is never a charge without an order. A crash leaves an order that holds its stock
//! until a retry, under the same key or another, a webhook or the sweeper completes it.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    All, Context, Deadline, Invalids, Json, MailLanguage, Problem, Refused as _, RequestKey, Session, SessionAndCart,
    codes::{self, CART_PRODUCTS, Code, FIELD_OF_ERROR, Member, Members, reference, units},
    idempotency, rates,
};
use axum::{extract::State as Extract, response::Response};
use domain::{
    Address, Cart, CartLine, Contact, Language, Money, OpenSales, Order, OrderId, OrderState, PaymentState, PlaceError,
    Placement, Product, ProductId, SessionKind, UserId, VoidReason,
};
use payments::PaymentToken;
use saga::TimeBudget;
use serde_json::json;
use table::{
    CartWrite, CartWriteError, Idempotency, IdempotencyPutError, PriorRequest, ProductPage, REQUEST_RUNNING, Shortage,
};
use utoipa::openapi::{RefOr, Schema};

use crate::{
    address_input::AddressInput,
    amounts::AmountNotChargeable,
    answer::{self, AuthenticationFailed, OrderCancelled, PaymentDeclined, PaymentExpired},
    commit::{Committed, commit},
    problems::{PaymentMissing, payment_missing, saga_problem},
    state::State,
    wire::{OrderResponse, PlaceOrderRequest},
};

pub type CartLines = BTreeMap<ProductId, CartLine>;

const ORDER_IF_ANY: Members =
    Members { schema: "CartEmptyProblem", all: &[Member::sometimes("orderId", || reference("OrderId"))] };

const SALE_LIMIT: Members = Members {
    schema: "SaleLimitProblem",
    all: &[Member::always("productId", || reference("ProductId")), Member::always("limit", units_of_limit)],
};

fn units_of_limit() -> RefOr<Schema> {
    units().into()
}

const TOTAL: Members =
    Members { schema: "PriceChangedProblem", all: &[Member::always("total", || reference("Money"))] };

const FIELD: Members = Members { schema: "CheckoutFieldProblem", all: &[FIELD_OF_ERROR[0]] };

const CLAIMED: Members =
    Members { schema: "OrderClaimedProblem", all: &[Member::always("orderId", || reference("OrderId"))] };

api::codes! {
    AddressRequired = Code::unprocessable("address_required", "the shop ships, and the order has no shipping address")
        .with(&FIELD);
    CartChanged = Code::conflict("cart_changed", "the cart was changed during the checkout; read it again");
    CartEmpty = Code::conflict("cart_empty", "the cart has no lines").with(&ORDER_IF_ANY);
    ContactRequired = Code::unprocessable("contact_required", "a guest has to give an e-mail address").with(&FIELD);
    OrderClaimed = Code::conflict(
        "order_claimed",
        "the order that the key placed belongs to an account now: its customer claimed it; nothing is ordered again",
    )
    .with(&CLAIMED);
    PriceChanged = Code::conflict("price_changed", "the total differs from the expected total").with(&TOTAL);
    ProductNotSold = Code::conflict("product_not_sold", "a product of the cart is no longer sold").with(&CART_PRODUCTS);
    SaleEnded = Code::conflict(
        "sale_ended",
        "the sale is over that a product was in when it was put into the cart; the cart has the current price now",
    )
    .with(&CART_PRODUCTS);
    pub SaleLimitReached = Code::conflict("sale_limit_reached", "the sale allows each customer no more units")
        .with(&SALE_LIMIT);
    pub SaleLinesTooMany = Code::unprocessable(
        "sale_lines_too_many",
        "the cart has more products that are in a sale than one order can have; buy some of them first",
    );
}

/// Places and pays an order for what is in the cart.
#[utoipa::path(post, path = "/orders", operation_id = "placeOrder", tag = "orders", security(("session" = [])),
    params(
        ("Idempotency-Key" = String, Header),
        ("Accept-Language" = Option<String>, Header, description = "The language of the mails about the order: `en` or `de`, by default `en`."),
    ),
    request_body = PlaceOrderRequest,
    responses(
        (status = 201, description = "the order is placed and paid", body = OrderResponse, headers(("Location"))),
        (status = 202, description = "the payment has no outcome yet, and the stock stays held. With `payment.action`, the customer has to authenticate the payment (3-D Secure): carry it out with the provider's script, then call `refreshPayment`. Without it, the provider's answer was lost: the order is `payment_unknown`", body = OrderResponse, headers(("Location"))),
        PaymentDeclined,
        AuthenticationFailed,
        PaymentExpired,
        (status = 404, description = "the address does not exist"),
        codes::NotFound,
        codes::OutOfStock,
        PriceChanged,
        CartEmpty,
        CartChanged,
        ProductNotSold,
        SaleEnded,
        SaleLimitReached,
        SaleLinesTooMany,
        OrderCancelled,
        OrderClaimed,
        codes::IdempotencyInProgress,
        AmountNotChargeable,
        PaymentMissing,
        ContactRequired,
        AddressRequired,
        codes::CurrencyMismatch,
        codes::RateLimited,
    ))]
pub async fn place(
    SessionAndCart { session, cart }: SessionAndCart,
    Extract(state): Extract<State>,
    deadline: Deadline,
    key: RequestKey,
    MailLanguage(language): MailLanguage,
    Json(body): Json<PlaceOrderRequest>,
) -> Result<Response, Problem> {
    let asked = CheckoutInput::parse(&body, language)?;
    let request = key.request(&session.uid, &body);
    let (context, budget) = (&state.context, state.budget(deadline));
    if let Some(prior) = context.table.idempotency_seen(&request).await? {
        return resume(&state, &session.uid, prior, asked.token, budget).await;
    }
    let (mut order, sales) = match prepare(&state, &session, &cart, &asked, budget).await {
        Ok(Prepared::New(order, sales)) => (*order, sales),
        Ok(Prepared::Held(order)) => return take_over(&state, *order, &session, asked, &request, budget).await,
        // A record that was written a moment ago, and was missed: that request has emptied the cart.
        Err(problem) => {
            let prior = context.table.idempotency_get(&request).await?.ok_or(problem)?;
            return resume(&state, &session.uid, prior, asked.token, budget).await;
        }
    };
    let mut committed = commit(&state, &mut order, &sales, &CartLines::new(), &request).await?;
    if matches!(committed, Committed::Short(_)) && release_own_hold(&state, &session.uid, &cart, budget).await? {
        let stays = after_release(context, &session, &mut order).await?;
        committed = commit(&state, &mut order, &sales, &stays, &request).await?;
    }
    match committed {
        Committed::Now => collect_payment(&state, order, asked.token, budget).await,
        Committed::Before(prior) => resume(&state, &session.uid, prior, asked.token, budget).await,
        Committed::Short(shortages) => Err(out_of_stock(&shortages)),
    }
}

/// What a checkout is about.
enum Prepared {
    New(Box<Order>, Arc<OpenSales>),
    /// An order of this cart that waits for its payment.
    Held(Box<Order>),
}

/// Everything of a checkout before something is written, but for its count.
async fn prepare(
    state: &State,
    session: &Session,
    cart: &Cart,
    asked: &CheckoutInput,
    budget: TimeBudget,
) -> Result<Prepared, Problem> {
    let context = &state.context;
    rates::allow(context, |rates| vec![rates.checkout(&session.uid)]).await?;
    // No stock is held if there is no time left to charge.
    budget.for_provider().map_err(saga_problem)?;

    if let Some(held) = held(context, &session.uid, cart).await? {
        return Ok(Prepared::Held(Box::new(held)));
    }
    let sales = context.open_sales().await?;
    let order = order(context, session, cart, asked, &sales).await?;
    asked.can_pay(order.totals.total)?;
    state.chargeable(order.totals.total)?;
    Ok(Prepared::New(Box::new(order), sales))
}

/// The request, parsed.
struct CheckoutInput {
    /// `None` if the total is expected to be zero.
    token: Option<PaymentToken>,
    contact: Option<Contact>,
    language: Language,
    ship_to: Option<AddressInput>,
    bill_to: Option<AddressInput>,
    expected_total: Option<Money>,
}

impl CheckoutInput {
    fn parse(body: &PlaceOrderRequest, language: Language) -> Result<Self, Invalids> {
        let shipping = AddressInput::of(
            body.shipping_address.as_ref(),
            body.shipping_address_id.as_deref(),
            ["shippingAddress", "shippingAddressId"],
        );
        let billing = AddressInput::of(
            body.billing_address.as_ref(),
            body.billing_address_id.as_deref(),
            ["billingAddress", "billingAddressId"],
        );
        let contact = body.contact.as_ref().map(|contact| contact.contact().map_err(|wrong| wrong.within("contact")));
        let (token, contact, ship_to, bill_to, expected_total) = (
            body.payment.as_ref().map(|payment| PaymentToken::parse(&payment.token)).transpose(),
            contact.transpose(),
            shipping,
            billing,
            body.expected_total.as_ref().map(|total| total.total("expectedTotal")).transpose(),
        )
            .all()?;
        Ok(Self { token, contact, language, ship_to, bill_to, expected_total })
    }

    /// # Errors
    /// 422 `payment_missing`, with the total.
    fn can_pay(&self, total: Money) -> Result<(), Problem> {
        match (&self.token, total.amount_minor()) {
            (Some(_), _) | (None, 0) => Ok(()),
            (None, _) => Err(payment_missing().with_money("total", total)),
        }
    }
}

/// The order that the cart would become now.
async fn order(
    context: &Context,
    session: &Session,
    cart: &Cart,
    asked: &CheckoutInput,
    sales: &OpenSales,
) -> Result<Order, Problem> {
    if asked.ship_to.is_none() && context.policy.address_required {
        let detail = "send the address that the order is shipped to";
        return Err(Problem::new(AddressRequired, detail).with("field", "shippingAddress"));
    }
    let (contact, (ship_to, bill_to)) =
        tokio::try_join!(contact(context, session, asked), addresses(context, session, asked))?;
    let now = context.clock.now();
    // Every buyer of a sale would read the same two items.
    let ids: Vec<ProductId> = cart.lines.keys().filter(|id| sales.offer(id, now).is_none()).cloned().collect();
    let pages = context.table.products_get_consistent(&ids).await?;
    let incarnation = |page: &ProductPage| Some((page.record.product.id.clone(), page.incarnation?));
    let incarnations = pages.iter().filter_map(incarnation).collect();
    let products: Vec<Product> = pages.into_iter().map(|page| page.record.product).collect();
    let placement = Placement {
        id: OrderId::try_from(context.clock.uuid_v7())?,
        customer: &session.uid,
        guest: session.kind == SessionKind::Guest,
        cart,
        products: &products,
        incarnations: &incarnations,
        sales,
        currency: context.policy.currency,
        adjustments: &[],
        expected_total: asked.expected_total,
        contact: Some(contact),
        language: asked.language,
        ship_to,
        bill_to,
        hold: context.policy.hold,
        now,
    };
    match Order::place(placement) {
        Ok(order) => Ok(order),
        Err(PlaceError::SaleEnded { products }) => Err(sale_ended(context, session, cart, products).await?),
        Err(error) => Err(place_problem(error)),
    }
}

/// Lines of a sale that is over are lines at the current price from now on, so that the next checkout buys them. The cart
/// shows that price.
async fn sale_ended(
    context: &Context,
    session: &Session,
    cart: &Cart,
    products: Vec<ProductId>,
) -> Result<Problem, Problem> {
    let mut lines = cart.lines.clone();
    for product in &products {
        lines.entry(product.clone()).and_modify(|line| line.sale = None);
    }
    let (kind, now) = (session.kind, context.clock.now());
    let write = CartWrite { uid: &session.uid, kind, read: cart, must_match: true, now };
    match context.table.cart_lines_write(write, &lines).await {
        // A change of the cart has looked at its sales again.
        Ok(_) | Err(CartWriteError::Changed(_)) => Ok(place_problem(PlaceError::SaleEnded { products })),
        Err(CartWriteError::Store(error)) => Err(error.into()),
    }
}

/// The contact that was sent; without one, the customer's profile as it is now.
///
/// # Errors
/// 422 `contact_required` for a guest, who has no profile.
async fn contact(context: &Context, session: &Session, asked: &CheckoutInput) -> Result<Contact, Problem> {
    if let Some(contact) = &asked.contact {
        return Ok(contact.clone());
    }
    let customer = match session.kind {
        SessionKind::Guest => None,
        SessionKind::Customer => context.table.customer_contact(&session.uid).await?,
    };
    let contact = customer.map(|customer| Contact { email: customer.email, name: Some(customer.name), phone: None });
    contact.ok_or_else(|| {
        let detail = "send the e-mail address that the order is confirmed to";
        Problem::new(ContactRequired, detail).with("field", "contact")
    })
}

/// The addresses that an order is shipped to and, if it is another one, billed to, as they are now.
async fn addresses(
    context: &Context,
    session: &Session,
    asked: &CheckoutInput,
) -> Result<(Option<Address>, Option<Address>), Problem> {
    let (ship_to, bill_to) = tokio::try_join!(
        address(context, &session.uid, asked.ship_to.as_ref()),
        address(context, &session.uid, asked.bill_to.as_ref()),
    )?;
    let bill_to = bill_to.filter(|bill_to| ship_to.as_ref() != Some(bill_to));
    Ok((ship_to, bill_to))
}

async fn address(context: &Context, uid: &UserId, asked: Option<&AddressInput>) -> Result<Option<Address>, Problem> {
    match asked {
        None => Ok(None),
        Some(AddressInput::Sent(address)) => Ok(Some(address.clone())),
        Some(AddressInput::Saved(id)) => {
            let address = context.table.address_get(uid, id).await?;
            address.map(Some).ok_or_else(|| Problem::not_found("address"))
        }
    }
}

/// A key seen before: repeats the first answer, or continues the first request if it did not finish.
async fn resume(
    state: &State,
    uid: &UserId,
    prior: PriorRequest,
    token: Option<PaymentToken>,
    budget: TimeBudget,
) -> Result<Response, Problem> {
    let prior = idempotency::same_request(prior)?;
    let context = &state.context;
    let attempt = Attempt::parse(&prior.outcome)?;
    let Some(order) = context.table.order_get_consistent(uid, attempt.order).await? else {
        return Err(match context.table.order_get_for_shop(attempt.order).await? {
            // Its contact has claimed it.
            Some(_) => Problem::new(OrderClaimed, "the order that this key placed belongs to an account now")
                .with("orderId", attempt.order.to_string()),
            None => Problem::internal(format!("order {} of an idempotency record is gone", attempt.order)),
        });
    };
    if let Some(first) = order.as_of_payment_outcome() {
        return Ok(idempotency::replayed(answer::checkout(&first)));
    }
    if order.failed_challenges() > attempt.failed_before {
        return Err(answer::authentication_failed(&order));
    }
    // The request that lost the provider's answer, or passed the bank's question on, has ended.
    if order.payment.state == PaymentState::Pending && context.clock.now() < prior.running_until {
        return Err(idempotency::in_progress(context, &prior));
    }
    rates::allow(context, |rates| vec![rates.checkout(uid)]).await?;
    go_on(state, order, attempt, token, budget).await
}

/// One of the attempts to pay for an order, as the idempotency record of its key has it: the order's id, and how many
/// authentications had failed before if any had.
#[derive(Clone, Copy)]
struct Attempt {
    order: OrderId,
    failed_before: u32,
}

impl Attempt {
    fn next(order: &Order) -> Self {
        Self { order: order.id, failed_before: order.failed_challenges() }
    }

    fn outcome(self) -> String {
        match self.failed_before {
            0 => self.order.to_string(),
            failed => format!("{} {failed}", self.order),
        }
    }

    fn parse(outcome: &str) -> Result<Self, Problem> {
        let (order, failed) = outcome.split_once(' ').unwrap_or((outcome, "0"));
        let order = order.parse().map_err(Problem::internal)?;
        Ok(Self { order, failed_before: failed.parse().map_err(Problem::internal)? })
    }
}

/// The order that emptied this cart, if its payment has no outcome and no request is working on it: a customer who lost
/// the answer and retries under another key means that order, and its hold must not be in their way.
async fn held(context: &Context, uid: &UserId, cart: &Cart) -> Result<Option<Order>, Problem> {
    if !cart.lines.is_empty() {
        return Ok(None);
    }
    // The request that passed the bank's question on has ended.
    let left = |order: &Order| order.challenges() > 0 || is_left(context, order);
    Ok(unpaid(context, uid, cart).await?.filter(left))
}

/// A customer who fills the cart again has given up the order they left unpaid: the units it holds are theirs to buy.
/// Returns whether the order was released.
async fn release_own_hold(state: &State, uid: &UserId, cart: &Cart, budget: TimeBudget) -> Result<bool, Problem> {
    let order = unpaid(&state.context, uid, cart).await?.filter(|order| is_left(&state.context, order));
    let Some(order) = order else { return Ok(false) };
    let closed = state.saga.close(order, VoidReason::Replaced, budget, state.context.clock.now());
    Ok(!closed.await.map_err(saga_problem)?.state.awaits_payment())
}

/// The cart now also has what the released order held and it did not have. That stays there; only what the cart had
/// before is bought.
async fn after_release(context: &Context, session: &Session, order: &mut Order) -> Result<CartLines, Problem> {
    let read = context.table.session_and_cart_get(&session.uid, &session.id).await?;
    let cart = read.map(|read| read.cart).ok_or_else(cart_changed)?;
    order.cart_version = cart.version;
    cart.without(&order.cart_lines()).ok_or_else(cart_changed)
}

/// The order that emptied this cart last, if its payment has no outcome.
async fn unpaid(context: &Context, uid: &UserId, cart: &Cart) -> Result<Option<Order>, Problem> {
    let Some(id) = cart.placed else { return Ok(None) };
    let order = context.table.order_get_consistent(uid, id).await?;
    Ok(order.filter(|order| order.state.awaits_payment()))
}

/// Whether no request is working on its payment.
fn is_left(context: &Context, order: &Order) -> bool {
    context.clock.now() >= order.placed_at() + REQUEST_RUNNING || order.state == OrderState::PaymentUnknown
}

/// Pays for an order that was placed under another key.
async fn take_over(
    state: &State,
    order: Order,
    session: &Session,
    asked: CheckoutInput,
    request: &Idempotency,
    budget: TimeBudget,
) -> Result<Response, Problem> {
    let context = &state.context;
    if asked.expected_total.is_some_and(|expected| expected != order.totals.total) {
        return Err(place_problem(PlaceError::PriceChanged { total: order.totals.total }));
    }
    let same_contact = asked.contact.is_none() || asked.contact == order.contact;
    let (ship_to, bill_to) = addresses(context, session, &asked).await?;
    if !same_contact || ship_to != order.ship_to || bill_to != order.bill_to {
        let detail = "an unpaid order of this cart has another address or contact";
        return Err(Problem::new(CartEmpty, detail).with("orderId", order.id.to_string()));
    }
    asked.can_pay(order.totals.total)?;
    // If the last attempt's authentication has failed, this is the next attempt, and not a repetition of that one.
    let order = match order.payment.state {
        PaymentState::ActionRequired => {
            state.saga.refresh(order, budget, context.clock.now()).await.map_err(saga_problem)?.order
        }
        PaymentState::Pending
        | PaymentState::Unknown
        | PaymentState::Captured
        | PaymentState::Declined
        | PaymentState::Voided => order,
    };
    let attempt = Attempt::next(&order);
    match context.table.idempotency_put(request, &attempt.outcome(), context.clock.now()).await {
        Ok(()) => go_on(state, order, attempt, asked.token, budget).await,
        Err(IdempotencyPutError::Repeated(prior)) => {
            let uid = order.customer.clone();
            resume(state, &uid, prior, asked.token, budget).await
        }
        Err(IdempotencyPutError::Store(error)) => Err(error.into()),
    }
}

/// Charges, and answers with the outcome.
async fn collect_payment(
    state: &State,
    order: Order,
    token: Option<PaymentToken>,
    budget: TimeBudget,
) -> Result<Response, Problem> {
    let charged = state.saga.charge(order, token, budget, state.context.clock.now());
    Ok(answer::charged(state, &charged.await.map_err(saga_problem)?))
}

/// Continues an attempt to pay. While the customer is asked, the answer is the question, whatever the token.
async fn go_on(
    state: &State,
    order: Order,
    attempt: Attempt,
    token: Option<PaymentToken>,
    budget: TimeBudget,
) -> Result<Response, Problem> {
    let resumed = state.saga.resume(order, token, attempt.failed_before, budget, state.context.clock.now());
    let charged = resumed.await.map_err(saga_problem)?;
    let order = &charged.order;
    match order.state.awaits_payment() && order.failed_challenges() > attempt.failed_before {
        true => Err(answer::authentication_failed(order)),
        false => Ok(answer::charged(state, &charged)),
    }
}

pub fn cart_changed() -> Problem {
    Problem::new(CartChanged, "the cart was changed meanwhile; read it again")
}

fn place_problem(error: PlaceError) -> Problem {
    let detail = error.to_string();
    let ids = |products: Vec<ProductId>| -> Vec<String> { products.iter().map(ProductId::to_string).collect() };
    match error {
        PlaceError::CartEmpty => Problem::new(CartEmpty, detail),
        PlaceError::CurrencyMismatch { products } => {
            Problem::new(codes::CurrencyMismatch, detail).with("products", ids(products))
        }
        PlaceError::NotSold { products } => Problem::new(ProductNotSold, detail).with("products", ids(products)),
        PlaceError::PriceChanged { total } => Problem::new(PriceChanged, detail).with_money("total", total),
        PlaceError::SaleEnded { products } => Problem::new(SaleEnded, detail).with("products", ids(products)),
        PlaceError::SaleLimit { product, limit } => {
            Problem::new(SaleLimitReached, detail).with("productId", product.as_str()).with("limit", limit.units())
        }
    }
}

fn out_of_stock(shortages: &[Shortage]) -> Problem {
    let products: Vec<_> =
        shortages.iter().map(|s| json!({"productId": s.product.as_str(), "available": s.available})).collect();
    Problem::new(codes::OutOfStock, "fewer units are in stock than the cart has").with("products", products)
}
