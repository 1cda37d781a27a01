//! What the stream's consumers write after a change: lists, sums and the audit log.

use domain::{ProductId, Review, ReviewText, Stars};
use e2e::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use table::meter;

use crate::orders::hold;

#[tokio::test]
async fn an_order_whose_request_died_after_the_commit_is_still_listed() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = hold(&shop, &ann, "tok_visa", "a-request-that-died").await;
    let before = ann.get("/orders").await.json();

    shop.drain().await;

    let after = ann.get("/orders").await.json();
    assert_eq!(before["items"], json!([]));
    assert_eq!(after["items"][0]["orderId"], order.id.to_string());
    assert_eq!(after["items"][0]["state"], "pending_payment");
    let projection = shop.stack.table.order_projection_get(&order.customer, order.id).await.unwrap();
    assert!(!projection.is_behind(&order));
}

#[tokio::test]
async fn a_list_says_when_the_last_unit_is_gone_and_when_there_are_more() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").in_category("Kitchen").stock(2).create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    let restock = json!({"delta": 5, "reason": "restock"});

    let mut says = Vec::new();
    ann.adds(&mug, 1).await.expect(200);
    ann.pays_with("tok_visa", "the-last-but-one-mug").await.expect(201);
    says.push(sold_out(&shop).await);
    ann.adds(&mug, 1).await.expect(200);
    ann.pays_with("tok_visa", "the-very-last-mug-00").await.expect(201);
    says.push(sold_out(&shop).await);
    // A change of the product does not change the flag in lists.
    let patch = admin.request(Method::PATCH, "/admin/products/mug").json(&json!({"name": "Big mug"}));
    admin.send(patch).await.expect(200);
    says.push(sold_out(&shop).await);
    admin.post_once("/admin/products/mug/stock", "restock-number-0001", restock).await.expect(201);
    says.push(sold_out(&shop).await);

    assert_eq!(says, [false, true, true, false]);
}

#[tokio::test]
async fn reviews_are_added_up_changed_and_taken_away() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let table = &shop.stack.table;

    for (customer, stars) in [("ann", 5), ("bob", 4), ("eve", 1)] {
        table.review_put(&review(&shop, &mug, customer, stars)).await.unwrap();
    }
    let three = rating(&shop).await;
    table.review_put(&review(&shop, &mug, "eve", 4)).await.unwrap();
    let changed = rating(&shop).await;
    table.review_delete(&mug, &"ann".parse().unwrap()).await.unwrap();
    table.review_put(&review(&shop, &mug, "bob", 3)).await.unwrap();
    table.review_delete(&mug, &"bob".parse().unwrap()).await.unwrap();
    table.review_put(&review(&shop, &mug, "bob", 2)).await.unwrap();
    let in_the_end = rating(&shop).await;

    assert_eq!(three, json!({"reviews": 3, "averageTenths": 33}));
    assert_eq!(changed, json!({"reviews": 3, "averageTenths": 43}));
    assert_eq!(in_the_end, json!({"reviews": 2, "averageTenths": 30}));
}

#[tokio::test]
async fn the_audit_log_says_who_changed_what_and_contains_no_secrets() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").priced(899).create().await;
    let (ann, admin) = (shop.registered().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    ann.checks_out().await.expect(201);
    let address = json!({"recipient": "Ann Smith", "line1": "1 Harbour Street", "city": "Bristol", "country": "GB"});
    ann.post("/users/me/addresses", address).await.expect(201);
    let patch = admin.request(Method::PATCH, "/admin/products/mug");
    let raised = json!({"price": {"amount": 999, "currency": "USD"}});
    admin.send(patch.json(&raised)).await.expect(200);
    admin.delete("/admin/products/mug").await.expect(204);

    shop.drain().await;

    let log = audit_log(&shop).await;
    let of = |entity: &str| log.iter().filter(|e| e["entity"] == entity).cloned().collect::<Vec<_>>();
    let products = of("product");
    let raised = products.iter().find(|e| e["action"] == "modify").expect("the price was raised");
    assert_eq!((&raised["before"]["price"], &raised["after"]["price"]), (&json!(899), &json!(999)));
    assert_eq!(raised["who"], json!(admin.uid));
    assert!(raised["after"].get("name").is_none(), "what did not change is not in it");
    let deleted = of("stock_move").into_iter().find(|e| e["after"]["kind"] == "deleted").expect("a line of the ledger");
    assert_eq!(deleted["who"], json!(admin.uid));
    let mut moved_by: Vec<_> = of("order").iter().map(|e| e["who"].as_str().unwrap().to_owned()).collect();
    moved_by.sort_unstable();
    assert_eq!(moved_by, [ann.uid.as_str(), "shop"], "placed by the customer, confirmed by the answer");
    assert_eq!((of("customer").len(), of("credential").len(), of("address").len()), (2, 2, 1));
    let text = Value::from(log).to_string();
    for secret in ["Ann Smith", "Harbour", "Bristol", "shopper0@example.com", "argon2", e2e::ADMIN_EMAIL] {
        assert!(!text.contains(secret), "{secret} is in the audit log");
    }
}

