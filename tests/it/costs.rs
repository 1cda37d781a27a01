//! Each route costs what `infra/ops/data/routes.toml` says, which docs/costs.md and `ops costs` show.

use std::collections::BTreeMap;

use domain::{AccountAction, Currency, Money, Order};
use e2e::{ADMIN_EMAIL, ADMIN_PASSWORD, Answer, PASSWORD, Shop, Shopper, engine_counts_like_aws};
use jiff::SignedDuration;
use local::IndexSettings;
use ops::{
    costs::{Calls, Known, PriceList, section},
    decimal::Decimal,
};
use payments::PaymentEventKind;
use serde_json::json;

use crate::{
    routes::{Access, Things, ask, bodies, routes},
    webhooks,
};

#[tokio::test]
async fn each_route_costs_what_the_price_list_says() {
    let known = Known::built_in();
    let mut measured = BTreeMap::new();
    for (route, access) in routes(&Shop::open().await) {
        let shop = Shop::open_with(|options| options.search_index = IndexSettings::LAMBDA).await;
        let calls = calls(&usual(&shop, &route, access).await);
        let calls =
            if engine_counts_like_aws() { calls } else { known.routes.get(&route).copied().unwrap_or_default() };
        measured.insert(route, calls);
    }

    let rows: Vec<_> = measured.iter().map(|(route, calls)| known.row(route, calls, &PriceList::built_in())).collect();
    assert!(
        known.routes == measured,
        "infra/ops/data/routes.toml has to say\n{}\nand docs/costs.md\n{}",
        section("route", &measured),
        rows.join("\n")
    );
}

/// A cart or an order with three lines, against one with one.
#[tokio::test]
async fn each_further_line_costs_what_the_price_list_says() {
    let known = Known::built_in();
    let mut measured = BTreeMap::new();
    for (route, calls) in &known.each_further_line {
        let (one, three) = (with_lines(route, 1).await, with_lines(route, 3).await);
        let half = |more: Decimal| more.over(Decimal::whole(2)).unwrap();
        let more =
            Calls { rru: half(three.rru - one.rru), wru: half(three.wru - one.wru), s3: half(three.s3 - one.s3) };
        measured.insert(route.clone(), if engine_counts_like_aws() { more } else { *calls });
    }

    let section = section("each_further_line", &measured);
    assert!(known.each_further_line == measured, "infra/ops/data/routes.toml has to say\n{section}");
}

fn calls(answer: &Answer) -> Calls {
    let cost = answer.cost();
    // The shortest text of a binary fraction is exact: units are halves.
    let [rru, wru, s3] = [cost.rru, cost.wru, cost.s3].map(|units| units.to_string().parse().unwrap());
    Calls { rru, wru, s3 }
}

/// The request with so many products in the cart, that of the request among them.
async fn with_lines(route: &str, lines: usize) -> Calls {
    let shop = Shop::open().await;
    let thing = Things::of_owner(&shop).await;
    let owner = &thing.owner;
    for other in 1..lines {
        let product = shop.product(&format!("other-{other}")).create().await;
        owner.adds(&product, 1).await.expect(200);
    }
    empty_caches(&shop);
    let answer = match route {
        "POST /cart/items" => ask(owner, route, &thing).await,
        "POST /orders" => {
            owner.adds(&thing.product.parse().unwrap(), 1).await.expect(200);
            owner.checks_out().await
        }
        _ => {
            owner.adds(&thing.product.parse().unwrap(), 1).await.expect(200);
            empty_caches(&shop);
            ask(owner, route, &thing).await
        }
    };
    assert!(answer.status() < 300, "{route}: {} {}", answer.status(), answer.code());
    calls(&answer)
}

/// A typical successful request of the route, in a new shop.
async fn usual(shop: &Shop, route: &str, access: Access) -> Answer {
    let thing = Things::of_owner(shop).await;
    let (owner, order) = (&thing.owner, &thing.order);
    empty_caches(shop);
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
            empty_caches(shop);
            ask(owner, route, &thing).await
        }
        // Without the optional idempotency key: the price list states its cost separately.
        "POST /admin/products" => {
            let body = bodies().into_iter().find(|(of, _)| *of == route).map(|(_, body)| body);
            shop.admin().await.post("/admin/products", body.unwrap()).await
        }
        "POST /orders" => {
            owner.adds(&thing.product.parse().unwrap(), 1).await.expect(200);
            empty_caches(shop);
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
        // The generation is open: it is looked at again after 5 seconds, beside a request.
        "GET /search" | "GET /search/suggest" => {
            shop.run_indexer().await;
            ask(&shop.stranger(), route, &thing).await.expect(200);
            empty_caches(shop);
            ask(&shop.stranger(), route, &thing).await
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

/// The next request finds neither sales nor products in memory.
fn empty_caches(shop: &Shop) {
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
