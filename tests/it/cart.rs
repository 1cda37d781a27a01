use e2e::{Shop, engine_counts_like_aws, usd};
use futures::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tokio::join;

/// How long the cart shows what it read of a product.
const SHOWN_FROM_MEMORY: SignedDuration = SignedDuration::from_secs(2);

#[tokio::test]
async fn a_cart_shows_the_current_price_and_stock() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(7).create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 2).await.expect(200);
    admin.patch("/admin/products/mug", json!({"price": usd(950), "name": "Big mug"})).await.expect(200);
    shop.clock.advance(SHOWN_FROM_MEMORY);

    let cart = ann.get("/cart").await.expect(200);

    assert_eq!(cart.header("etag"), Some("\"1\""));
    let item = json!({"productId": "mug", "name": "Big mug", "quantity": 2, "unitPrice": usd(950), "priceWhenAdded": usd(899), "priceChanged": true, "lineTotal": usd(1_900), "available": 7, "status": "available"});
    assert_eq!(cart.json(), json!({"version": 1, "items": [item], "leftOut": [], "subtotal": usd(1_900)}));
}

#[tokio::test]
async fn a_cart_shows_products_of_two_seconds_ago_and_checkout_buys_them_as_they_are() {
    let shop = Shop::open().await;
    let (mug, admin, ann) = (shop.product("mug").stock(7).create().await, shop.admin().await, shop.customer().await);
    ann.adds(&mug, 2).await.expect(200);
    let take = json!({"delta": -6, "reason": "counted"});
    admin.post_once("/admin/products/mug/stock", "stock-was-counted", take).await.expect(201);
    let status = async || ann.get("/cart").await.expect(200).json()["items"][0]["status"].clone();

    shop.clock.advance(SHOWN_FROM_MEMORY - SignedDuration::from_millis(1));
    let remembered = status().await;
    let bought = ann.checks_out().await;
    shop.clock.advance(SignedDuration::from_millis(1));

    assert_eq!((remembered, status().await), (json!("available"), json!("short")));
    assert_eq!(bought.expect(409).code(), "out_of_stock");
}

#[tokio::test]
async fn a_cart_of_18_lines_is_filled_for_60_rru() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mut products = Vec::new();
    for i in 0..18 {
        products.push(shop.product(&format!("p{i:02}")).create().await);
    }

    // The second pause is longer than the cart remembers a product: each answer reads every line again.
    let mut filled = Vec::new();
    for pause in [SignedDuration::from_millis(100), SignedDuration::from_secs(3)] {
        let (ann, mut rru) = (shop.customer().await, 0.0);
        shop.clock.advance(SignedDuration::from_secs(60));
        for product in &products {
            rru += ann.adds(product, 1).await.expect(200).cost().rru;
            shop.clock.advance(pause);
        }
        let cart = ann.get("/cart").await.expect(200);
        assert_eq!(cart.json()["items"].as_array().map(Vec::len), Some(18));
        println!("18 lines, one in {pause:#}: {rru} RRU, and {} to show them", cart.cost().rru);
        filled.push(rru);
    }

    // 2 for session and cart, 0.5 for each product that is not in memory, and 0.5 for the sales if that is a second ago.
    if engine_counts_like_aws() {
        assert!(filled[0] <= 60.0, "{filled:?}");
        assert!(filled[1] <= 135.0, "{filled:?}");
    }
}

#[tokio::test]
async fn a_large_cart_is_read_in_batches_and_then_from_memory() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let ann = shop.customer().await;
    for i in 0..60 {
        let product = shop.product(&format!("p{i:02}")).priced(100 + i).create().await;
        ann.adds(&product, 1).await.expect(200);
    }
    shop.clock.advance(SHOWN_FROM_MEMORY);
    let show = async || {
        let cart = ann.get("/cart").await.expect(200);
        (cart.cost().rru, cart.json())
    };

    let (read, remembered) = (show().await, show().await);

    assert_eq!(read.1, remembered.1);
    let prices = read.1["items"].as_array().unwrap().iter().map(|item| item["unitPrice"].clone());
    assert_eq!(prices.collect::<Vec<_>>(), (100..160).map(usd).collect::<Vec<_>>());
    if engine_counts_like_aws() {
        // 0.5 for each product and its stock, which a batch counts apart, and 0.5 for the sales.
        println!("60 lines: {} RRU, and {} from memory", read.0, remembered.0);
        assert_eq!(read.0 - remembered.0, 60.5);
    }
}

