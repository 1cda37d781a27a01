use e2e::{Shop, usd};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::join;

#[tokio::test]
async fn a_cart_shows_the_price_and_stock_of_now() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(7).create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 2).await.expect(200);
    admin.patch("/admin/products/mug", json!({"price": usd(950), "name": "Big mug"})).await.expect(200);

    let cart = ann.get("/cart").await.expect(200);

    assert_eq!(cart.header("etag"), Some("\"1\""));
    let item = json!({"productId": "mug", "name": "Big mug", "quantity": 2, "unitPrice": usd(950), "priceWhenAdded": usd(899), "priceChanged": true, "lineTotal": usd(1_900), "available": 7, "status": "available"});
    assert_eq!(cart.json(), json!({"version": 1, "items": [item], "leftOut": [], "subtotal": usd(1_900)}));
}

#[tokio::test]
async fn a_cart_says_of_each_line_what_checkout_will_say() {
    let shop = Shop::open().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    for (id, stock) in [("cup", 9), ("jug", 9), ("mug", 9), ("pan", 9)] {
        ann.adds(&shop.product(id).priced(899).stock(stock).create().await, 3).await.expect(200);
    }
    let take = |id: &str, delta: i64| {
        let (path, key) = (format!("/admin/products/{id}/stock"), format!("counted-the-shelf-{id}"));
        let admin = &admin;
        async move { admin.post_once(&path, &key, json!({"delta": delta, "reason": "counted"})).await.expect(201) }
    };
    take("jug", -7).await;
    take("mug", -9).await;
    admin.delete("/admin/products/pan").await.expect(204);
    admin.patch("/admin/products/jug", json!({"price": usd(799)})).await.expect(200);

    let cart = ann.get("/cart").await.expect(200);

    let said: Vec<_> = cart.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let of = |name: &str| line[name].clone();
            (of("productId"), of("status"), of("available"), of("priceWhenAdded"), of("priceChanged"))
        })
        .collect();
    let line = |id: &str, status: &str, available: i64, changed: bool| {
        (json!(id), json!(status), json!(available), usd(899), json!(changed))
    };
    let expected = [
        line("cup", "available", 9, false),
        line("jug", "short", 2, true),
        line("mug", "sold_out", 0, false),
        line("pan", "not_sold", 0, false),
    ];
    assert_eq!(said, expected);
    assert_eq!(ann.checks_out().await.status(), 409);
    // Whoever changes the line has seen the price of now.
    let set = ann.put("/cart/items/jug", json!({"quantity": 2})).await.expect(200).json();
    assert_eq!((&set["items"][1]["priceChanged"], &set["items"][1]["status"]), (&json!(false), &json!("available")));
}

#[tokio::test]
async fn a_hundred_tabs_that_add_at_once_all_count() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").create().await, shop.product("pan").create().await);
    let ann = shop.customer().await;

    let adds = (0..100).map(|i| ann.adds(if i % 2 == 0 { &mug } else { &pan }, 1));
    let answers = join_all(adds).await;

    assert!(answers.iter().all(|a| a.status() == 200));
    let cart = ann.get("/cart").await.json();
    assert_eq!(cart["version"], 100);
    assert_eq!((&cart["items"][0]["quantity"], &cart["items"][1]["quantity"]), (&json!(50), &json!(50)));
}

#[tokio::test]
async fn a_client_that_saw_an_older_cart_is_told_the_current_one() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let with_version = |version: &str| {
        let body = json!({"quantity": 5});
        ann.send(ann.request(Method::PUT, "/cart/items/mug").header("if-match", format!("\"{version}\"")).json(&body))
    };

    let (a, b) = join!(with_version("1"), with_version("1"));
    let late = with_version("1").await.expect(412);

    let statuses = [a.status(), b.status()];
    assert!(statuses.contains(&200) && statuses.contains(&412), "{statuses:?}");
    assert_eq!(late.code(), "version_mismatch");
    assert_eq!(late.json()["cart"]["version"], 2);
    assert_eq!(late.json()["cart"]["items"][0]["quantity"], 5);
}

#[tokio::test]
async fn lines_are_set_removed_and_cleared() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").create().await, shop.product("pan").create().await);
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    ann.adds(&pan, 1).await.expect(200);

    let set = ann.put("/cart/items/mug", json!({"quantity": 4})).await.expect(200).json();
    let zero = ann.put("/cart/items/mug", json!({"quantity": 0})).await.expect(200).json();
    let again = ann.delete("/cart/items/mug").await.expect(200).json();
    let cleared = ann.delete("/cart").await.expect(200).json();

    assert_eq!(set["items"][0]["quantity"], 4);
    assert_eq!(zero["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(again, zero);
    assert_eq!((&cleared["items"], &cleared["subtotal"]), (&json!([]), &usd(0)));
}

#[tokio::test]
async fn a_line_holds_9999_units_and_not_one_more() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 9_999).await.expect(200);

    let over = ann.adds(&mug, 1).await;

    assert_eq!(over.expect(422).code(), "quantity_out_of_range");
    assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 9_999);
}

#[tokio::test]
async fn adding_what_is_not_sold_is_refused() {
    let shop = Shop::open().await;
    shop.product("pounds").priced_in(500, domain::Currency::GBP).create().await;
    let ann = shop.customer().await;

    let unknown = ann.post("/cart/items", json!({"productId": "nothing", "quantity": 1})).await;
    let foreign = ann.post("/cart/items", json!({"productId": "pounds", "quantity": 1})).await;

    assert_eq!(unknown.expect(404).code(), "not_found");
    assert_eq!(foreign.expect(422).code(), "currency_mismatch");
    assert_eq!(ann.get("/cart").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_guests_cart_expires_after_30_days_and_a_customers_does_not() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (guest, customer) = (shop.customer().await, shop.registered().await);
    guest.adds(&mug, 1).await.expect(200);
    customer.adds(&mug, 1).await.expect(200);

    let carts: Vec<_> = shop.dump().await.into_iter().filter(|i| i["SK"] == "CART").collect();

    let of = |uid: &str| carts.iter().find(|c| c["PK"] == format!("USER#{uid}")).unwrap()["expiresAt"].clone();
    assert_eq!(of(&guest.uid), shop.clock.now().as_second() + 30 * 24 * 3_600);
    assert_eq!(of(&customer.uid), json!(null));
}

#[tokio::test]
async fn an_addition_during_checkout_is_never_lost() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").stock(1_000).create().await;
    for round in 0..20 {
        let ann = shop.customer().await;
        ann.adds(&mug, 1).await.expect(200);

        let key = format!("racing-checkout-{round}");
        let (order, added) = join!(ann.pays_with("tok_visa", &key), ann.adds(&mug, 1));

        added.expect(200);
        let left: i64 = ann.get("/cart").await.json()["items"][0]["quantity"].as_i64().unwrap_or(0);
        let bought = order.json()["items"][0]["quantity"].as_i64().unwrap_or(0);
        assert_eq!(left + bought, 2, "round {round}: {} {}", order.status(), order.text());
    }
}
