//! Whose an order is: its contact, its addresses, its language and its number.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Language, OrderNumber};
use e2e::{Shop, Shopper, usd, with};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::hold;

#[tokio::test]
async fn a_guest_has_to_leave_an_email_and_a_customer_has_one() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(9).create().await;
    let (guest, ann) = (shop.customer().await, shop.registered().await);
    guest.adds(&mug, 1).await.expect(200);
    ann.adds(&mug, 1).await.expect(200);
    let contact = json!({"email": " Bob@Müller.example ", "name": "Bob", "phone": "+44 117 496 0123"});

    let nobody = guest.post_once("/orders", "without-a-contact", without(&guest, "contact")).await.expect(422);
    let bob =
        guest.post_once("/orders", "with-a-contact-00", with(guest.checkout("tok_visa"), "contact", contact)).await;
    let ann_renamed = ann.patch("/users/me", json!({"name": "Anna"})).await;
    let order = ann.checks_out().await.expect(201).json();

    assert_eq!((nobody.code().as_str(), &nobody.json()["field"]), ("contact_required", &json!("contact")));
    assert_eq!(
        bob.expect(201).json()["contact"],
        json!({"email": "bob@xn--mller-kva.example", "name": "Bob", "phone": "+44 117 496 0123"})
    );
    ann_renamed.expect(200);
    assert_eq!(order["contact"], json!({"email": "shopper0@example.com", "name": "Anna"}));
    assert_eq!(shop.stock(&mug).await, 7);
}

#[tokio::test]
async fn a_customer_may_give_another_contact_for_one_order() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);

    let body = with(ann.checkout("tok_visa"), "contact", json!({"email": "office@example.com"}));
    let order = ann.post_once("/orders", "for-her-office-00", body).await.expect(201).json();
    let profile = ann.get("/users/me").await.expect(200).json();

    assert_eq!(order["contact"], json!({"email": "office@example.com"}));
    assert_eq!(profile["email"], "shopper0@example.com");
}

#[tokio::test]
async fn an_order_is_shipped_to_an_address_that_is_sent_with_it_or_saved_and_billed_to_another() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.registered().await;
    let office = json!({"recipient": "Ann Ltd", "line1": "2 Mill Lane", "city": "Leeds", "country": "GB"});
    let saved = ann.post("/users/me/addresses", office.clone()).await.expect(201).json()["addressId"].clone();
    ann.adds(&mug, 1).await.expect(200);
    let billed = with(ann.checkout("tok_visa"), "billingAddressId", saved.clone());
    let first = ann.post_once("/orders", "billed-to-the-office", billed).await.expect(201).json();
    ann.adds(&mug, 1).await.expect(200);
    let mut body = without(&ann, "shippingAddress");
    body["shippingAddressId"] = saved;
    body["billingAddress"] = json!({"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"});

    let second = ann.post_once("/orders", "shipped-to-the-office", body).await.expect(201).json();
    let read = ann.get(&format!("/orders/{}", second["orderId"].as_str().unwrap())).await.expect(200).json();

    let home = json!({"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"});
    assert_eq!((&first["shippingAddress"], &first["billingAddress"]), (&home, &office));
    assert_eq!((&read["shippingAddress"], &read["billingAddress"]), (&office, &home));
    // One that is sent with an order is not saved.
    assert_eq!(ann.get("/users/me/addresses").await.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_address_is_required_unless_the_shop_ships_nothing() {
    let (ships, does_not) =
        (Shop::open().await, Shop::open_with(|options| options.policy.address_required = false).await);
    let mut answers = Vec::new();
    for shop in [&ships, &does_not] {
        let song = shop.product("song").create().await;
        let ann = shop.customer().await;
        ann.adds(&song, 1).await.expect(200);
        answers.push(ann.post_once("/orders", "without-an-address", without(&ann, "shippingAddress")).await);
    }

    let [refused, placed] = &answers[..] else { panic!("two shops") };
    let refused = refused.clone().expect(422);
    assert_eq!((refused.code().as_str(), &refused.json()["field"]), ("address_required", &json!("shippingAddress")));
    assert_eq!(placed.clone().expect(201).json().get("shippingAddress"), None);
    assert!(ships.stack.payments.entries().is_empty());
}

#[tokio::test]
async fn a_retry_under_another_key_means_the_same_order_only_with_the_same_contact_and_address() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(2).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let held = hold(&shop, &ann, "tok_visa", "crashed-checkout").await;
    shop.clock.advance(SignedDuration::from_secs(25));
    let body = ann.checkout("tok_visa");
    let elsewhere = with(body["shippingAddress"].clone(), "city", json!("Leeds"));

    let other_contact = with(body.clone(), "contact", json!({"email": "eve@example.com"}));
    let other_contact = ann.post_once("/orders", "another-contact-0", other_contact).await.expect(409);
    let other_address = with(body.clone(), "shippingAddress", elsewhere.clone());
    let other_address = ann.post_once("/orders", "another-address-0", other_address).await.expect(409);
    let other_bill = with(body.clone(), "billingAddress", elsewhere);
    let other_bill = ann.post_once("/orders", "another-bill-0000", other_bill).await.expect(409);
    let same = ann.post_once("/orders", "the-same-again-00", body).await.expect(201).json();

    for refused in [other_contact, other_address, other_bill] {
        assert_eq!((refused.code().as_str(), &refused.json()["orderId"]), ("cart_empty", &json!(held.id.to_string())));
    }
    assert_eq!(same["orderId"], held.id.to_string());
}

