//! Staff create, change and delete a product.

use e2e::{Answer, Shop, Shopper, usd};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::join;

use super::{listed, mug, restock};

#[tokio::test]
async fn a_new_product_can_be_read_at_once_and_has_its_defaults() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;

    let created = admin.post("/admin/products", mug()).await.expect(201);
    let read = shop.stranger().get("/products/mug").await.expect(200);

    assert_eq!(created.header("location"), Some("/products/mug"));
    assert_eq!(created.header("etag"), Some("\"1-0-0-0\""));
    assert_eq!(created.json(), read.json());
    let expected = json!({
        "productId": "mug", "name": "Mug", "category": ["Kitchen", "Mugs"], "price": usd(899), "attributes": {},
        "hasDescription": false, "stock": {"available": 0, "inStock": false}, "rating": {"reviews": 0, "averageTenths": null}, "version": 1,
        "createdAt": "2040-01-15T10:00:00.000Z", "updatedAt": "2040-01-15T10:00:00.000Z",
    });
    assert_eq!(read.json(), expected);
}

#[tokio::test]
async fn a_missing_id_is_generated() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let nameless = json!({"name": "Mug", "category": [], "price": usd(899), "stock": 2});

    let (one, two) = join!(admin.post("/admin/products", nameless.clone()), admin.post("/admin/products", nameless));

    let (one, two) = (one.expect(201), two.expect(201));
    assert_ne!(one.json()["productId"], two.json()["productId"]);
    let at = one.header("location").expect("a created product has a place");
    assert_eq!(shop.stranger().get(at).await.expect(200).json()["stock"], json!({"available": 2, "inStock": true}));
}

#[tokio::test]
async fn creating_a_product_that_exists_is_refused_and_leaves_it_alone() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    admin.post("/admin/products", everything()).await.expect(201);
    let before = shop.dump().await;

    let again = admin.post("/admin/products", mug()).await;

    assert_eq!(again.expect(409).code(), "product_exists");
    assert_eq!(shop.dump().await, before);
}

#[tokio::test]
async fn replacing_a_product_removes_what_is_left_out_but_not_its_stock() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let created = admin.post("/admin/products", everything()).await.expect(201).json();
    shop.clock.advance(SignedDuration::from_secs(1));

    let bare = json!({"name": "Bare mug", "category": [], "price": usd(999)});
    let replaced = admin.put("/admin/products/mug", bare).await.expect(200);

    let expected = json!({
        "productId": "mug", "name": "Bare mug", "category": [], "price": usd(999), "attributes": {},
        "hasDescription": false, "stock": {"available": 5, "inStock": true}, "rating": {"reviews": 0, "averageTenths": null}, "version": 2,
        "createdAt": created["createdAt"], "updatedAt": "2040-01-15T10:00:01.000Z",
    });
    assert_eq!(replaced.json(), expected);
    assert_eq!(shop.stranger().get("/products/mug").await.json(), expected);
    assert_eq!(shop.stranger().get("/products/mug/description").await.expect(404).code(), "not_found");
    assert!(listed(&shop, "/featured").await.is_empty());
}

#[tokio::test]
async fn a_patch_leaves_the_rest_and_null_removes() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let mut expected = admin.post("/admin/products", everything()).await.expect(201).json();

    let change = json!({"price": usd(999), "manufacturer": null, "featuredRank": null});
    let patched = admin.patch("/admin/products/mug", change).await.expect(200);

    let fields = expected.as_object_mut().expect("an object");
    fields.extend([("price".to_owned(), usd(999)), ("version".to_owned(), json!(2))]);
    fields.retain(|name, _| !["manufacturer", "featuredRank"].contains(&name.as_str()));
    assert_eq!(patched.json(), expected);
    assert_eq!(shop.stranger().get("/products/mug/description").await.expect(200).text(), "<p>Blue.</p>");
}