#[tokio::test]
async fn operators_read_the_audit_log_of_a_day_without_knowing_a_key() {
    let shop = Shop::with_stream().await;
    let (mug, pan) = (shop.product("mug").create().await, shop.product("pan").create().await);
    let admin = shop.admin().await;
    for (id, name) in [(&mug, "A mug"), (&pan, "A pan"), (&mug, "The mug")] {
        admin.patch(&format!("/admin/products/{id}"), json!({"name": name})).await.expect(200);
    }
    shop.drain().await;
    let bucket = shop.stack.descriptions.bucket().beside(local::AUDIT_BUCKET);
    let whole = audit_log(&shop).await;
    let day = &whole[0]["at"].as_str().expect("a time")[..10];

    let all = ops::audit::entries(&bucket, day, None).await.expect("the log can be read");
    let of_mug = ops::audit::entries(&bucket, day, Some("PROD#mug")).await.expect("the log can be read");
    let before = ops::audit::entries(&bucket, "2001-01-01", None).await.expect("the log can be read");

    assert_eq!(all.len(), whole.len());
    assert!(all.is_sorted_by_key(|entry| entry["at"].to_string()));
    let names: Vec<_> = of_mug.iter().filter(|e| e["action"] == "modify").map(|e| &e["after"]["name"]).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&&json!("A mug")) && names.contains(&&json!("The mug")), "{names:?}");
    assert!(of_mug.iter().all(|entry| entry["item"].as_str().is_some_and(|item| item.starts_with("PROD#mug"))));
    assert_eq!(before, Vec::<Value>::new());
}

#[tokio::test]
async fn an_order_costs_its_consumers_2_rru_7_wru_and_2_s3_calls() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(100).create().await;
    let pan = shop.product("pan").stock(100).create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);
    ann.adds(&pan, 1).await.expect(200);
    shop.drain().await;
    ann.checks_out().await.expect(201);

    let ((), costs) = meter::measure(shop.drain()).await;
    let cost = costs.total;

    println!(
        "an order that is placed and paid costs its consumers {} RRU, {} WRU, {} S3 calls",
        cost.rru, cost.wru, cost.s3_calls
    );
    if e2e::engine_counts_like_aws() {
        // Two transitions, each read (1 RRU) and audited (1 PUT). One e-mail to the order's contact: it is claimed,
        // counted for the recipient and for the shop, and marked as sent (4 WRU). Three entries by which staff find it
        // (3 WRU).
        assert_eq!((cost.rru, cost.wru, cost.s3_calls), (2.0, 7.0, 2));
    }
}

fn review(shop: &Shop, product: &ProductId, customer: &str, stars: u8) -> Review {
    Review {
        product: product.clone(),
        customer: customer.parse().unwrap(),
        stars: Stars::new(stars).unwrap(),
        text: ReviewText::parse("Holds coffee.").unwrap(),
        at: shop.clock.now(),
    }
}

/// The product's rating after the stream is drained and caches have expired.
async fn rating(shop: &Shop) -> Value {
    shop.drain().await;
    shop.clock.advance(jiff::SignedDuration::from_secs(3));
    shop.stranger().get("/products/mug").await.expect(200).json()["rating"].clone()
}

async fn sold_out(shop: &Shop) -> bool {
    shop.drain().await;
    let list = shop.stranger().get("/products?category=Kitchen").await.expect(200).json();
    list["items"][0]["soldOut"].as_bool().expect("a card says so")
}

pub async fn audit_log(shop: &Shop) -> Vec<Value> {
    let bucket = shop.stack.descriptions.bucket().beside(local::AUDIT_BUCKET);
    let mut log = Vec::new();
    for object in bucket.list("", None).await.expect("S3 answers").objects {
        let lines = bucket.get(&object.key).await.expect("S3 answers").expect("an object");
        let lines = String::from_utf8(lines).expect("text");
        log.extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
    }
    log.sort_by_key(|entry| (entry["at"].to_string(), entry["eventId"].to_string()));
    log
}
