//! Requests that no honest client sends: each is refused with its own code, and changes nothing.

use e2e::{Shop, Shopper, usd, with};
use jiff::SignedDuration;
use reqwest::{Body, Method, RequestBuilder, header::HeaderValue};
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef";

/// Every route of products, cart and orders that takes JSON.
const JSON_ROUTES: [(Method, &str); 8] = [
    (Method::POST, "/admin/products"),
    (Method::PUT, "/admin/products/mug"),
    (Method::PATCH, "/admin/products/mug"),
    (Method::POST, "/admin/products/batch"),
    (Method::POST, "/admin/products/mug/stock"),
    (Method::POST, "/cart/items"),
    (Method::PUT, "/cart/items/mug"),
    (Method::POST, "/orders"),
];

#[tokio::test]
async fn every_route_refuses_a_body_it_cannot_read() {
    let scene = Scene::set().await;
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let bodies: [(&str, &[u8], &str); 10] = [
        ("nothing", b"", "json_invalid"),
        ("half an object", b"{", "json_invalid"),
        ("not UTF-8", b"{\"\xff\":1}", "json_invalid"),
        ("a NUL", b"\0", "json_invalid"),
        ("null", b"null", "body_invalid"),
        ("a number", b"7", "body_invalid"),
        ("a text", br#""mug""#, "body_invalid"),
        ("an empty list", b"[]", "body_invalid"),
        ("an unknown field", br#"{"colour":"blue"}"#, "body_invalid"),
        ("10,000 lists in one another", deep.as_bytes(), "json_too_deep"),
    ];

    for (method, path) in JSON_ROUTES {
        for (what, body, code) in bodies {
            scene.refuses(what, scene.raw(&method, path, body.to_vec()), 400, code).await;
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            let request = scene.ask(&method, path).header("idempotency-key", KEY).body("{}");
            scene.refuses(kind, request.header("content-type", kind), 415, "media_type_unsupported").await;
        }
    }
}

#[tokio::test]
async fn every_route_refuses_a_body_one_byte_above_its_limit() {
    let scene = Scene::set().await;
    let padded = |bytes: usize| format!("{{}}{}", " ".repeat(bytes - 2));

    for (method, path) in JSON_ROUTES {
        let limit = if path == "/admin/products/batch" { 1 << 20 } else { 1 << 16 };
        let (most, more) = (padded(limit), padded(limit + 1));
        scene.refuses("a byte more", scene.raw(&method, path, more), 413, "body_too_large").await;
        match path {
            "/orders" => {
                scene.refuses("read, but empty", scene.raw(&method, path, most), 422, "address_required").await
            }
            _ if method == Method::PATCH => {}
            _ => scene.refuses("read, but empty", scene.raw(&method, path, most), 400, "body_invalid").await,
        }
    }
}

#[tokio::test]
async fn a_list_is_not_taken_for_an_object() {
    let scene = Scene::set().await;

    for (method, path, body) in [
        (Method::POST, "/cart/items", json!(["mug", 1])),
        (Method::PUT, "/cart/items/mug", json!([3])),
        (Method::POST, "/admin/products/mug/stock", json!([5, "restock"])),
        (Method::POST, "/orders", json!([["tok_visa"], null, null])),
    ] {
        let request = scene.raw(&method, path, body.to_string());
        scene.refuses(&body.to_string(), request, 400, "body_invalid").await;
    }
}

#[tokio::test]
async fn a_product_is_refused_for_each_field_that_breaks_a_rule() {
    let scene = Scene::set().await;
    let many: Value = (0..33).map(|i| (format!("a{i}"), json!("x"))).collect();
    let price = |amount: Value, currency: &str| json!({"amount": amount, "currency": currency});
    let cases = [
        ("name", json!(""), 422, "name_invalid"),
        ("name", json!(" \t "), 422, "name_invalid"),
        ("name", json!("x".repeat(201)), 422, "name_invalid"),
        ("name", json!("é".repeat(201)), 422, "name_invalid"),
        ("name", json!("Mug\u{200b}"), 422, "name_invalid"),
        ("name", json!("\u{feff}Mug"), 422, "name_invalid"),
        ("name", json!("\u{202e}guM"), 422, "name_invalid"),
        ("name", json!("a\u{0}b"), 422, "name_invalid"),
        ("name", json!(7), 400, "body_invalid"),
        ("category", json!(["1", "2", "3", "4", "5"]), 422, "category_invalid"),
        ("category", json!(["Kitchen", ""]), 422, "category_invalid"),
        ("category", json!(["x".repeat(101)]), 422, "category_invalid"),
        ("category", json!(["Kit\u{200b}chen"]), 422, "category_invalid"),
        ("category", json!(vec!["ถ".repeat(100); 4]), 422, "category_invalid"),
        ("category", json!("Kitchen/Mugs"), 400, "body_invalid"),
        ("price", json!("8.99"), 400, "body_invalid"),
        ("price", json!({"amount": 899}), 400, "body_invalid"),
        ("price", json!({"amount": 899, "currency": "USD", "decimals": 2}), 400, "body_invalid"),
        ("price", price(json!("899"), "USD"), 400, "body_invalid"),
        ("price", price(json!(8.99), "USD"), 400, "body_invalid"),
        ("price", price(json!(899.0), "USD"), 400, "body_invalid"),
        ("price", price(json!(1_u64 << 63), "USD"), 400, "body_invalid"),
        ("price", price(json!(-1), "USD"), 422, "price_out_of_range"),
        ("price", price(json!(1_u64 << 53), "USD"), 422, "price_out_of_range"),
        ("price", price(json!(i64::MAX), "USD"), 422, "price_out_of_range"),
        ("price", price(json!(899), "XXX"), 422, "currency_invalid"),
        ("price", price(json!(899), "usd"), 422, "currency_invalid"),
        ("price", price(json!(899), ""), 422, "currency_invalid"),
        ("price", price(json!(899), "EUR"), 422, "currency_mismatch"),
        ("thumbnail", json!("javascript:alert(1)"), 422, "thumbnail_invalid"),
        ("thumbnail", json!("http://plain.example/mug.png"), 422, "thumbnail_invalid"),
        ("thumbnail", json!(""), 422, "thumbnail_invalid"),
        ("manufacturer", json!("x".repeat(101)), 422, "manufacturer_invalid"),
        ("manufacturer", json!("Pot\u{ad}ter"), 422, "manufacturer_invalid"),
        ("attributes", many, 422, "attributes_invalid"),
        ("attributes", json!({"": "x"}), 422, "attributes_invalid"),
        ("attributes", json!({"size": "9\u{0}"}), 422, "attributes_invalid"),
        ("attributes", json!({"size": "9\r\ncm"}), 422, "attributes_invalid"),
        ("attributes", json!({"size": "9\u{200b}"}), 422, "attributes_invalid"),
        ("attributes", json!({"si\u{200b}ze": "9"}), 422, "attributes_invalid"),
        ("attributes", json!({"size": {"cm": 9}}), 422, "attributes_invalid"),
        ("attributes", json!({"size": "x".repeat(1_536)}), 422, "attributes_invalid"),
        ("attributes", json!(["blue"]), 400, "body_invalid"),
        ("featuredRank", json!(-1), 400, "body_invalid"),
        ("featuredRank", json!(1_u64 << 32), 400, "body_invalid"),
        ("featuredRank", json!(1.5), 400, "body_invalid"),
        ("version", json!(7), 400, "body_invalid"),
        ("createdAt", json!("2040-01-01T00:00:00Z"), 400, "body_invalid"),
    ];
    let of_new = [
        ("productId", json!("a#b"), 400, "id_invalid"),
        ("productId", json!("a\u{0}b"), 400, "id_invalid"),
        ("productId", json!("a/b"), 400, "id_invalid"),
        ("productId", json!("x".repeat(65)), 400, "id_invalid"),
        ("productId", json!(""), 400, "id_invalid"),
        ("productId", json!(7), 400, "body_invalid"),
        ("stock", json!(-1), 422, "stock_out_of_range"),
        ("stock", json!(1_000_000_001), 422, "stock_out_of_range"),
        ("stock", json!(1.5), 400, "body_invalid"),
    ];

    for (field, value, status, code) in &cases {
        let mut product = json!({"name": "New", "category": [], "price": usd(1)});
        product[*field] = value.clone();
        scene.refuses_json(Method::POST, "/admin/products", &product, *status, code).await;
        scene.refuses_json(Method::PUT, "/admin/products/mug", &product, *status, code).await;
        scene.refuses_json(Method::PATCH, "/admin/products/mug", &json!({*field: value}), *status, code).await;
    }
    for (field, value, status, code) in &of_new {
        let mut product = json!({"name": "New", "category": [], "price": usd(1)});
        product[*field] = value.clone();
        scene.refuses_json(Method::POST, "/admin/products", &product, *status, code).await;
        scene.refuses_json(Method::PUT, "/admin/products/mug", &product, 400, "body_invalid").await;
    }
}

#[tokio::test]
async fn a_cart_a_restock_and_a_checkout_are_refused_for_each_field_that_breaks_a_rule() {
    let scene = Scene::set().await;
    let item = |quantity: Value| json!({"productId": "mug", "quantity": quantity});
    let of = |id: &str| json!({"productId": id, "quantity": 1});
    let moved = |delta: Value, reason: &str| json!({"delta": delta, "reason": reason});
    let paid = |token: Value| json!({"payment": {"token": token}});
    let free = scene.ann.free_checkout();
    let with = |field: &str, value: Value| with(scene.ann.checkout("tok_visa"), field, value);
    let line = |name: &str, value: Value| {
        let mut address = free["shippingAddress"].clone();
        address[name] = value;
        address
    };
    let saved = |id: &str| {
        let mut body = with("shippingAddress", Value::Null);
        body["shippingAddressId"] = json!(id);
        body
    };
    let (add, set, stock) = ("/cart/items", "/cart/items/mug", "/admin/products/mug/stock");
    let too_big = json!(1_u64 << 63);
    let cases = [
        (add, item(json!(0)), 422, "quantity_out_of_range"),
        (add, item(json!(-1)), 422, "quantity_out_of_range"),
        (add, item(json!(10_000)), 422, "quantity_out_of_range"),
        (add, item(json!(i64::MAX)), 422, "quantity_out_of_range"),
        // Two are in the cart already.
        (add, item(json!(9_998)), 422, "quantity_out_of_range"),
        (add, item(too_big.clone()), 400, "body_invalid"),
        (add, item(json!("1")), 400, "body_invalid"),
        (add, item(json!(1.5)), 400, "body_invalid"),
        (add, json!({"productId": "mug"}), 400, "body_invalid"),
        (add, json!({"productId": "mug", "quantity": 1, "price": usd(1)}), 400, "body_invalid"),
        (add, of("a#b"), 400, "id_invalid"),
        (add, of("a\u{0}b"), 400, "id_invalid"),
        (add, of(&"x".repeat(65)), 400, "id_invalid"),
        (add, of("gone"), 404, "not_found"),
        (set, json!({"quantity": -1}), 422, "quantity_out_of_range"),
        (set, json!({"quantity": 10_000}), 422, "quantity_out_of_range"),
        (set, json!({"quantity": too_big}), 400, "body_invalid"),
        ("/cart/items/gone", json!({"quantity": 1}), 404, "not_found"),
        (stock, moved(json!(0), "restock"), 422, "delta_out_of_range"),
        (stock, moved(json!(1_000_000_001), "restock"), 422, "delta_out_of_range"),
        (stock, moved(json!(i64::MIN), "restock"), 422, "delta_out_of_range"),
        (stock, moved(json!(1.5), "restock"), 400, "body_invalid"),
        (stock, moved(json!(1), ""), 422, "reason_invalid"),
        (stock, moved(json!(1), "two\nlines"), 422, "reason_invalid"),
        (stock, moved(json!(1), &"x".repeat(201)), 422, "reason_invalid"),
        ("/orders", json!({}), 422, "address_required"),
        ("/orders", free.clone(), 422, "payment_missing"),
        ("/orders", with("payment", Value::Null), 422, "payment_missing"),
        ("/orders", json!({"payment": {}}), 400, "body_invalid"),
        ("/orders", paid(json!("")), 422, "payment_token_invalid"),
        ("/orders", paid(json!("x".repeat(256))), 422, "payment_token_invalid"),
        ("/orders", paid(json!("tok visa")), 422, "payment_token_invalid"),
        ("/orders", paid(json!(7)), 400, "body_invalid"),
        ("/orders", with("total", usd(1)), 400, "body_invalid"),
        ("/orders", saved("a#b"), 400, "id_invalid"),
        ("/orders", saved("nowhere"), 404, "not_found"),
        ("/orders", with("shippingAddressId", json!("home")), 422, "address_invalid"),
        ("/orders", with("shippingAddress", Value::Null), 422, "address_required"),
        ("/orders", with("shippingAddress", line("line1", json!(" "))), 422, "address_invalid"),
        ("/orders", with("shippingAddress", line("country", json!("UK"))), 422, "country_invalid"),
        ("/orders", with("shippingAddress", line("phone", json!("call me"))), 422, "phone_invalid"),
        ("/orders", with("shippingAddress", line("planet", json!("Mars"))), 400, "body_invalid"),
        ("/orders", with("billingAddress", line("city", json!(""))), 422, "address_invalid"),
        ("/orders", with("billingAddressId", json!("nowhere")), 404, "not_found"),
        ("/orders", with("contact", Value::Null), 422, "contact_required"),
        ("/orders", with("contact", json!({"email": "no-email"})), 422, "email_invalid"),
        ("/orders", with("contact", json!({"email": "ann@example.com", "name": "A\u{200b}nn"})), 422, "name_invalid"),
        ("/orders", with("contact", json!({"email": "ann@example.com", "phone": "1"})), 422, "phone_invalid"),
        ("/orders", with("contact", json!({"name": "Ann"})), 400, "body_invalid"),
        ("/orders", with("contact", json!("ann@example.com")), 400, "body_invalid"),
        ("/orders", with("expectedTotal", usd(1_797)), 409, "price_changed"),
        ("/orders", with("expectedTotal", json!({"amount": 1_798, "currency": "EUR"})), 409, "price_changed"),
        ("/orders", with("expectedTotal", json!({"amount": 1_798, "currency": "usd"})), 422, "currency_invalid"),
        ("/orders", with("expectedTotal", json!({"amount": 17.98, "currency": "USD"})), 400, "body_invalid"),
    ];

    for (path, body, status, code) in &cases {
        let method = if path.starts_with("/cart/items/") { Method::PUT } else { Method::POST };
        scene.refuses_json(method, path, body, *status, code).await;
    }
    // The key was never used up, and the right total is charged.
    let order = scene.ann.post_once("/orders", KEY, with("expectedTotal", usd(1_798))).await.expect(201).json();
    assert_eq!(order["total"], usd(1_798));
    assert_eq!(scene.ann.checks_out().await.expect(409).code(), "cart_empty");
}

#[tokio::test]
async fn a_malformed_id_in_a_path_is_refused_on_every_route() {
    let scene = Scene::set().await;
    let too_long = "x".repeat(65);
    let ids = ["a%23b", "%00", "a%00b", "a%2Fb", "a%20b", "caf%C3%A9", "%FF", &too_long];

    for id in ids {
        for (method, path) in [
            (Method::GET, format!("/products/{id}")),
            (Method::GET, format!("/products/{id}/description")),
            (Method::PUT, format!("/admin/products/{id}")),
            (Method::PATCH, format!("/admin/products/{id}")),
            (Method::DELETE, format!("/admin/products/{id}")),
            (Method::PUT, format!("/admin/products/{id}/description")),
            (Method::POST, format!("/admin/products/{id}/stock")),
            (Method::PUT, format!("/cart/items/{id}")),
            (Method::DELETE, format!("/cart/items/{id}")),
            (Method::GET, format!("/orders/{id}")),
        ] {
            scene.refuses(&path, scene.raw(&method, &path, "{}"), 400, "id_invalid").await;
        }
    }
    for id in ["018CC251-F400-7000-8000-000000000000", "018cc251-f400-4000-8000-000000000000", "7"] {
        scene.refuses(id, scene.ask(&Method::GET, &format!("/orders/{id}")), 400, "id_invalid").await;
    }
    let unknown = "/orders/018cc251-f400-7000-8000-000000000000";
    scene.refuses(unknown, scene.ask(&Method::GET, unknown), 404, "not_found").await;
}

#[tokio::test]
async fn an_invalid_query_is_refused() {
    let scene = Scene::set().await;

    for (path, status, code) in [
        ("/products?limit=0", 400, "limit_out_of_range"),
        ("/products?limit=101", 400, "limit_out_of_range"),
        ("/products?limit=-1", 400, "limit_out_of_range"),
        ("/products?limit=abc", 400, "query_invalid"),
        ("/products?limit=1.5", 400, "query_invalid"),
        ("/products?limit=9223372036854775808", 400, "query_invalid"),
        ("/products?limit=1&limit=2", 400, "query_invalid"),
        ("/products?sort=name", 400, "sort_invalid"),
        ("/products?sort=", 400, "sort_invalid"),
        ("/products?minPrice=2&maxPrice=1", 400, "price_range_invalid"),
        ("/products?minPrice=-1", 400, "price_range_invalid"),
        ("/products?maxPrice=10000000001", 400, "price_range_invalid"),
        ("/products?minPrice=8.99", 400, "query_invalid"),
        ("/products?category=", 422, "category_invalid"),
        ("/products?category=Kitchen//Mugs", 422, "category_invalid"),
        ("/products?category=1/2/3/4/5", 422, "category_invalid"),
        ("/products?category=a%00b", 422, "category_invalid"),
        ("/orders?limit=0", 400, "limit_out_of_range"),
        ("/orders?limit=101", 400, "limit_out_of_range"),
        ("/admin/orders?limit=0", 400, "limit_out_of_range"),
        ("/admin/orders?day=2040-1-5", 400, "day_invalid"),
        ("/admin/orders?state=lost", 400, "state_invalid"),
        ("/admin/orders?state=confirmed&limit=101", 400, "limit_out_of_range"),
        ("/admin/orders?state=confirmed&day=2040-13-01", 400, "day_invalid"),
        ("/admin/orders?state=confirmed&day=2040-1-5", 400, "day_invalid"),
        ("/admin/orders?state=pending_payment&day=2040-01-15", 400, "day_invalid"),
        ("/admin/orders?number=7K3QX-94M2", 422, "order_number_invalid"),
        ("/admin/orders?number=", 422, "order_number_invalid"),
        ("/admin/orders?email=ann", 422, "email_invalid"),
        ("/admin/orders?reference=a%23b", 400, "id_invalid"),
        ("/admin/orders?customer=a%23b", 400, "id_invalid"),
        ("/admin/orders?customer=ann&state=lost", 400, "state_invalid"),
        ("/admin/orders?customer=ann&day=2040-01-15", 400, "search_invalid"),
        ("/admin/orders?customer=ann&email=ann@example.com", 400, "search_invalid"),
        ("/admin/orders?number=7K3QX-94M2A&reference=pi_1&email=x", 400, "search_invalid"),
        ("/admin/orders?number=7K3QX-94M2A&number=7K3QX-94M2A", 400, "query_invalid"),
    ] {
        scene.refuses(path, scene.ask(&Method::GET, path), status, code).await;
    }
}

#[tokio::test]
async fn the_detail_says_what_is_wrong_with_a_query() {
    let shop = Shop::open().await;

    let no_number = shop.stranger().get("/products?limit=abc").await.expect(400).json();
    let twice = shop.stranger().get("/products?limit=1&limit=2").await.expect(400).json();

    assert_eq!(no_number["detail"], "limit: must be a whole number in range");
    assert_eq!(twice["detail"], "limit: repeated field");
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_know_is_ignored_on_every_route() {
    let scene = Scene::set().await;
    let ads = "utm_source=newsletter&utm_source=mail&fbclid=x%FF&_=1&state=confirmed";
    let of_ann = scene.ann.get("/orders?limit=100").await.expect(200).json();
    let order = of_ann["items"][0]["orderId"].as_str().expect("an order").to_owned();

    for path in [
        "/products",
        "/products?limit=5",
        "/products?category=Kitchen",
        "/products/featured",
        "/products/mug",
        "/categories",
        "/cart",
        "/orders",
        "/orders?limit=1",
        &format!("/orders/{order}"),
        "/users/me",
        "/users/me/addresses",
        "/sessions",
        "/admin/orders?day=2040-01-15",
        &format!("/admin/orders/{order}"),
    ] {
        let with = format!("{path}{}{ads}", if path.contains('?') { '&' } else { '?' });
        let plain =
            if path.starts_with("/admin/orders?") { format!("{path}&state=confirmed") } else { path.to_owned() };
        let answer = scene.ann.send(scene.ask(&Method::GET, &with)).await.expect(200).json();

        let mut expected = scene.ann.send(scene.ask(&Method::GET, &plain)).await.expect(200).json();
        if answer["nextCursor"].is_string() {
            expected["nextCursor"] = answer["nextCursor"].clone();
        }
        assert_eq!(answer, expected, "{with}");
    }
    for known in ["/products?limit=0", "/products?sort=name", "/orders?limit=abc", "/orders?limit=1&limit=2"] {
        assert_eq!(scene.ann.get(&format!("{known}&{ads}")).await.status(), 400, "{known}");
    }
}

#[tokio::test]
async fn a_cursor_continues_the_list_it_was_given_for_and_no_other() {
    let scene = Scene::set().await;
    let next = async |path: &str| {
        let page = scene.ann.get(path).await.expect(200).json();
        page["nextCursor"].as_str().expect("there is more").to_owned()
    };
    let all = next("/products?limit=1").await;
    let kitchen = next("/products?limit=1&category=Kitchen").await;
    let orders = next("/orders?limit=1").await;
    let (flipped, cut, long) = (flipped(&all), &all[..all.len() - 4], "A".repeat(1_025));

    for (what, path) in [
        ("flipped", format!("/products?cursor={flipped}")),
        ("cut", format!("/products?cursor={cut}")),
        ("too long", format!("/products?cursor={long}")),
        ("empty", "/products?cursor=".to_owned()),
        ("no base64", "/products?cursor=%2A%2A%2A%2A".to_owned()),
        ("of a category", format!("/products?cursor={kitchen}")),
        ("of all", format!("/products?category=Kitchen&cursor={all}")),
        ("of the category above", format!("/products?category=Kitchen/Mugs&cursor={kitchen}")),
        ("of the other direction", format!("/products?sort=-price&cursor={all}")),
        ("of another price range", format!("/products?minPrice=1&cursor={all}")),
        ("of orders", format!("/products?cursor={orders}")),
        ("of products", format!("/orders?cursor={all}")),
        ("of products, for staff", format!("/admin/orders?state=confirmed&cursor={all}")),
        ("of a customer, for staff", format!("/admin/orders?state=confirmed&cursor={orders}")),
    ] {
        scene.refuses(what, scene.ask(&Method::GET, &path), 400, "cursor_invalid").await;
    }
    let (of_ann, of_all) = (format!("/orders?cursor={orders}"), format!("/products?cursor={all}"));
    scene.refuses("somebody else's", scene.admin.request(Method::GET, &of_ann), 400, "cursor_invalid").await;
    scene.ann.get(&of_ann).await.expect(200);
    scene.ann.get(&of_all).await.expect(200);
    scene.shop.clock.advance(SignedDuration::from_hours(24));
    scene.refuses("a day old", scene.ask(&Method::GET, &of_all), 400, "cursor_invalid").await;
}

#[tokio::test]
async fn headers_that_are_malformed_doubled_or_too_large_are_refused() {
    let scene = Scene::set().await;
    let (patch, put, post) = (Method::PATCH, Method::PUT, Method::POST);
    let order = || scene.ask(&post, "/orders").json(&scene.ann.checkout("tok_visa"));
    let restock = || scene.ask(&post, "/admin/products/mug/stock").json(&json!({"delta": 1, "reason": "restock"}));
    let rename = || scene.ask(&patch, "/admin/products/mug").json(&json!({"name": "New"}));
    let set = || scene.ask(&put, "/cart/items/mug").json(&json!({"quantity": 3}));

    for tag in ["", "1", "\"", "\"1\" \"2\"", "*, \"1\"", "w/\"1\""] {
        scene.refuses(tag, rename().header("if-match", tag), 400, "if_match_invalid").await;
        scene.refuses(tag, set().header("if-match", tag), 400, "if_match_invalid").await;
        let delete = scene.ask(&Method::DELETE, "/admin/products/mug").header("if-match", tag);
        scene.refuses(tag, delete, 400, "if_match_invalid").await;
    }
    for tag in ["\"\"", "\"one\"", "W/\"1-10-0-0\"", "W/\"5\"", "\"98\", \"99\"", "\"-1\"", "\"18446744073709551616\""]
    {
        scene.refuses(tag, rename().header("if-match", tag), 412, "version_mismatch").await;
        scene.refuses(tag, set().header("if-match", tag), 412, "version_mismatch").await;
        let delete = scene.ask(&Method::DELETE, "/admin/products/mug").header("if-match", tag);
        scene.refuses(tag, delete, 412, "version_mismatch").await;
    }
    scene.refuses("other version", rename().header("if-match", "\"2-10\""), 412, "version_mismatch").await;
    scene.refuses("other version", set().header("if-match", "\"99\""), 412, "version_mismatch").await;

    let (short, long) = ("k".repeat(15), "k".repeat(65));
    for key in ["", &short, &long, "0123456789 abcdef", "0123456789#abcdef", "\"0123456789abcdef", "\"\""] {
        scene.refuses(key, order().header("idempotency-key", key), 400, "idempotency_key_invalid").await;
        scene.refuses(key, restock().header("idempotency-key", key), 400, "idempotency_key_invalid").await;
    }
    let not_ascii = HeaderValue::from_bytes(b"0123456789abcde\xff").expect("a header value");
    scene.refuses("not ASCII", order().header("idempotency-key", not_ascii), 400, "idempotency_key_invalid").await;
    scene.refuses("no key", order(), 400, "idempotency_key_missing").await;
    scene.refuses("no key", restock(), 400, "idempotency_key_missing").await;

    let keyed = || order().header("idempotency-key", KEY);
    let token = scene.ann.token.as_deref().expect("a session");
    for (what, request) in [
        ("idempotency-key", keyed().header("idempotency-key", KEY)),
        ("authorization", keyed().bearer_auth(token)),
        ("content-type", keyed().header("content-type", "application/json")),
    ] {
        scene.refuses(what, request, 400, "header_duplicated").await;
    }
    let large = keyed().header("x-filler", "x".repeat(8 * 1024));
    scene.refuses("above 8 KiB", large, 431, "headers_too_large").await;
    scene.ann.send(keyed().header("x-filler", "x".repeat(7 * 1024))).await.expect(201);
}

#[tokio::test]
async fn an_unknown_route_is_answered_404_and_an_unknown_method_405() {
    let scene = Scene::set().await;

    for path in ["/nope", "/products/", "/products/mug/nope", "/admin", "/admin/products/mug/stock/1", "/cart/items/"] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            scene.refuses(path, scene.ask(&method, path), 404, "not_found").await;
        }
    }
    for (method, path) in [
        (Method::PATCH, "/products"),
        (Method::DELETE, "/products/mug"),
        (Method::POST, "/products/featured"),
        (Method::GET, "/admin/products"),
        (Method::POST, "/admin/products/mug"),
        (Method::POST, "/cart"),
        (Method::GET, "/cart/items"),
        (Method::PUT, "/orders"),
        (Method::DELETE, "/categories"),
    ] {
        scene.refuses(path, scene.ask(&method, path), 405, "method_not_allowed").await;
    }
}

/// A shop with two products, and Ann: a guest with two orders and two mugs for 17.98 in her cart.
struct Scene {
    shop: Shop,
    admin: Shopper,
    ann: Shopper,
    before: Vec<Value>,
}

impl Scene {
    async fn set() -> Self {
        let shop = Shop::open_with(|options| options.policy.rates = None).await;
        let mug = shop.product("mug").priced(899).stock(12).in_category("Kitchen/Mugs").create().await;
        shop.product("cup").priced(500).in_category("Kitchen/Mugs").create().await;
        let (admin, ann) = (shop.admin().await, shop.customer().await);
        for _ in 0..2 {
            ann.adds(&mug, 1).await.expect(200);
            ann.checks_out().await.expect(201);
        }
        ann.adds(&mug, 2).await.expect(200);
        let before = kept(&shop).await;
        Self { shop, admin, ann, before }
    }

    /// A request by the admin where only an admin may ask, otherwise by Ann.
    fn ask(&self, method: &Method, path: &str) -> RequestBuilder {
        let who = if path.starts_with("/admin") { &self.admin } else { &self.ann };
        who.request(method.clone(), path)
    }

    /// A request whose body is sent as JSON, valid or not, with every header that a route may require.
    fn raw(&self, method: &Method, path: &str, body: impl Into<Body>) -> RequestBuilder {
        let request = self.ask(method, path).header("idempotency-key", KEY);
        request.header("content-type", "application/json").body(body)
    }

    async fn refuses_json(&self, method: Method, path: &str, body: &Value, status: u16, code: &str) {
        let body = body.to_string();
        self.refuses(&body, self.raw(&method, path, body.clone()), status, code).await;
    }

    /// Fails unless the answer is exactly this problem and the table is unchanged.
    async fn refuses(&self, what: &str, request: RequestBuilder, status: u16, code: &str) {
        let copy = request.try_clone().expect("no body is a stream").build().expect("a request");
        let what = format!("{} {:.100}: {what:.200}", copy.method(), copy.url().path());

        let answer = self.ann.send(request).await;

        assert_eq!(answer.status(), status, "{what} was answered {}", answer.text());
        assert_eq!(answer.code(), code, "{what} was answered {}", answer.text());
        assert!(kept(&self.shop).await == self.before, "{what} was refused, but changed the table");
    }
}

/// Every item but sessions and rate counters, which any request may touch.
async fn kept(shop: &Shop) -> Vec<Value> {
    let fleeting = |key: &Value| key.as_str().is_some_and(|k| k.starts_with("SESSION#") || k.starts_with("RATE#"));
    let mut items = shop.dump().await;
    items.retain(|item| !fleeting(&item["PK"]) && !fleeting(&item["SK"]));
    items
}

/// The cursor with another character in its middle.
fn flipped(cursor: &str) -> String {
    let (head, tail) = cursor.split_at(40);
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    format!("{head}{other}{}", &tail[1..])
}