#[tokio::test]
async fn each_cart_line_says_whether_checkout_will_accept_it() {
    let shop = Shop::open().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    for (id, stock) in [("cup", 9), ("jug", 9), ("mug", 9), ("pan", 9)] {
        ann.adds(&shop.product(id).priced(899).stock(stock).create().await, 3).await.expect(200);
    }
    let take = |id: &str, delta: i64| {
        let (path, key) = (format!("/admin/products/{id}/stock"), format!("stock-was-counted-{id}"));
        let admin = &admin;
        async move { admin.post_once(&path, &key, json!({"delta": delta, "reason": "counted"})).await.expect(201) }
    };
    take("jug", -7).await;
    take("mug", -9).await;
    admin.delete("/admin/products/pan").await.expect(204);
    admin.patch("/admin/products/jug", json!({"price": usd(799)})).await.expect(200);
    shop.clock.advance(SHOWN_FROM_MEMORY);

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
    // Changing a line also accepts the current price.
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
async fn a_change_to_an_outdated_cart_is_answered_with_the_current_one() {
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
async fn if_match_takes_several_versions_or_any_but_no_weak_one() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let set_to = async |tags: &[&str], quantity: i64| {
        let request = ann.request(Method::PUT, "/cart/items/mug").json(&json!({"quantity": quantity}));
        ann.send(tags.iter().fold(request, |request, tag| request.header("if-match", *tag))).await
    };

    set_to(&["\"7\", \"1\""], 2).await.expect(200);
    set_to(&["\"7\"", "\"2\""], 3).await.expect(200);
    set_to(&["*"], 4).await.expect(200);
    let weak = set_to(&["W/\"4\""], 5).await.expect(412);
    let none_of_them = set_to(&["\"1\", \"2\", W/\"4\""], 6).await.expect(412);

    assert_eq!((weak.code(), none_of_them.code()), ("version_mismatch".into(), "version_mismatch".into()));
    let cart = ann.get("/cart").await.json();
    assert_eq!((&cart["version"], &cart["items"][0]["quantity"]), (&json!(4), &json!(4)));
}

#[tokio::test]
async fn a_retry_under_the_same_key_adds_nothing_twice() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let ann = shop.customer().await;
    let add = async |key: &str, quantity: i64| {
        ann.post_once("/cart/items", key, json!({"productId": "mug", "quantity": quantity})).await
    };

    let first = add("add-two-blue-mugs", 2).await.expect(200);
    let bare = add("add-two-blue-mugs", 2).await.expect(200);
    let quoted = add("\"add-two-blue-mugs\"", 2).await.expect(200);
    let reused = add("add-two-blue-mugs", 3).await.expect(422);
    let second = add("add-three-blue-mugs", 3).await.expect(200);
    let late = add("add-two-blue-mugs", 2).await.expect(200);

    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), (None, None));
    for (replay, units) in [(&bare, 2), (&quoted, 2), (&late, 5)] {
        assert_eq!(replay.header("idempotency-replayed"), Some("true"));
        assert_eq!(replay.json()["items"][0]["quantity"], units);
    }
    assert_eq!(reused.code(), "idempotency_key_reused");
    assert_eq!((&first.json()["version"], &late.json()["version"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_retry_is_recognised_before_the_version_and_the_product_are_looked_at() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    let add = || {
        let body = json!({"productId": "mug", "quantity": 2});
        let request = ann.request(Method::POST, "/cart/items").header("if-match", "\"1\"");
        ann.send(request.header("idempotency-key", "two-more-of-them").json(&body))
    };
    add().await.expect(200);

    let again = add().await.expect(200);
    admin.delete("/admin/products/mug").await.expect(204);
    let of_what_is_gone = add().await.expect(200);

    assert_eq!((&again.json()["version"], &again.json()["items"][0]["quantity"]), (&json!(2), &json!(3)));
    assert_eq!(of_what_is_gone.json()["items"][0]["quantity"], 3);
}

#[tokio::test]
async fn of_a_hundred_requests_at_once_each_key_counts_once_and_costs_no_extra_write() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").create().await, shop.product("pan").create().await);
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    ann.adds(&pan, 1).await.expect(200);
    let add = |product: &str, key: String| {
        let body = json!({"productId": product, "quantity": 1});
        let request = ann.request(Method::POST, "/cart/items").header("idempotency-key", key).json(&body);
        ann.send(request)
    };

    let same = join_all((0..50).map(|_| add("mug", "one-key-for-them-all".to_owned()))).await;
    let own = join_all((0..50).map(|i| add("pan", format!("a-key-of-its-own-{i}")))).await;
    let last = add("pan", "the-very-last-of-them".to_owned()).await.expect(200);

    assert!(same.iter().chain(&own).all(|a| a.status() == 200));
    assert_eq!(same.iter().filter(|a| a.header("idempotency-replayed").is_none()).count(), 1);
    let cart = ann.get("/cart").await.json();
    assert_eq!((&cart["items"][0]["quantity"], &cart["items"][1]["quantity"]), (&json!(2), &json!(52)));
    assert_eq!(cart["version"], 2 + 1 + 51);
    let stored = shop.dump().await.into_iter().find(|item| item["SK"] == "CART").expect("a cart");
    assert_eq!(stored["remembered"].as_array().map(Vec::len), Some(8));
    if engine_counts_like_aws() {
        assert_eq!(last.cost().wru, 1.0);
    }
}

#[tokio::test]
async fn a_key_is_remembered_over_a_checkout_an_emptied_cart_and_a_login() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let (mut ann, member) = (shop.customer().await, shop.registered().await);
    let email = member.get("/users/me").await.json()["email"].as_str().unwrap().to_owned();
    let body = json!({"productId": "mug", "quantity": 1});
    ann.post_once("/cart/items", "before-the-checkout", body.clone()).await.expect(200);
    ann.checks_out().await.expect(201);
    let after_checkout = ann.post_once("/cart/items", "before-the-checkout", body.clone()).await.expect(200);
    ann.delete("/cart").await.expect(200);
    let after_clearing = ann.post_once("/cart/items", "before-the-checkout", body.clone()).await.expect(200);
    ann.post_once("/cart/items", "before-the-login", body.clone()).await.expect(200);

    ann.logs_in(&email, e2e::PASSWORD).await;
    let after_login = ann.post_once("/cart/items", "before-the-login", body.clone()).await.expect(200);
    let others = ann.post_once("/cart/items", "after-the-login-1", body).await.expect(200);

    assert_eq!((&after_checkout.json()["items"], &after_clearing.json()["items"]), (&json!([]), &json!([])));
    assert_eq!(after_login.header("idempotency-replayed"), Some("true"));
    assert_eq!(after_login.json()["items"][0]["quantity"], 1);
    assert_eq!(others.json()["items"][0]["quantity"], 2);
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
    // Created a moment later.
    let nothing = shop.product("nothing").create().await;
    ann.adds(&nothing, 1).await.expect(200);
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
