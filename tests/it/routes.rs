//! Every route of the OpenAPI document, called without a session, by a guest, by another customer and by an admin.

use std::collections::BTreeSet;

use domain::{CategoryPath, CategoryRename, CategoryRenameId, Currency, Money, Sale, SaleRequest, SaleTerms, UserId};
use e2e::{Answer, PASSWORD, Shop, Shopper, usd};
use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use table::Idempotency;

/// The body for each route that takes one.
pub fn bodies() -> Vec<(&'static str, Value)> {
    let product = json!({"name": "Pan", "category": ["Kitchen"], "price": usd(100)});
    let address = json!({"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"});
    vec![
        ("POST /admin/products", product.clone()),
        ("PUT /admin/products/{productId}", product.clone()),
        ("PATCH /admin/products/{productId}", json!({"name": "Pot"})),
        ("POST /admin/products/batch", json!({"items": [product]})),
        ("PUT /admin/products/{productId}/description", json!("<p>A mug.</p>")),
        ("POST /admin/products/{productId}/stock", json!({"delta": 1, "reason": "restock"})),
        (
            "POST /admin/sales",
            json!({
                "productId": "mug", "price": usd(500), "units": 2,
                "startsAt": "2190-01-01T09:00:00Z", "endsAt": "2190-01-01T10:00:00Z",
            }),
        ),
        ("PATCH /admin/sales/{saleId}", json!({"price": usd(400)})),
        ("POST /admin/categories/renames", json!({"from": "Attic", "to": "Loft"})),
        ("POST /users", json!({"email": "new@example.com", "password": "correct horse", "name": "New"})),
        ("POST /sessions", json!({"email": "nobody@example.com", "password": "correct horse"})),
        ("POST /passwords/reset", json!({"email": "nobody@example.com"})),
        ("POST /passwords/reset/confirm", json!({"token": "ann.1", "newPassword": "correct horse"})),
        ("POST /users/verify", json!({"token": "ann.1"})),
        ("POST /users/me/email", json!({"email": "other@example.com", "currentPassword": PASSWORD})),
        ("POST /users/email/confirm", json!({"token": "ann.1"})),
        ("PATCH /users/me", json!({"name": "Anna"})),
        ("POST /users/me/addresses", address.clone()),
        ("PUT /users/me/addresses/{addressId}", address.clone()),
        ("POST /cart/items", json!({"productId": "mug", "quantity": 1})),
        ("PUT /cart/items/{productId}", json!({"quantity": 1})),
        (
            "POST /orders",
            json!({
                "payment": {"token": "tok_visa"},
                "contact": {"email": "guest@example.com"},
                "shippingAddress": address,
            }),
        ),
        ("POST /orders/lookup", json!({"number": "7K3QX-94M2A", "email": "nobody@example.com"})),
        ("POST /admin/orders/{orderId}/ship", json!({"carrier": "DHL", "trackingNumber": "JJD 0003"})),
        ("POST /admin/orders/{orderId}/refund", json!({"amount": usd(1)})),
        ("POST /payments/webhooks/{provider}", json!({})),
    ]
}

const NOT_OF_GUESTS: [&str; 5] = [
    "PATCH /users/me",
    "POST /users/me/email",
    "POST /users/me/verification",
    "GET /users/me/claimable-orders",
    "POST /users/me/claimable-orders/{orderId}/claim",
];

/// What the links in mails do.
pub const LINKED: [&str; 3] = ["POST /passwords/reset/confirm", "POST /users/verify", "POST /users/email/confirm"];

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Access {
    Public,
    Session,
    Admin,
}

#[tokio::test]
async fn every_documented_body_is_in_this_test_and_every_row_is_documented() {
    let shop = Shop::open().await;
    let document = serde_json::to_value(&*shop.stack.openapi).unwrap();

    let documented: BTreeSet<String> = routes(&shop)
        .into_iter()
        .map(|(route, _)| route)
        .filter(|route| {
            let (method, path) = route.split_once(' ').unwrap();
            document["paths"][path][method.to_lowercase()].get("requestBody").is_some()
        })
        .collect();

    let tested: BTreeSet<String> = bodies().into_iter().map(|(route, _)| route.to_owned()).collect();
    assert_eq!(documented, tested, "add the body to `bodies` in tests/it/routes.rs, or to the route's #[utoipa::path]");
}

