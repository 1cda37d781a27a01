//! Each route costs what docs/costs.md says.

use std::{collections::BTreeMap, fs, path::Path};

use domain::{AccountAction, Currency, Money, Order};
use e2e::{ADMIN_EMAIL, ADMIN_PASSWORD, Answer, PASSWORD, Shop, Shopper, engine_counts_like_aws};
use jiff::SignedDuration;
use payments::PaymentEventKind;
use serde_json::json;

use crate::{
    routes::{Access, Things, ask, bodies, routes},
    webhooks,
};

#[tokio::test]
async fn each_route_costs_what_the_price_list_says() {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/costs.md")).unwrap();
    let (prices, rows) = (unit_prices(&document), rows(&document));

    let mut measured = BTreeMap::new();
    for (route, access) in routes(&Shop::open().await) {
        let shop = Shop::open().await;
        let cost = usual(&shop, &route, access).await.cost();
        let units = match engine_counts_like_aws() {
            true => [cost.rru, cost.wru, cost.s3],
            false => rows.get(&route).map_or([0.0; 3], |&[rru, wru, s3, _]| [rru, wru, s3]),
        };
        let price = (priced(&prices, &route, units) * 100.0).round() / 100.0;
        measured.insert(route, [units[0], units[1], units[2], price]);
    }

    let row =
        |(route, [rru, wru, s3, usd]): (&String, &[f64; 4])| format!("| {route} | {rru} | {wru} | {s3} | {usd:.2} |");
    let table = measured.iter().map(row).collect::<Vec<_>>().join("\n");
    assert!(rows == measured, "the rows of docs/costs.md have to be\n{table}");
}

/// A typical successful request of the route, in a new shop.
async fn usual(shop: &Shop, route: &str, access: Access) -> Answer {
    let thing = Things::of_owner(shop).await;
    let (owner, order) = (&thing.owner, &thing.order);
    forget_sales(shop);
    let answer = match route {
        "POST /users" => {
            shop.stranger().post("/users", json!({"email": "b@example.com", "password": PASSWORD, "name": "Bob"})).await
        }
        "POST /sessions" => {
            shop.stranger().post("/sessions", json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})).await
        }
        "POST /passwords/reset/confirm" | "POST /users/verify" | "POST /users/email/confirm" => {
            linked(shop, owner, route).await
        }
        "PUT /cart/items/{productId}" | "DELETE /cart/items/{productId}" | "DELETE /cart" | "GET /cart" => {
            owner.adds(&thing.product.parse().unwrap(), 1).await.expect(200);
            forget_sales(shop);
            ask(owner, route, &thing).await
        }
        // Without the optional idempotency key: the price list states its cost separately.
        "POST /admin/products" => {
            let body = bodies().into_iter().find(|(of, _)| *of == route).map(|(_, body)| body);
            shop.admin().await.post("/admin/products", body.unwrap()).await
        }
        "POST /orders" => {
            owner.adds(&thing.product.parse().unwrap(), 1).await.expect(200);
            forget_sales(shop);
            owner.checks_out().await
        }
        "POST /payments/webhooks/{provider}" => {
            // The usual event: the order was paid, which the shop knows already.
            let entry = shop.stack.payments.entries().pop().unwrap();
            let amount = Money::amount(entry.amount, Currency::USD);
            let kind = PaymentEventKind::Captured { reference: entry.reference, amount };
            webhooks::deliver(shop, &webhooks::event(order, "evt_1", kind)).await
        }
        "POST /admin/orders/{orderId}/deliver" => {
            let admin = shop.admin().await;
            admin
                .post_once(&format!("/admin/orders/{order}/ship"), "shipped-before-that", json!(null))
                .await
                .expect(200);
            ask(&admin, route, &thing).await
        }
        "GET /users/me/claimable-orders" | "POST /users/me/claimable-orders/{orderId}/claim" => {
            claiming(shop, owner, route, &thing).await
        }
        _ => match access {
            Access::Public => ask(&shop.stranger(), route, &thing).await,
            Access::Session => ask(owner, route, &thing).await,
            Access::Admin => ask(&shop.admin().await, route, &thing).await,
        },
    };
    assert!(answer.status() < 300, "{route}: {} {}", answer.status(), answer.code());
    answer
}

/// What the next request pays that finds them in no cache.
fn forget_sales(shop: &Shop) {
    shop.clock.advance(SignedDuration::from_secs(2));
}

