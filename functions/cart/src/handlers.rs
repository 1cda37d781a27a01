use std::collections::BTreeMap;

use api::{
    All, Context, IfMatch, Json, PathId, Problem, RequestKey, SessionAndCart,
    codes::{self, Code},
    idempotency,
};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{Cart, CartError, CartRequest, Invalid, PriceSeen, ProductId, Quantity, RequestCheck};
use http::{HeaderValue, header};
use table::{CartWrite, CartWriteError};

use crate::{
    state::State,
    wire::{AddItemRequest, CartResponse, SetQuantityRequest, ids},
};

/// Attempts before a cart that keeps changing is given up on. An attempt fails only if a line was added, removed or
/// filled up.
const MAX_ATTEMPTS: usize = 10;

api::codes! {
    CartBusy = Code::conflict("cart_busy", "the cart keeps changing; send the request again").retry_after();
    CartFull = Code::unprocessable("cart_full", "a cart has at most 90 lines");
}

/// Returns the cart, with prices and stock of at most two seconds ago.
///
/// Checkout reads both again.
#[utoipa::path(get, path = "/cart", operation_id = "getCart", tag = "cart", security(("session" = [])), responses(
    (status = 200, description = "the cart", body = CartResponse, headers(("ETag"))),
))]
pub async fn get(
    SessionAndCart { cart, .. }: SessionAndCart,
    Extract(state): Extract<State>,
) -> Result<impl IntoResponse, Problem> {
    show(&state, &cart).await
}

/// Adds units of a product to the cart. With an `Idempotency-Key`, a retry adds nothing twice: the cart remembers the
/// last 8 keys.
#[utoipa::path(post, path = "/cart/items", operation_id = "addCartItem", tag = "cart", security(("session" = [])),
    params(
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeated request is answered with the current cart."),
    ),
    request_body = AddItemRequest,
    responses(
        (status = 200, description = "the current cart", body = CartResponse),
        (status = 404, description = "the product does not exist"),
        codes::NotFound,
        CartBusy,
        (status = 412, description = "the cart was changed meanwhile; `cart` is the current one"),
        (status = 422, description = "`quantity_out_of_range`"),
        CartFull,
        codes::CurrencyMismatch,
    ))]
pub async fn add(
    read: SessionAndCart,
    Extract(state): Extract<State>,
    if_match: IfMatch,
    key: Option<RequestKey>,
    Json(request): Json<AddItemRequest>,
) -> Result<Response, Problem> {
    let (product, added) = (request.product_id.parse(), Quantity::new(request.quantity)).all()?;
    let once = key.map(|key| key.cart_request(&request));
    // Before the price: what was added may no longer be sold.
    if let Some(replayed) = replay(&state, &read.cart, once.as_ref()).await? {
        return Ok(replayed);
    }
    let seen = price(&state, &product).await?;

    change(&state, read, &if_match, &Change::Add { product, added, seen, once }).await
}

/// Sets the units of a product in the cart; 0 removes it.
#[utoipa::path(put, path = "/cart/items/{productId}", operation_id = "setCartItem", tag = "cart", security(("session" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = SetQuantityRequest,
    responses(
        (status = 200, description = "the current cart", body = CartResponse),
        codes::NotFound,
        CartBusy,
        (status = 412, description = "the cart was changed meanwhile; `cart` is the current one"),
        (status = 422, description = "`quantity_out_of_range`"),
        CartFull,
        codes::CurrencyMismatch,
    ))]
pub async fn set(
    read: SessionAndCart,
    Extract(state): Extract<State>,
    PathId(product): PathId<ProductId>,
    if_match: IfMatch,
    Json(request): Json<SetQuantityRequest>,
) -> Result<Response, Problem> {
    if request.quantity == 0 {
        return change(&state, read, &if_match, &Change::Remove { product }).await;
    }
    let quantity = Quantity::new(request.quantity)?;
    let seen = price(&state, &product).await?;

    change(&state, read, &if_match, &Change::Set { product, quantity, seen }).await
}

/// Removes a product from the cart. Succeeds if it is not in the cart.
#[utoipa::path(delete, path = "/cart/items/{productId}", operation_id = "removeCartItem", tag = "cart", security(("session" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "the current cart", body = CartResponse),
        CartBusy,
        (status = 412, description = "the cart was changed meanwhile; `cart` is the current one"),
    ))]
pub async fn remove(
    read: SessionAndCart,
    Extract(state): Extract<State>,
    PathId(product): PathId<ProductId>,
    if_match: IfMatch,
) -> Result<Response, Problem> {
    change(&state, read, &if_match, &Change::Remove { product }).await
}

/// Empties the cart.
#[utoipa::path(delete, path = "/cart", operation_id = "clearCart", tag = "cart", security(("session" = [])),
    params(("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "the current cart", body = CartResponse),
        CartBusy,
        (status = 412, description = "the cart was changed meanwhile; `cart` is the current one"),
    ))]
pub async fn clear(
    read: SessionAndCart,
    Extract(state): Extract<State>,
    if_match: IfMatch,
) -> Result<Response, Problem> {
    change(&state, read, &if_match, &Change::Clear).await
}

/// A change of a cart.
enum Change {
    Add { product: ProductId, added: Quantity, seen: PriceSeen, once: Option<CartRequest> },
    Set { product: ProductId, quantity: Quantity, seen: PriceSeen },
    Remove { product: ProductId },
    Clear,
}