#[tokio::test]
async fn each_route_answers_each_caller_as_its_security_says() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    shop.run_indexer().await;
    for (route, access) in routes(&shop) {
        for (who, caller) in callers(&shop).await {
            let thing = Things::of_owner(&shop).await;

            let answer = ask(&caller, &route, &thing).await;

            let code = if answer.status() >= 400 { answer.code() } else { String::new() };
            let is_documented = is_documented(&shop, &route, answer.status(), &code);
            assert!(is_documented, "{route} answers {} {code}: name it among its `responses`", answer.status());
            let context = format!("{who} asks {route} ({access:?}): {} {code}", answer.status());
            match (access, who) {
                (Access::Session | Access::Admin, "stranger") => assert_eq!(code, "session_missing", "{context}"),
                (Access::Admin, "guest" | "customer") => assert_eq!(code, "admin_required", "{context}"),
                // What belongs to a customer is not found by anybody else, including an admin.
                (Access::Session, _) if is_owned(&route) => assert_eq!(answer.status(), 404, "{context}"),
                (Access::Session, "guest") if NOT_OF_GUESTS.contains(&route.as_str()) => {
                    assert_eq!(code, "guest", "{context}")
                }
                // They have not opened a link that was mailed.
                (Access::Session, "customer") if route.contains("/claimable-orders") => {
                    assert_eq!(code, "email_not_proven", "{context}")
                }
                (Access::Session, _) if route.ends_with("/claim") => assert_eq!(code, "not_found", "{context}"),
                // The password in the body is the customers'.
                (Access::Session, "admin") if route == "POST /users/me/email" => {
                    assert_eq!(code, "credentials_invalid", "{context}")
                }
                // The token in the body was never issued.
                (Access::Public, _) if LINKED.contains(&route.as_str()) => {
                    assert_eq!(code, "link_invalid", "{context}")
                }
                // The admin is the same throughout, and has put a mug in the cart by now.
                (Access::Session, "guest" | "customer") if route == "POST /orders" => {
                    assert_eq!(code, "cart_empty", "{context}")
                }
                (Access::Public, _) if route == "POST /sessions" => {
                    assert_eq!(code, "credentials_invalid", "{context}")
                }
                (Access::Public, _) if route.starts_with("POST /payments/") => {
                    assert_eq!(code, "event_refused", "{context}")
                }
                // It is not shipped yet.
                (Access::Admin, "admin") if route.ends_with("/deliver") => {
                    assert_eq!(code, "order_state_conflict", "{context}")
                }
                _ => assert!(answer.status() < 300 || code == "registration_refused", "{context}"),
            }
        }
    }
}

/// The link of an order opens what the document names for it, and nothing else.
#[tokio::test]
async fn the_token_of_an_order_opens_the_routes_that_say_so_and_no_other() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let document = serde_json::to_value(&*shop.stack.openapi).unwrap();
    let (mut opened, thing) = (Vec::new(), Things::of_owner(&shop).await);
    for (route, access) in routes(&shop) {
        let request = request(&shop.stranger(), &route, &thing);

        let answer = shop.stranger().send(request.header("order-token", shop.order_token(&thing.order))).await;

        let (method, path) = route.split_once(' ').unwrap();
        let security = document["paths"][path][method.to_lowercase()]["security"].as_array().cloned();
        let takes_it = security.into_iter().flatten().any(|scheme| scheme.get("orderToken").is_some());
        match (takes_it, access) {
            (true, _) => {
                assert!(answer.status() < 300, "{route}: {} {}", answer.status(), answer.text());
                opened.push(route);
            }
            (false, Access::Session | Access::Admin) => assert_eq!(answer.code(), "session_missing", "{route}"),
            // It is not looked at.
            (false, Access::Public) => {
                assert!(answer.status() < 400 || answer.code() != "order_link_invalid", "{route}")
            }
        }
    }
    assert_eq!(opened, ["GET /orders/{orderId}", "POST /orders/{orderId}/cancel"]);
}

