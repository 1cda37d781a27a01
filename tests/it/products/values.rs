//! Currencies and spellings, of new products and of those stored under earlier rules.

use domain::Currency;
use e2e::{Shop, usd};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::join;

use super::mug;

#[tokio::test]
async fn a_product_in_another_currency_cannot_be_bought() {
    let shop = Shop::open().await;
    let tasse = shop.product("tasse").priced_in(800, Currency::EUR).create().await;
    let ann = shop.customer().await;

    let added = ann.adds(&tasse, 1).await;
    let set = ann.put("/cart/items/tasse", json!({"quantity": 1})).await;

    assert_eq!(added.expect(422).code(), "currency_mismatch");
    assert_eq!(set.expect(422).code(), "currency_mismatch");
    assert_eq!(ann.get("/cart").await.expect(200).json()["items"], json!([]));
    let shown = ann.get("/products/tasse").await.expect(200).json();
    assert_eq!(shown["price"], json!({"amount": 800, "currency": "EUR"}));
}

#[tokio::test]
async fn an_old_product_in_another_currency_is_neither_bought_nor_counted() {
    let shop = Shop::open().await;
    let (mug, cup) = join!(shop.product("mug").priced(899).create(), shop.product("cup").priced(500).create());
    let (admin, ann) = (shop.admin().await, shop.customer().await);
    ann.adds(&mug, 1).await.expect(200);
    ann.adds(&cup, 1).await.expect(200);

    let table = &shop.stack.table;
    let mut record = table.product_get_consistent(&mug).await.expect("the table answers").expect("it is there").record;
    record.product.details.price = domain::Money::price(800, Currency::EUR).expect("a price");
    let staff = "staff".parse().expect("an id");
    table.product_put(&record.changed(shop.clock.now()), 100, &staff).await.expect("no concurrent change");

    let refused = ann.checks_out().await.expect(422);
    assert_eq!((refused.code().as_str(), &refused.json()["products"]), ("currency_mismatch", &json!(["mug"])));
    // As long as the cart shows a product from memory.
    shop.clock.advance(SignedDuration::from_secs(2));
    assert_eq!(ann.get("/cart").await.expect(200).json()["subtotal"], usd(500));
    // It can still be changed, and brought back into the shop's currency.
    admin.patch("/admin/products/mug", json!({"name": "Old mug"})).await.expect(200);
    let other = admin.patch("/admin/products/mug", json!({"price": {"amount": 700, "currency": "EUR"}})).await;
    assert_eq!(other.expect(422).code(), "currency_mismatch");
    admin.patch("/admin/products/mug", json!({"price": usd(899)})).await.expect(200);
    ann.checks_out().await.expect(201);
}

#[tokio::test]
async fn no_product_is_written_in_another_currency_than_the_shops() {
    let shop = Shop::open_with(|options| options.policy.currency = Currency::EUR).await;
    let admin = shop.admin().await;
    let price = json!({"amount": 800, "currency": "EUR"});
    let euros = json!({"productId": "tasse", "name": "Tasse", "category": [], "price": price, "stock": 5});

    admin.post("/admin/products", euros).await.expect(201);
    let one = admin.post("/admin/products", mug()).await.expect(422);
    let batch = admin.post("/admin/products/batch", json!({"items": [mug()]})).await.expect(200).json();

    assert_eq!((one.code().as_str(), &one.json()["field"]), ("currency_mismatch", &json!("price")));
    assert_eq!(
        (&batch["items"][0]["outcome"], &batch["items"][0]["code"]),
        (&json!("invalid"), &json!("currency_mismatch"))
    );
    let ann = shop.customer().await;
    ann.adds(&"tasse".parse().expect("an id"), 1).await.expect(200);
    ann.checks_out().await.expect(201);
}

#[tokio::test]
async fn names_in_every_script_are_accepted() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let hindi = "हस्तनिर्मित नीला चीनी मिट्टी का बड़ा प्याला, ढक्कन सहित";
    let names =
        [hindi.to_owned(), "ถ้วย".repeat(50), "می\u{200c}خواهم".to_owned(), "👩\u{200d}👩\u{200d}👧 mug".to_owned()];

    for name in names {
        let mut product = mug();
        product["productId"] = Value::Null;
        product["name"] = json!(name);

        let created = admin.post("/admin/products", product).await.expect(201).json();

        let path = format!("/products/{}", created["productId"].as_str().expect("an id"));
        let shown = shop.customer().await.get(&path).await.expect(200).json();
        assert_eq!(shown["name"], created["name"]);
        assert_eq!(shown["name"].as_str().map(|shown| shown.chars().count()), Some(name.chars().count()), "{name}");
    }
}