#[tokio::test]
async fn the_language_of_mails_is_what_the_browser_prefers() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.customer().await;
    let mut languages = Vec::new();
    for (number, header) in
        [None, Some("de-AT,de;q=0.9,en;q=0.8"), Some("fr, en;q=0.5"), Some("\u{e9}")].iter().enumerate()
    {
        ann.adds(&mug, 1).await.expect(200);
        let request =
            ann.request(Method::POST, "/orders").header("idempotency-key", format!("in-language-number-{number}"));
        let request = header.iter().fold(request, |request, header| request.header("accept-language", *header));
        let order = ann.send(request.json(&ann.checkout("tok_visa"))).await.expect(201).json();
        let read = ann.get(&format!("/orders/{}", order["orderId"].as_str().unwrap())).await.json();
        assert_eq!(read["language"], order["language"]);
        languages.push(order["language"].as_str().unwrap().to_owned());
    }

    assert_eq!(languages, ["en", "de", "en", "en"]);
    assert_eq!(Language::ALL.map(Language::as_str), ["en", "de"]);
}

#[tokio::test]
async fn an_order_has_a_number_that_people_can_say() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);

    let order = ann.checks_out().await.expect(201).json();
    let of_customer = ann.get("/orders").await.expect(200).json()["items"][0]["number"].clone();
    let of_staff = admin.get("/admin/orders?state=confirmed").await.expect(200).json()["items"][0]["number"].clone();

    let number: OrderNumber = order["number"].as_str().unwrap().parse().unwrap();
    assert_eq!(order["number"], number.to_string());
    assert_eq!((&of_customer, &of_staff), (&order["number"], &order["number"]));
    let dump = Value::from(shop.dump().await).to_string();
    assert!(!dump.contains(&number.to_string()), "it is derived, and stored only for staff's search, by the stream");
}

#[tokio::test]
async fn an_order_from_before_contacts_is_read_shown_shipped_and_refunded() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").priced(899).create().await;
    let (ann, admin) = (shop.registered().await, shop.admin().await);
    ann.adds(&mug, 2).await.expect(200);
    let order = ann.checks_out().await.expect(201).json();
    let id = order["orderId"].as_str().unwrap();
    let text = |text: String| AttributeValue::S(text);
    let old = shop.raw_client().update_item().table_name(shop.table_of("ORDER#"));
    let old = old.key("PK", text(format!("ORDER#{id}"))).key("SK", text("STATUS".to_owned()));
    old.update_expression("REMOVE contact, #l, billTo, shipments")
        .expression_attribute_names("#l", "language")
        .send()
        .await
        .unwrap();

    let shown = ann.get(&format!("/orders/{id}")).await.expect(200).json();
    let listed = ann.get("/orders").await.expect(200).json()["items"][0].clone();
    let shipped =
        admin.post_once(&format!("/admin/orders/{id}/ship"), "shipped-after-all", Value::Null).await.expect(200);
    let refund = json!({"amount": usd(899)});
    let refunded =
        admin.post_once(&format!("/admin/orders/{id}/refund"), "refunded-after-all", refund).await.expect(200);
    shop.drain().await;
    let found =
        admin.get(&format!("/admin/orders?number={}", order["number"].as_str().unwrap())).await.expect(200).json();

    assert_eq!((shown.get("contact"), &shown["language"], &shown["number"]), (None, &json!("en"), &order["number"]));
    assert_eq!(listed["number"], order["number"]);
    assert_eq!(shipped.json()["state"], "shipped");
    assert_eq!(refunded.json()["refunded"], usd(899));
    assert_eq!(found["items"][0]["orderId"], id);
}

/// A checkout that lacks a member.
fn without(shopper: &Shopper, member: &str) -> Value {
    with(shopper.checkout("tok_visa"), member, Value::Null)
}