impl Change {
    fn once(&self) -> Option<&CartRequest> {
        match self {
            Change::Add { once, .. } => once.as_ref(),
            Change::Set { .. } | Change::Remove { .. } | Change::Clear => None,
        }
    }
}

/// The answer to a request that the cart remembers: the current cart.
async fn replay(state: &State, cart: &Cart, once: Option<&CartRequest>) -> Result<Option<Response>, Problem> {
    match once.map_or(RequestCheck::New, |request| cart.check_request(request)) {
        RequestCheck::New => Ok(None),
        RequestCheck::KeyReused => Err(idempotency::reused()),
        RequestCheck::Repeated => Ok(Some(idempotency::replayed(show(state, cart).await?.into_response()))),
    }
}

enum ChangeError {
    Refused(CartError),
    Table(CartWriteError),
}

impl From<CartError> for ChangeError {
    fn from(error: CartError) -> Self {
        Self::Refused(error)
    }
}

impl From<CartWriteError> for ChangeError {
    fn from(error: CartWriteError) -> Self {
        Self::Table(error)
    }
}

/// Decides and writes; if the cart changed in a way that prevents the write, decides again from the current cart.
async fn change(
    state: &State,
    SessionAndCart { session, cart }: SessionAndCart,
    if_match: &IfMatch,
    change: &Change,
) -> Result<Response, Problem> {
    let mut cart = cart;
    for _ in 0..MAX_ATTEMPTS {
        // A retry first: the version changed because the first request changed the cart.
        if let Some(replayed) = replay(state, &cart, change.once()).await? {
            return Ok(replayed);
        }
        if !if_match.allows(cart.version) {
            return mismatch(state, &cart).await;
        }
        let attempt = CartWrite {
            uid: &session.uid,
            kind: session.kind,
            read: &cart,
            must_match: if_match.names_versions(),
            now: state.context.clock.now(),
        };
        match write(&state.context, attempt, change).await {
            Ok(written) => return Ok(show(state, &written).await?.into_response()),
            Err(ChangeError::Table(CartWriteError::Changed(current))) => cart = current,
            Err(ChangeError::Table(CartWriteError::Store(error))) => return Err(error.into()),
            Err(ChangeError::Refused(refused)) => return Err(refusal(refused)),
        }
    }
    Err(Problem::new(CartBusy, "the cart keeps changing; send the request again"))
}

async fn write(context: &Context, write: CartWrite<'_>, change: &Change) -> Result<Cart, ChangeError> {
    let (table, cart) = (&context.table, write.read);
    match change {
        Change::Add { product, added, seen, once } => {
            let line = cart.add(product, *added, *seen)?;
            Ok(table.cart_line_add(write, product, *added, &line, once.as_ref()).await?)
        }
        Change::Set { product, quantity, seen } => {
            let line = cart.set(product, *quantity, *seen)?;
            Ok(table.cart_line_set(write, product, &line).await?)
        }
        Change::Remove { product } if cart.lines.contains_key(product) => {
            Ok(table.cart_line_remove(write, product).await?)
        }
        Change::Clear if !cart.lines.is_empty() || !cart.left_out.is_empty() => {
            Ok(table.cart_lines_write(write, &BTreeMap::new()).await?)
        }
        // Nothing to remove: the cart is in the requested state already.
        Change::Remove { .. } | Change::Clear => Ok(cart.clone()),
    }
}

fn refusal(refused: CartError) -> Problem {
    match refused {
        CartError::Full => Problem::new(CartFull, refused.to_string()),
        CartError::QuantityOutOfRange => Invalid::new("quantity", "quantity_out_of_range", refused.to_string()).into(),
    }
}

/// 412 with the current cart, so that the client need not read it.
async fn mismatch(state: &State, cart: &Cart) -> Result<Response, Problem> {
    let current = serde_json::to_value(priced(state, cart).await?).map_err(Problem::internal)?;
    let detail = "the cart was changed meanwhile; `cart` is the current one";
    Err(Problem::new(codes::VersionMismatch, detail).with("cart", current))
}

/// The price of a product as it is shown, in the shop's own currency, and the sale that it has or will have.
async fn price(state: &State, product: &ProductId) -> Result<PriceSeen, Problem> {
    let context = &state.context;
    let (page, sales) = tokio::try_join!(state.product(product), context.open_sales())?;
    let page = page.ok_or_else(|| Problem::not_found("product"))?;
    let now = context.clock.now();
    let regular = page.record.product.details.price;
    let price = sales.offer(product, now).map_or(regular, |offer| offer.terms.price);
    if price.currency() != context.policy.currency {
        let detail = format!("this shop charges in {}", context.policy.currency.code());
        return Err(Problem::new(codes::CurrencyMismatch, detail));
    }
    Ok(PriceSeen { price, sale: sales.announced(product, now).map(|announced| announced.sale.id) })
}

async fn priced(state: &State, cart: &Cart) -> Result<CartResponse, Problem> {
    let (context, ids) = (&state.context, ids(cart));
    let (products, sales) = tokio::try_join!(state.products(&ids), context.open_sales())?;
    Ok(CartResponse::new(cart, &products, &sales, context.policy.currency, context.clock.now()))
}

async fn show(state: &State, cart: &Cart) -> Result<impl IntoResponse + use<>, Problem> {
    let etag = HeaderValue::from_str(&format!("\"{}\"", cart.version)).map_err(Problem::internal)?;
    Ok(([(header::ETAG, etag)], axum::Json(priced(state, cart).await?)))
}
