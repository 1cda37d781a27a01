//! Shipping with a carrier and a tracking number.

use e2e::{Answer, Shop, Shopper};
use serde_json::{Value, json};

const URL: &str = "https://carrier.example/parcels/JJD0003";

async fn paid(shop: &Shop, product: &str) -> (Shopper, String) {
    let mug = shop.product(product).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let order = ann.checks_out().await.expect(201).json()["orderId"].as_str().unwrap().to_owned();
    (ann, order)
}

async fn ships(admin: &Shopper, order: &str, key: &str, body: Value) -> Answer {
    admin.post_once(&format!("/admin/orders/{order}/ship"), key, body).await
}

#[tokio::test]
async fn a_customer_sees_carrier_and_tracking_of_a_shipped_order_and_no_other_parcel_replaces_it() {
    let shop = Shop::open().await;
    let ((ann, order), admin) = (paid(&shop, "mug").await, shop.admin().await);
    let parcel = json!({"carrier": " DHL ", "trackingNumber": "JJD 0003", "trackingUrl": URL});

    let shipped = ships(&admin, &order, "shipped-with-parcel", parcel.clone()).await.expect(200);
    let again = ships(&admin, &order, "shipped-with-parcel", parcel.clone()).await.expect(200);
    let otherwise = ships(&admin, &order, "shipped-with-parcel", json!({"carrier": "UPS"})).await;
    let later = ships(&admin, &order, "shipped-once-more-0", json!({"carrier": "UPS"})).await.expect(409);
    let same = ships(&admin, &order, "shipped-once-more-1", parcel.clone()).await.expect(200);
    let none = ships(&admin, &order, "shipped-once-more-2", Value::Null).await.expect(200);
    let seen = ann.get(&format!("/orders/{order}")).await.expect(200).json();
    let delivered = admin.post_once(&format!("/admin/orders/{order}/deliver"), "delivered-after-it", Value::Null).await;

    let known = json!([{"carrier": "DHL", "trackingNumber": "JJD 0003", "trackingUrl": URL}]);
    assert_eq!(shipped.json()["shipments"], known);
    assert_eq!((again.header("idempotency-replayed"), again.text()), (Some("true"), shipped.text()));
    assert_eq!(otherwise.expect(422).code(), "idempotency_key_reused");
    assert_eq!((later.code().as_str(), &seen["shipments"]), ("shipment_differs", &known));
    assert_eq!((&same.json()["shipments"], &none.json()["shipments"]), (&known, &known));
    assert_eq!(delivered.expect(200).json()["shipments"], known);
}

#[tokio::test]
async fn an_order_is_shipped_without_a_parcel_as_before() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    for (number, body) in [Value::Null, json!({})].into_iter().enumerate() {
        let (_, order) = paid(&shop, &format!("mug-{number}")).await;

        let shipped = ships(&admin, &order, &format!("shipped-plainly-{number}"), body).await.expect(200).json();

        assert_eq!((&shipped["state"], shipped.get("shipments")), (&json!("shipped"), None));
    }
}

#[tokio::test]
async fn a_parcel_is_refused_for_each_field_that_breaks_a_rule_and_nothing_is_shipped() {
    let shop = Shop::open().await;
    let ((ann, order), admin) = (paid(&shop, "mug").await, shop.admin().await);
    for (body, status, code) in [
        (json!({"carrier": ""}), 422, "carrier_invalid"),
        (json!({"carrier": "x".repeat(61)}), 422, "carrier_invalid"),
        (json!({"trackingNumber": "1\n2"}), 422, "tracking_number_invalid"),
        (json!({"trackingUrl": "http://carrier.example/1"}), 422, "tracking_url_invalid"),
        (json!({"trackingUrl": "javascript:alert(1)"}), 422, "tracking_url_invalid"),
        (json!({"trackingUrl": "https://bank.example@evil.example/"}), 422, "tracking_url_invalid"),
        (json!({"parcels": 2}), 400, "body_invalid"),
        (json!(["DHL"]), 400, "body_invalid"),
    ] {
        let refused = ships(&admin, &order, "a-parcel-that-is-wrong", body.clone()).await;

        assert_eq!(refused.expect(status).code(), code, "{body}");
    }
    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["state"], "confirmed");
}