#[tokio::test]
async fn the_owner_gets_what_others_do_not() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    for (route, _) in routes(&shop).into_iter().filter(|(route, _)| is_owned(route)) {
        let thing = Things::of_owner(&shop).await;

        let answer = ask(&thing.owner, &route, &thing).await;

        assert!(answer.status() < 300, "{route}: {}", answer.status());
    }
}

/// Records of earlier requests are stored under these names: one that changes makes a retry a new request.
#[tokio::test]
async fn a_key_is_stored_with_the_method_and_the_path_of_its_route() {
    const STORED: [&str; 8] = [
        "POST /admin/orders/{orderId}/deliver",
        "POST /admin/orders/{orderId}/refund",
        "POST /admin/orders/{orderId}/ship",
        "POST /admin/products",
        "POST /admin/products/{productId}/stock",
        "POST /admin/sales",
        "POST /orders",
        "POST /orders/{orderId}/cancel",
    ];
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let (admin, sent, cancelled) = (shop.admin().await, Things::of_owner(&shop).await, Things::of_owner(&shop).await);

    for route in [STORED[2], STORED[0], STORED[1], STORED[3], STORED[4]] {
        assert!(ask(&admin, route, &sent).await.status() < 300, "{route}");
    }
    ask(&cancelled.owner, "POST /orders/{orderId}/cancel", &cancelled).await.expect(200);

    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let records = shop.dump().await.into_iter().filter(|item| text(item, "PK").starts_with("IDEM#"));
    let stored: BTreeSet<String> = records.map(|item| text(&item, "SK")).collect();
    assert_eq!(stored.iter().collect::<Vec<_>>(), STORED);
}

/// Whether the document has the status for the route and, of an error, the code.
fn is_documented(shop: &Shop, route: &str, status: u16, code: &str) -> bool {
    let document = serde_json::to_value(&*shop.stack.openapi).unwrap();
    let (method, path) = route.split_once(' ').unwrap();
    let answer = &document["paths"][path][method.to_lowercase()]["responses"][status.to_string()];
    let description = answer["description"].as_str();
    description.is_some_and(|text| code.is_empty() || text.contains(&format!("`{code}`")))
}

/// Routes whose path names something that belongs to a customer.
fn is_owned(route: &str) -> bool {
    let names_one = ["{orderId}", "{addressId}", "{sessionId}"].iter().any(|id| route.contains(id));
    // A claimable order has no owner yet.
    names_one && !route.contains("/admin/") && !route.ends_with("/claim")
}

async fn callers(shop: &Shop) -> Vec<(&'static str, Shopper)> {
    vec![
        ("stranger", shop.stranger()),
        ("guest", shop.customer().await),
        ("customer", shop.registered().await),
        ("admin", shop.admin().await),
    ]
}

/// What the paths name: a product, and an order, an address and a session of one customer.
pub struct Things {
    pub owner: Shopper,
    pub product: String,
    pub order: String,
    rename: String,
    sale: String,
    address: String,
    session: String,
}

impl Things {
    pub async fn of_owner(shop: &Shop) -> Self {
        Self::of(shop, shop.registered().await).await
    }

    /// For a registered customer. Their order is paid.
    pub async fn of(shop: &Shop, owner: Shopper) -> Self {
        let id = format!("mug-{}", owner.uid);
        let product = shop.product(&id).described("<p>A mug.</p>").await.create().await;
        if shop.stack.table.product_get(&"mug".parse().unwrap()).await.unwrap().is_none() {
            shop.product("mug").create().await;
        }
        owner.adds(&product, 1).await.expect(200);
        let order = owner.checks_out().await.expect(201).json()["orderId"].as_str().unwrap().to_owned();
        let empty = ["Attic", "Cellar"].map(|path| CategoryPath::parse(path).unwrap());
        shop.stack.table.categories_add(&empty.into()).await.unwrap();
        let (rename, now) = (CategoryRenameId::from(shop.clock.uuid_v7()), shop.clock.now());
        let [from, to] = ["Barn", "Shed"].map(|path| CategoryPath::parse(path).unwrap());
        let asked_for = CategoryRename::new(rename, from, to, owner.uid.parse().unwrap(), 0, now).unwrap();
        shop.stack.table.category_rename_put(&asked_for).await.unwrap();
        let sale = sale(shop, &format!("cap-{}", owner.uid)).await;
        let address = json!({"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"});
        let address = owner.post("/users/me/addresses", address).await.expect(201).json()["addressId"].clone();
        let session = owner.get("/sessions").await.json()["items"][0]["sessionId"].clone();
        let text = |value: Value| value.as_str().unwrap().to_owned();
        let (rename, address, session) = (rename.to_string(), text(address), text(session));
        Self { owner, product: id, order, rename, sale, address, session }
    }
}

