use std::path::PathBuf;

use domain::Currency;
use e2e::Shop;
use local::{Seed, Stack, StackError, StackOptions};
use serde_json::json;
use table::TableNames;
use tokio::net::TcpListener;

use crate::categories::{counts, make_before, named};

#[tokio::test]
async fn the_local_stack_serves_the_sample_shop() {
    let shop = Shop::open_with(|o| o.seed = Seed::Sample).await;
    let client = shop.stranger();

    let categories = client.get("/categories").await.expect(200).json();
    let featured = client.get("/products/featured").await.expect(200).json();
    let page = client.get("/").await.expect(200);
    let picture = client.get("/images/mug-blue.svg").await.expect(200);
    let document = client.get("/openapi.json").await.expect(200).json();

    let roots = categories["items"].as_array().unwrap().iter().filter(|c| c["depth"] == 1).count();
    assert_eq!(roots, 8);
    assert_eq!(featured["items"].as_array().map(Vec::len), Some(8));
    assert!(page.text().contains("<title>"));
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(client.get("/images/nothing.svg").await.status() == 404);
}

#[tokio::test]
async fn an_object_that_many_write_at_once_is_always_one_of_theirs() {
    let shop = Shop::open().await;
    let bucket = &shop.stack.descriptions.bucket().beside("ecommerce-dead-letters");
    bucket.create().await.unwrap();
    let texts: Vec<_> = (0..8).map(|writer| vec![b'a' + writer; 2_000]).collect();
    bucket.put("one/object", texts[0].clone(), "text/plain").await.unwrap();

    let writes = async |text: &Vec<u8>| {
        for _ in 0..20 {
            bucket.put("one/object", text.clone(), "text/plain").await.unwrap();
        }
    };
    // The SDK compares what it reads with the stored checksum.
    let reads = async {
        for _ in 0..100 {
            let read = bucket.get("one/object").await.unwrap().unwrap();
            assert!(texts.contains(&read));
        }
    };
    futures::join!(futures::future::join_all(texts.iter().map(writes)), reads);

    assert!(texts.contains(&bucket.get("one/object").await.unwrap().unwrap()));
}

#[tokio::test]
async fn everything_in_a_data_folder_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data: PathBuf = folder.path().join("shop");
    let open = || {
        let data = data.clone();
        Shop::open_with(move |o| {
            o.data = Some(data);
            o.seed = Seed::Sample;
            o.dynamodb_endpoint = None;
            o.tables = TableNames::one("EcommerceApp");
        })
    };
    let shop = open().await;
    let mut ann = shop.registered().await;
    ann.adds(&"mug-blue".parse().unwrap(), 3).await.expect(200);
    let order = ann.checks_out().await.expect(201).json()["orderId"].clone();
    let admin = shop.admin().await;
    admin.delete("/admin/products/tent-three-person").await.expect(204);
    let cursor = ann.get("/products?limit=2").await.json()["nextCursor"].as_str().unwrap().to_owned();
    let token = ann.token.take();
    shop.stack.stop().await;

    let again = open().await;

    let mut ann = again.stranger();
    ann.token = token;
    assert_eq!(ann.get("/orders").await.expect(200).json()["items"][0]["orderId"], order);
    assert_eq!(again.stock(&"mug-blue".parse().unwrap()).await, 37);
    assert_eq!(again.stack.payments.entries().len(), 1);
    ann.get(&format!("/products?limit=2&cursor={cursor}")).await.expect(200);
    // The samples are loaded only once: a deleted product does not come back.
    ann.get("/products/tent-three-person").await.expect(404);
    ann.get("/products/book-bread-slow/description").await.expect(200);
}

#[tokio::test]
async fn the_samples_can_be_bought_whatever_the_shops_currency() {
    let shop = Shop::open_with(|o| (o.seed, o.policy.currency) = (Seed::Sample, Currency::EUR)).await;
    let ann = shop.customer().await;

    let added = ann.adds(&"mug-blue".parse().unwrap(), 1).await.expect(200).json();
    let order = ann.checks_out().await.expect(201).json();

    assert_eq!(added["subtotal"], json!({"amount": 899, "currency": "EUR"}));
    assert_eq!(order["total"], added["subtotal"]);
}

#[tokio::test]
async fn an_old_data_folder_is_migrated_when_the_stack_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let open = async || {
        Shop::open_with(|options| {
            options.data = Some(data.clone());
            options.dynamodb_endpoint = None;
        })
        .await
    };
    let shop = open().await;
    shop.product("mug").in_category("Kitchen/Mugs").create().await;
    make_before(&shop, &["Kitchen", "Kitchen/Mugs", "Emptied"]).await;
    shop.stack.stop().await;

    let shop = open().await;

    let admin = shop.admin().await;
    assert_eq!(counts(&admin).await, [("Emptied", 0), ("Kitchen", 1), ("Kitchen/Mugs", 1)].map(named));
    assert!(!ops::migrate::is_due(&shop.stack.table).await.unwrap());
    shop.stack.stop().await;
}

#[tokio::test]
async fn products_with_a_decomposed_category_in_an_old_data_folder_are_listed_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let data: PathBuf = folder.path().join("shop");
    let open = || {
        let data = data.clone();
        Shop::open_with(move |o| {
            (o.data, o.dynamodb_endpoint, o.tables) = (Some(data), None, TableNames::one("EcommerceApp"));
        })
    };
    let listed = async |shop: &Shop| {
        let page = shop.stranger().get("/products?category=Caf%C3%A9").await.expect(200).json();
        page["items"].as_array().map(Vec::len)
    };
    let shop = open().await;
    shop.product("moka").spelled_in_category("Cafe\u{301}").create().await;
    make_before(&shop, &["Cafe\u{301}"]).await;
    let before = listed(&shop).await;
    shop.stack.stop().await;

    let again = open().await;

    assert_eq!((before, listed(&again).await), (Some(0), Some(1)));
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();

    let error = Stack::start(StackOptions { port, ..StackOptions::default() }).await.err().unwrap();

    assert!(matches!(error, StackError::Port { .. }));
    assert!(error.to_string().contains(&format!("port {port} for the gateway")), "{error}");
}

#[tokio::test]
async fn an_unusable_data_folder_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    let start = |data: PathBuf| Stack::start(StackOptions { data: Some(data), ..StackOptions::default() });

    let not_a_folder = start(file.clone()).await.err().unwrap();
    let first = start(folder.path().join("shop")).await.unwrap();
    let in_use = start(folder.path().join("shop")).await.err().unwrap();

    assert!(not_a_folder.to_string().contains("a-file"), "{not_a_folder}");
    assert!(in_use.to_string().contains("another stack is running"), "{in_use}");
    first.stop().await;
}
