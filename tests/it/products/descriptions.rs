//! Descriptions: where they are stored, and what is left out of them.

use aws_sdk_dynamodb::types::AttributeValue;
use e2e::{Answer, Shop, Shopper};
use reqwest::Method;
use serde_json::json;

use super::{mug, stored};

#[tokio::test]
async fn a_description_goes_to_s3_above_1024_bytes_and_not_characters() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let (admin, reader) = (shop.admin().await, shop.stranger());

    for (what, text, in_s3) in [
        ("1,024 bytes", "a".repeat(1_024), false),
        ("1,025 bytes", "a".repeat(1_025), true),
        ("1,024 bytes in 512 characters", "é".repeat(512), false),
        ("1,025 bytes in 513 characters", "é".repeat(512) + "a", true),
    ] {
        let put = describe(&admin, "text/html", text.clone()).await.expect(200);
        let got = reader.get("/products/mug/description").await.expect(200);

        let row = stored(&shop, "META#mug").await;
        let places = ["descriptionS3Key", "description"].map(|name| row.get(name).is_some());
        assert_eq!(places, [in_s3, !in_s3], "{what}");
        assert_eq!([put.cost().s3, got.cost().s3], [f64::from(u8::from(in_s3)); 2], "{what}");
        assert_eq!((got.text(), got.cost().rru), (text.as_str(), 0.5), "{what}");
    }
}

#[tokio::test]
async fn a_description_is_sanitised() {
    let shop = Shop::open().await;
    let (admin, reader) = (shop.admin().await, shop.stranger());
    let mut mug = mug();
    mug["description"] = json!(" <p onclick=\"x()\">Blue</p><script>x()</script> ");

    let created = admin.post("/admin/products", mug).await.expect(201);
    let read = reader.get("/products/mug/description").await.expect(200);

    assert_eq!(created.json()["hasDescription"], true);
    assert_eq!((read.text(), read.header("content-type")), ("<p>Blue</p>", Some("text/html; charset=utf-8")));
    assert_eq!(read.header("x-content-type-options"), Some("nosniff"));
    let policy = read.header("content-security-policy").expect("a policy");
    assert!(policy.split("; ").any(|rule| rule == "sandbox"), "{policy}");

    describe(&admin, "text/html; charset=utf-8", "<b>Red</b><img src=x onerror=x()>").await.expect(200);
    assert_eq!(reader.get("/products/mug/description").await.text(), "<b>Red</b><img src=\"x\">");

    describe(&admin, "text/plain", "1 < 2 & <script>").await.expect(200);
    let plain = reader.get("/products/mug/description").await;
    assert!(!plain.text().contains('<') && plain.text().contains("&lt;script&gt;"), "{}", plain.text());

    let emptied = describe(&admin, "text/html", "<script>x()</script>").await.expect(200);
    assert_eq!(emptied.json()["hasDescription"], false);
    assert_eq!(reader.get("/products/mug/description").await.expect(404).code(), "not_found");
}

#[tokio::test]
async fn a_description_is_at_most_a_mebibyte_of_text() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let admin = shop.admin().await;
    let largest = "a".repeat(1 << 20);

    describe(&admin, "text/html", largest.clone()).await.expect(200);
    let before = shop.dump().await;
    let refused = [
        (describe(&admin, "text/html", format!("{largest}a")).await, 413, "body_too_large"),
        (describe(&admin, "application/json", "\"Blue\"").await, 415, "media_type_unsupported"),
        (describe(&admin, "text/html", &b"\xff"[..]).await, 400, "body_invalid"),
    ];

    for (answer, status, code) in refused {
        assert_eq!(answer.expect(status).code(), code);
    }
    assert_eq!(shop.dump().await, before);
    assert!(shop.stranger().get("/products/mug/description").await.text() == largest);
}

#[tokio::test]
async fn a_damaged_description_is_not_shown() {
    let shop = Shop::open().await;
    shop.product("mug").described(&"x".repeat(2_000)).await.create().await;
    let damage = shop.raw_client().update_item().table_name(shop.table_of("PROD#mug"));
    let damage = damage.key("PK", AttributeValue::S("PROD#mug".to_owned()));
    let damage = damage.key("SK", AttributeValue::S("META#mug".to_owned()));
    let damage = damage.update_expression("SET descriptionSha256 = :other");
    let other = AttributeValue::S("0".repeat(64));
    damage.expression_attribute_values(":other", other).send().await.expect("the engine answers");

    // Without `Answer`, which fails on a 500.
    let request = shop.stranger().request(Method::GET, "/products/mug/description");
    let response = request.send().await.expect("the gateway answers");

    assert_eq!(response.status(), 500);
    let text = response.text().await.expect("the answer arrives whole");
    assert!(text.contains("\"internal\"") && !text.contains("descriptions/") && !text.contains("xxx"), "{text}");
}

#[tokio::test]
async fn pictures_of_a_description_are_loaded_by_https_only() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let (admin, ann) = (shop.admin().await, shop.customer().await);
    let html = "<p>A mug<img src=\"http://plain.example/a.png\"><img src=\"//plain.example/b.png\">\
                <img src=\"https://cdn.example/c.png\"></p>";

    let put =
        admin.request(reqwest::Method::PUT, "/admin/products/mug/description").header("content-type", "text/html");
    admin.send(put.body(html)).await.expect(200);

    let request = ann.request(reqwest::Method::GET, "/products/mug/description");
    let response = request.send().await.expect("the gateway answers");
    let policy = response.headers()["content-security-policy"].to_str().expect("text").to_owned();
    let shown = response.text().await.expect("the answer arrives whole");
    assert_eq!(shown, "<p>A mug<img><img><img src=\"https://cdn.example/c.png\"></p>");
    // The local stack's page sets the sandbox on its frame, and the rest of the policy inside it.
    let page = ann.request(reqwest::Method::GET, "/").send().await.expect("the gateway answers");
    let page = page.text().await.expect("the page arrives whole");
    let in_frame = policy.strip_prefix("sandbox; ").expect("a sandbox");
    assert!(page.contains(&format!("const POLICY = \"{in_frame}\";")), "{policy}");
    assert!(page.contains("<iframe id=\"product-text\" title=\"Description\" sandbox=\"\""));
}

async fn describe(admin: &Shopper, content_type: &str, text: impl Into<reqwest::Body>) -> Answer {
    let request = admin.request(Method::PUT, "/admin/products/mug/description");
    admin.send(request.header("content-type", content_type).body(text)).await
}