/// A sale of one unit of a product of its own, in ten seconds. Its lots are not written yet.
async fn sale(shop: &Shop, product: &str) -> String {
    let (product, now) = (shop.product(product).create().await, shop.clock.now());
    let at = |seconds| now + SignedDuration::from_secs(seconds);
    let price = Money::price(500, Currency::USD).unwrap();
    let terms = SaleTerms { price, starts_at: at(10), ends_at: at(3_610), limit: None };
    let request = SaleRequest::parse(product.clone(), terms, 1, 1, now).unwrap();
    let by: UserId = "staff".parse().unwrap();
    let sale = Sale::new(shop.clock.uuid_v7().into(), request, "A cap".to_owned(), None, by.clone(), now);
    let key = format!("a-sale-of-{product}").parse().unwrap();
    let request =
        Idempotency { customer: by, key, route: "POST /admin/sales".to_owned(), payload_sha256: String::new() };
    shop.stack.table.sale_create(&sale, &request, "an outcome").await.unwrap();
    sale.id.to_string()
}

pub async fn ask(caller: &Shopper, route: &str, thing: &Things) -> Answer {
    caller.send(request(caller, route, thing)).await
}

/// Calls a route with a body and an idempotency key.
pub async fn ask_with(caller: &Shopper, route: &str, thing: &Things, body: &Value, key: &str) -> Answer {
    caller.send(with_body(keyed_request(caller, route, thing, key), route, body)).await
}

/// A request to the route with its body, if it takes one, and every header that a route may require.
pub fn request(caller: &Shopper, route: &str, thing: &Things) -> RequestBuilder {
    let body = bodies().into_iter().find(|(r, _)| *r == route).map(|(_, body)| body).unwrap_or_default();
    with_body(bare_request(caller, route, thing), route, &body)
}

fn with_body(request: RequestBuilder, route: &str, body: &Value) -> RequestBuilder {
    match (body, route.ends_with("/description")) {
        (Value::Null, _) => request,
        (html, true) => request.header("content-type", "text/html").body(html.as_str().unwrap().to_owned()),
        (json, false) => request.json(json),
    }
}

/// The same without a body.
pub fn bare_request(caller: &Shopper, route: &str, thing: &Things) -> RequestBuilder {
    keyed_request(caller, route, thing, "asked-by-the-route-test")
}

fn keyed_request(caller: &Shopper, route: &str, thing: &Things, key: &str) -> RequestBuilder {
    let (method, template) = route.split_once(' ').unwrap();
    let mut path = template
        .replace("{productId}", &thing.product)
        .replace("{orderId}", &thing.order)
        .replace("{renameId}", &thing.rename)
        .replace("{saleId}", &thing.sale)
        .replace("{provider}", "local")
        .replace("{addressId}", &thing.address)
        .replace("{sessionId}", &thing.session);
    if route == "GET /admin/orders" {
        path.push_str("?state=confirmed");
    }
    if route == "DELETE /admin/categories" {
        path.push_str("?category=Cellar");
    }
    let request = caller.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
    request.header("idempotency-key", key)
}

/// Each operation of the document, and who may call it.
pub fn routes(shop: &Shop) -> Vec<(String, Access)> {
    let document = serde_json::to_value(&*shop.stack.openapi).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = operation["security"].as_array().cloned().unwrap_or_default();
            let named = |name: &str| security.iter().any(|s| s.get(name).is_some());
            let optional = security.iter().any(|s| s.as_object().is_some_and(|s| s.is_empty()));
            let access = match () {
                () if optional => Access::Public,
                () if named("admin") => Access::Admin,
                () if named("session") => Access::Session,
                () => panic!("{method} {path} does not say who calls it: add `security(...)` to its #[utoipa::path]"),
            };
            routes.push((format!("{} {path}", method.to_uppercase()), access));
        }
    }
    routes
}