#[tokio::test]
async fn a_category_is_the_same_composed_or_decomposed() {
    let shop = Shop::with_stream().await;
    let (admin, ann) = (shop.admin().await, shop.customer().await);
    for (id, category) in [("one", "Café"), ("two", "Cafe\u{301}")] {
        let product = json!({"productId": id, "name": "Cafetie\u{300}re", "category": [category], "price": usd(899)});
        let created = admin.post("/admin/products", product).await.expect(201).json();
        assert_eq!((&created["category"], &created["name"]), (&json!(["Café"]), &json!("Cafetière")));
    }
    shop.drain().await;

    let categories = ann.get("/categories").await.expect(200).json();
    let named: Vec<_> = categories["items"].as_array().expect("a list").iter().map(|c| c["path"].clone()).collect();
    assert_eq!(named, [json!("Café")]);
    for category in ["Caf%C3%A9", "Cafe%CC%81"] {
        let listed = ann.get(&format!("/products?category={category}")).await.expect(200).json();
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{category}");
    }
}

#[tokio::test]
async fn products_of_a_decomposed_category_are_found_after_respelling() {
    let shop = Shop::open().await;
    let (table, now) = (&shop.stack.table, shop.clock.now());
    let before = "Cafe\u{301}/Cre\u{300}me";
    for (id, category) in [("one", before), ("two", "Café/Crème")] {
        let mut builder = shop.product(id);
        builder = builder.spelled_in_category(category);
        builder.create().await;
    }
    let ann = shop.customer().await;
    let count =
        async || ann.get("/products?category=Caf%C3%A9").await.expect(200).json()["items"].as_array().map(Vec::len);
    assert_eq!(count().await, Some(1));

    let staff = "staff".parse().expect("an id");
    let mut written = Vec::new();
    for path in ["Cafe\u{301}", before, "Café"] {
        written.push(table.category_respell(path, &staff, now).await.expect("the table answers"));
    }

    assert_eq!((written, count().await), (vec![1, 0, 0], Some(2)));
    let below = ann.get("/products?category=Caf%C3%A9%2FCr%C3%A8me").await.expect(200).json();
    assert_eq!(below["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_product_and_a_category_older_than_their_validation_are_still_shown() {
    let shop = Shop::with_stream().await;
    let table = &shop.stack.table;
    let now = shop.clock.now();
    let price = domain::Money::price(899, Currency::USD).expect("a price");
    let details = domain::ProductDetails {
        category: domain::CategoryPath::stored("Liv\u{200b}ing"),
        manufacturer: Some(domain::Manufacturer::stored("Pot\u{200b}ter".to_owned())),
        attributes: domain::Attributes::stored([("size".to_owned(), "9\r\ncm".to_owned())].into()),
        ..domain::ProductDetails::new(domain::ProductName::stored("So\u{ad}fa".to_owned()), price)
    };
    let product = domain::Product::new("old".parse().expect("an id"), details, now);
    let record = table::ProductRecord { product: product.clone(), description: None, imported: None };
    table.categories_add(&[product.details.category.clone()].into()).await.expect("the table answers");
    table.product_create(&record, 5, &"staff".parse().expect("an id"), uuid::Uuid::now_v7()).await.expect("it is new");
    shop.drain().await;
    let (admin, ann) = (shop.admin().await, shop.customer().await);

    let shown = ann.get("/products/old").await.expect(200).json();
    let path = ann.get("/categories").await.expect(200).json()["items"][0]["path"].clone();
    let listed = ann.get(&format!("/products?category={}", path.as_str().expect("a path"))).await.expect(200).json();

    assert_eq!((&shown["name"], &shown["attributes"]["size"]), (&json!("So\u{ad}fa"), &json!("9\r\ncm")));
    assert_eq!(listed["items"][0]["productId"], "old");
    ann.adds(&product.id, 1).await.expect(200);
    ann.checks_out().await.expect(201);
    admin.patch("/admin/products/old", json!({"price": usd(900)})).await.expect(200);
}
