//! Products that are created in batches, and creations that are sent again under one key.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ProductId;
use e2e::{Shop, engine_counts_like_aws, usd};
use futures::future::join_all;
use serde_json::{Value, json};

use super::{ledger, listed, mug};

#[tokio::test]
async fn a_retried_creation_under_the_same_key_makes_one_product() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let mug =
        json!({"name": "Mug", "category": ["Kitchen"], "price": usd(899), "stock": 3, "description": "<p>Blue.</p>"});
    let create = async |key: &str, body: &Value| admin.post_once("/admin/products", key, body.clone()).await;

    let first = create("a-mug-without-an-id", &mug).await.expect(201);
    let id = first.json()["productId"].as_str().expect("an id").to_owned();
    let again = create("a-mug-without-an-id", &mug).await.expect(201);
    admin.patch(&format!("/admin/products/{id}"), json!({"name": "Cup"})).await.expect(200);
    let quoted = create("\"a-mug-without-an-id\"", &mug).await.expect(201);
    let reused = create("a-mug-without-an-id", &json!({"name": "Pan", "category": [], "price": usd(1)})).await;
    let other = create("a-mug-of-another-key", &mug).await.expect(201);

    assert_eq!(first.header("idempotency-replayed"), None);
    for replay in [&again, &quoted] {
        assert_eq!(replay.text(), first.text());
        for name in ["location", "etag", "content-type"] {
            assert_eq!(replay.header(name), first.header(name), "{name}");
        }
        assert_eq!(replay.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(
        (first.header("etag"), first.header("location")),
        (Some("\"1-3-0-0\""), Some(&*format!("/products/{id}")))
    );
    assert_eq!(reused.expect(422).code(), "idempotency_key_reused");
    assert_ne!(other.json()["productId"], first.json()["productId"]);
    assert_eq!(listed(&shop, "").await.len(), 2);
    assert_eq!(ledger(&shop, &id).await, [3]);
    if engine_counts_like_aws() {
        assert_eq!(again.cost().wru, 0.0);
    }
}

#[tokio::test]
async fn a_retried_batch_under_the_same_key_makes_no_product_twice() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let product = |name: &str| json!({"name": name, "category": [], "price": usd(1)});
    let batch = json!({"items": [product("Mug"), product("Mug"), product("Pan")]});
    let send =
        async |key: &str, body: &Value| admin.post_once("/admin/products/batch", key, body.clone()).await.expect(200);

    let first = send("three-at-a-time-1", &batch).await.json();
    let again = send("three-at-a-time-1", &batch).await.json();
    let another = send("three-at-a-time-1", &json!({"items": [product("Pot")]})).await.json();

    assert_eq!(outcomes(&first), ["created"; 3]);
    assert_eq!((outcomes(&again), outcomes(&another)), (vec!["exists".to_owned(); 3], vec!["created".to_owned()]));
    let ids =
        |batch: &Value| batch["items"].as_array().unwrap().iter().map(|i| i["productId"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(listed(&shop, "").await.len(), 4);
}

#[tokio::test]
async fn of_many_creations_under_one_key_at_once_one_happens_and_all_are_answered_alike() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let mug = json!({"productId": "mug", "name": "Mug", "category": [], "price": usd(899), "stock": 3});

    let all = (0..8).map(|_| admin.post_once("/admin/products", "one-mug-and-no-more", mug.clone()));
    let answers = join_all(all).await;
    let without_a_key = admin.post("/admin/products", mug.clone()).await;
    let of_another_key = admin.post_once("/admin/products", "another-key-for-it", mug).await;

    assert!(answers.iter().all(|a| a.status() == 201 && a.text() == answers[0].text()));
    assert_eq!(answers.iter().filter(|a| a.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!(without_a_key.expect(409).code(), "product_exists");
    assert_eq!(of_another_key.expect(409).code(), "product_exists");
}

#[tokio::test]
async fn a_product_of_an_interrupted_import_is_completed_once_under_a_key_too() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    shop.product("mug").stock(5).create().await;
    let meta = shop.raw_client().delete_item().table_name(shop.table_of("PROD#mug"));
    let text = |value: &str| AttributeValue::S(value.to_owned());
    meta.key("PK", text("PROD#mug")).key("SK", text("META#mug")).send().await.expect("the engine answers");
    let mug = json!({"productId": "mug", "name": "Mug", "category": [], "price": usd(899), "stock": 3});

    let first = admin.post_once("/admin/products", "a-mug-with-stock-left", mug.clone()).await.expect(201);
    let again = admin.post_once("/admin/products", "a-mug-with-stock-left", mug).await.expect(201);

    assert_eq!((first.text(), again.header("idempotency-replayed")), (again.text(), Some("true")));
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 3);
}

#[tokio::test]
async fn a_batch_reports_the_outcome_of_each_product_in_order() {
    let shop = Shop::open().await;
    let pan = shop.product("pan").priced(2_500).stock(3).create().await;
    let admin = shop.admin().await;
    let batch = json!({"items": [
        {"productId": "cup", "name": "Cup", "category": ["Kitchen"], "price": usd(500), "stock": 7},
        {"productId": "pan", "name": "Other pan", "category": [], "price": usd(1), "stock": 50},
        {"productId": "bad", "name": "", "category": [], "price": usd(1)},
        {"productId": "cup", "name": "Second cup", "category": [], "price": usd(1)},
        {"productId": "odd", "name": "Odd", "category": [], "price": usd(1), "colour": "blue"},
        7,
        mug(),
    ]});

    let answer = admin.post("/admin/products/batch", batch.clone()).await.expect(200).json();
    let again = admin.post("/admin/products/batch", batch).await.expect(200).json();

    let refused = ["invalid name_invalid", "invalid product_repeated", "invalid body_invalid", "invalid body_invalid"];
    assert_eq!(outcomes(&answer), [&["created", "exists"][..], &refused, &["created"]].concat());
    assert_eq!(outcomes(&again), [&["exists", "exists"][..], &refused, &["exists"]].concat());
    assert_eq!(listed(&shop, "").await, ["cup", "mug", "pan"]);
    assert_eq!(listed(&shop, "?category=Kitchen").await, ["cup", "mug"]);
    assert_eq!((shop.stock(&pan).await, shop.stock(&id("cup")).await), (3, 7));
}

#[tokio::test]
async fn sending_a_batch_again_completes_what_was_left_without_stock() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let batch = json!({"items": [{"productId": "mug", "name": "Mug", "category": [], "price": usd(899), "stock": 5}]});
    admin.post("/admin/products/batch", batch.clone()).await.expect(200);
    let stock = AttributeValue::S("META#mug#STOCK#00".to_owned());
    let delete = shop.raw_client().delete_item().table_name(shop.table_of("PROD#mug")).key("SK", stock);
    delete.key("PK", AttributeValue::S("PROD#mug".to_owned())).send().await.unwrap();

    let again = admin.post("/admin/products/batch", batch.clone()).await.expect(200).json();
    let third = admin.post("/admin/products/batch", batch).await.expect(200).json();

    assert_eq!((&again["items"][0]["outcome"], &third["items"][0]["outcome"]), (&json!("created"), &json!("exists")));
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 5);
}

#[tokio::test]
async fn a_batch_holds_1_to_100_products() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let item = |i| json!({"productId": format!("p{i}"), "name": "P", "category": ["Shelf"], "price": usd(i)});
    let batch = |size: i64| json!({"items": (0..size).map(item).collect::<Vec<_>>()});

    for size in [0, 101] {
        let refused = admin.post("/admin/products/batch", batch(size)).await;
        assert_eq!(refused.expect(422).code(), "batch_size", "{size}");
    }
    assert!(listed(&shop, "").await.is_empty());
    let full = admin.post("/admin/products/batch", batch(100)).await.expect(200).json();

    assert_eq!(outcomes(&full), ["created"; 100]);
    assert_eq!(listed(&shop, "?category=Shelf&limit=100").await.len(), 100);
}

fn id(raw: &str) -> ProductId {
    raw.parse().expect("an id")
}

/// Outcome and code of each product of a batch.
fn outcomes(batch: &Value) -> Vec<String> {
    let items = batch["items"].as_array().expect("a batch has items");
    let words = |item: &Value| ["outcome", "code"].map(|name| item[name].as_str().unwrap_or_default().to_owned());
    items.iter().map(|item| words(item).join(" ").trim().to_owned()).collect()
}