/// A request about an order that was placed as a guest with the e-mail of the customer, who has proven it.
async fn claiming(shop: &Shop, owner: &Shopper, route: &str, thing: &Things) -> Answer {
    let link = shop.stack.table.account_link_get(&owner.uid.parse().unwrap(), AccountAction::VerifyEmail).await;
    let token = shop.link_token(&link.unwrap().expect("a registration requests it"));
    owner.post("/users/verify", json!({"token": token})).await.expect(204);
    let guest = shop.customer().await;
    guest.adds(&thing.product.parse().unwrap(), 1).await.expect(200);
    let contact = json!({"email": owner.get("/users/me").await.json()["email"]});
    let body = e2e::with(guest.checkout("tok_visa"), "contact", contact);
    let order = guest.post_once("/orders", "bought-as-a-guest", body).await.expect(201).json();
    let order: Order = shop
        .stack
        .table
        .order_get_for_shop(order["orderId"].as_str().unwrap().parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    // What the stream does.
    shop.stack.table.order_found_put(&order, None).await.unwrap();
    let path = route.split_once(' ').unwrap().1.replace("{orderId}", &order.id.to_string());
    match route.starts_with("GET ") {
        true => owner.get(&path).await,
        false => owner.post(&path, json!(null)).await,
    }
}

/// A request that a link in a mail makes.
async fn linked(shop: &Shop, owner: &Shopper, route: &str) -> Answer {
    let (action, body) = match route {
        "POST /passwords/reset/confirm" => {
            let email = owner.get("/users/me").await.json()["email"].clone();
            shop.stranger().post("/passwords/reset", json!({"email": email})).await.expect(202);
            (AccountAction::ResetPassword, json!({"newPassword": "staple battery horse"}))
        }
        "POST /users/verify" => (AccountAction::VerifyEmail, json!({})),
        _ => {
            let change = json!({"email": "other@example.com", "currentPassword": PASSWORD});
            owner.post("/users/me/email", change).await.expect(202);
            (AccountAction::ChangeEmail, json!({}))
        }
    };
    let link = shop.stack.table.account_link_get(&owner.uid.parse().unwrap(), action).await.unwrap();
    let mut body = body;
    body["token"] = json!(shop.link_token(&link.expect("it was requested")));
    shop.stranger().post(route.trim_start_matches("POST "), body).await
}

/// Prices in USD by name, from rows such as `` | `wru` | 0.625 | … ``.
fn unit_prices(document: &str) -> BTreeMap<&str, f64> {
    let cells = document.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let named = cells.filter_map(|cells| {
        let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        Some((name, cells.get(2)?.parse().ok()?))
    });
    named.collect()
}

/// RRU, WRU, S3 calls and USD for a million requests, by route.
fn rows(document: &str) -> BTreeMap<String, [f64; 4]> {
    let mut rows = BTreeMap::new();
    for line in document.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let numbers: Vec<f64> = cells.iter().skip(2).filter_map(|cell| cell.parse().ok()).collect();
        if let (Some(route), &[rru, wru, s3, usd]) = (cells.get(1), numbers.as_slice())
            && route.contains(" /")
        {
            rows.insert((*route).to_owned(), [rru, wru, s3, usd]);
        }
    }
    rows
}

/// 2 KB of logs for each request, as docs/costs.md says.
const LOG_GB_A_MILLION: f64 = 2.0;

/// USD for a million requests: gateway, function, logs, table and S3.
fn priced(prices: &BTreeMap<&str, f64>, route: &str, [rru, wru, s3]: [f64; 3]) -> f64 {
    let price = |name: &str| prices.get(name).copied().unwrap_or_else(|| panic!("docs/costs.md has no price `{name}`"));
    let hashes_a_password = matches!(route, "POST /users" | "POST /sessions");
    // Orders that can be claimed are of another function than the rest of a customer.
    let hashes = route.contains("/sessions") || route.contains("/users") && !route.contains("/claimable-orders");
    let memory_gb = if hashes { 1.0 } else { 0.5 };
    let seconds = if hashes_a_password { 0.1 } else { 0.02 };
    let of_s3 = if route.starts_with("GET ") { price("s3-get") } else { price("s3-put") };
    price("http-api")
        + price("lambda-request")
        + memory_gb * seconds * price("lambda-gb-second")
        + price("logs") * LOG_GB_A_MILLION
        + rru * price("rru")
        + wru * price("wru")
        + s3 * of_s3
}

#[test]
fn prices_and_rows_are_read_from_the_document() {
    let document = "| `wru` | 0.625 | a |\n| GET /cart | 2 | 0 | 0 | 3.5 |\n| text | 1 |\n";

    assert_eq!(unit_prices(document), BTreeMap::from([("wru", 0.625)]));
    assert_eq!(rows(document), BTreeMap::from([("GET /cart".to_owned(), [2.0, 0.0, 0.0, 3.5])]));
}