#[tokio::test]
async fn a_change_to_an_outdated_version_is_refused() {
    let shop = Shop::open().await;
    shop.product("mug").stock(5).create().await;
    let admin = shop.admin().await;
    restock(&admin, "mug", "restock-number-0001", 1).await.expect(201);

    // A tag has version and stock. Only the version has to match; otherwise every sale would block an edit.
    let first = change_if(&admin, Method::PATCH, "\"1-5\"").await.expect(200);
    let kept = shop.dump().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let stale = change_if(&admin, method.clone(), "\"1-6\"").await;
        assert_eq!(stale.expect(412).code(), "version_mismatch", "{method}");
    }

    assert_eq!(first.header("etag"), Some("\"2-6-0-0\""));
    assert_eq!(shop.dump().await, kept);
    change_if(&admin, Method::PUT, "\"2-6\"").await.expect(200);
    change_if(&admin, Method::PATCH, "*").await.expect(200);
    change_if(&admin, Method::PATCH, "W/\"4-6-0-0\"").await.expect(412);
    change_if(&admin, Method::PATCH, "\"2-6\", W/\"4-6\", \"3\"").await.expect(412);
    change_if(&admin, Method::DELETE, "\"3-6\", \"4-6\"").await.expect(204);
}

#[tokio::test]
async fn of_two_admins_who_change_the_same_version_at_once_one_wins() {
    let shop = Shop::open().await;
    shop.product("mug").priced(899).create().await;
    let (ann, bob) = join!(shop.admin(), shop.admin());
    let dear = |admin: &Shopper, cents| {
        let request = admin.request(Method::PATCH, "/admin/products/mug").header("if-match", "\"1-100\"");
        request.json(&json!({"price": usd(cents)}))
    };

    let (a, b) = join!(ann.send(dear(&ann, 1_000)), bob.send(dear(&bob, 2_000)));

    let (won, lost, price) = if a.status() == 200 { (a, b, 1_000) } else { (b, a, 2_000) };
    assert_eq!(won.expect(200).json()["version"], 2);
    assert_eq!(lost.expect(412).code(), "version_mismatch");
    assert_eq!(shop.stranger().get("/products/mug").await.json()["price"], usd(price));
}

#[tokio::test]
async fn a_deleted_product_is_gone_from_everywhere_and_its_id_can_be_used_again() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    admin.post("/admin/products", everything()).await.expect(201);
    shop.stranger().get("/products/mug").await.expect(200);

    admin.delete("/admin/products/mug").await.expect(204);

    for path in ["/products/mug", "/products/mug/description"] {
        assert_eq!(shop.stranger().get(path).await.expect(404).code(), "not_found");
    }
    for list in ["", "?category=Kitchen", "?category=Kitchen/Mugs", "/featured"] {
        assert!(listed(&shop, list).await.is_empty(), "{list}");
    }
    assert_eq!(admin.delete("/admin/products/mug").await.expect(404).code(), "not_found");
    assert_eq!(admin.patch("/admin/products/mug", json!({})).await.expect(404).code(), "not_found");
    admin.post("/admin/products", mug()).await.expect(201);
    assert_eq!(listed(&shop, "").await, ["mug"]);
}

/// A mug with every field.
fn everything() -> Value {
    json!({
        "productId": "mug", "name": "Mug", "category": ["Kitchen", "Mugs"], "price": usd(899), "stock": 5,
        "description": "<p>Blue.</p>", "thumbnail": "images/mug.svg", "manufacturer": "Potter", "featuredRank": 1,
        "attributes": {"colour": "blue", "volume": 350, "handle": true},
    })
}

/// Changes or deletes the mug, with this `If-Match`.
async fn change_if(admin: &Shopper, method: Method, tag: &str) -> Answer {
    let body = json!({"name": "Changed", "category": [], "price": usd(1)});
    admin.send(admin.request(method, "/admin/products/mug").header("if-match", tag).json(&body)).await
}
