//! A checkout that is sent again, under the same key or another one.

use e2e::{Shop, usd, with};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;
use tokio::join;

use super::hold;

#[tokio::test]
async fn a_shopper_who_tries_again_under_another_key_gets_the_order_that_holds_their_units() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(2).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let held = hold(&shop, &ann, "tok_visa", "crashed-checkout").await;

    let early = ann.pays_with("tok_visa", "another-key-early").await;
    shop.clock.advance(SignedDuration::from_secs(25));
    let body = with(ann.checkout("tok_visa"), "expectedTotal", usd(1));
    let other_total = ann.post_once("/orders", "another-key-and-total", body).await;
    let paid = ann.pays_with("tok_visa", "another-key-later").await.expect(201);
    let again = ann.pays_with("tok_visa", "another-key-later").await.expect(201);
    let first_key = ann.pays_with("tok_visa", "crashed-checkout").await.expect(201);

    assert_eq!(early.expect(409).code(), "cart_empty");
    assert_eq!(other_total.expect(409).code(), "price_changed");
    assert_eq!(paid.json()["orderId"], held.id.to_string());
    assert_eq!((again.text(), first_key.text()), (paid.text(), paid.text()));
    assert_eq!(shop.stock(&mug).await, 0);
    assert_eq!(shop.stack.payments.entries().len(), 1);
}

#[tokio::test]
async fn a_shopper_who_fills_the_cart_again_is_not_blocked_by_their_own_hold() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").stock(3).create().await, shop.product("pan").create().await);
    let ann = shop.customer().await;
    ann.adds(&mug, 3).await.expect(200);
    ann.adds(&pan, 1).await.expect(200);
    let left_behind = hold(&shop, &ann, "tok_visa", "crashed-checkout").await;
    ann.adds(&mug, 2).await.expect(200);

    let early = ann.pays_with("tok_visa", "filled-again-early").await;
    shop.clock.advance(SignedDuration::from_secs(25));
    let bought = ann.pays_with("tok_visa", "filled-again-later").await.expect(201);

    assert_eq!(early.expect(409).code(), "out_of_stock");
    assert_ne!(bought.json()["orderId"], left_behind.id.to_string());
    let left_behind = ann.get(&format!("/orders/{}", left_behind.id)).await.expect(200).json();
    assert_eq!(left_behind["state"], "cancelled");
    let cart = ann.get("/cart").await.expect(200).json();
    // Units that the first order held and the second did not take are back in the cart.
    let lines = cart["items"].as_array().unwrap().iter().map(|line| (&line["productId"], &line["quantity"]));
    assert_eq!(lines.collect::<Vec<_>>(), [(&json!("mug"), &json!(1)), (&json!("pan"), &json!(1))]);
    assert_eq!(shop.stock(&mug).await, 1);
    assert_eq!(shop.stack.payments.entries().len(), 1);
}

#[tokio::test]
async fn a_repeated_checkout_gets_the_first_answer() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(5).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);

    let first = ann.pays_with("tok_visa", "one-and-the-same-key").await.expect(201);
    ann.adds(&mug, 1).await.expect(200);
    let again = ann.pays_with("tok_visa", "one-and-the-same-key").await.expect(201);
    let other = ann.pays_with("tok_declined", "one-and-the-same-key").await.expect(422);

    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.text(), first.text());
    assert_eq!(other.code(), "idempotency_key_reused");
    assert_eq!(shop.stock(&mug).await, 3);
    assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 1);
}

#[tokio::test]
async fn one_key_sent_64_times_at_once_is_one_order() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(100).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);

    let answers = join_all((0..64).map(|_| ann.pays_with("tok_visa", "sixty-four-at-once"))).await;

    let placed: Vec<_> = answers.iter().filter(|a| a.status() == 201).collect();
    assert!(!placed.is_empty());
    assert!(placed.iter().all(|a| a.text() == placed[0].text()));
    for other in answers.iter().filter(|a| a.status() != 201) {
        // The only other answers are to wait, or that there are too many requests.
        assert!(matches!(other.code().as_str(), "idempotency_in_progress" | "rate_limited"), "{other:?}");
        assert_ne!(other.code(), "cart_empty", "a repeated key must never see what its own order left behind");
    }
    assert_eq!(shop.stock(&mug).await, 99);
    assert_eq!(shop.stack.payments.entries().len(), 1);
}

#[tokio::test]
async fn two_keys_for_one_cart_are_one_order() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);

    let (a, b) =
        join!(ann.pays_with("tok_visa", "first-tab-checkout"), ann.pays_with("tok_visa", "second-tab-checkout"));

    let lost = if a.status() == 201 { b } else { a };
    assert!(matches!(lost.expect(409).code().as_str(), "cart_changed" | "cart_empty"));
    assert_eq!(shop.stock(&mug).await, 9);
    assert_eq!(shop.stack.payments.entries().len(), 1);
}

#[tokio::test]
async fn a_checkout_that_crashed_before_paying_is_completed_by_its_retry() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(5).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let held = hold(&shop, &ann, "tok_visa", "crashed-checkout").await;

    let early = ann.pays_with("tok_visa", "crashed-checkout").await;
    shop.clock.advance(SignedDuration::from_secs(25));
    let retried = ann.pays_with("tok_visa", "crashed-checkout").await;

    assert_eq!(early.clone().expect(409).code(), "idempotency_in_progress");
    assert!(early.header("retry-after").is_some());
    assert_eq!(retried.expect(201).json()["orderId"], held.id.to_string());
    assert_eq!(shop.stock(&mug).await, 3);
    assert_eq!(shop.stack.payments.entries().len(), 1);
    assert_eq!(ann.get("/orders").await.json()["items"][0]["state"], "confirmed");
}

#[tokio::test]
async fn a_lost_payment_answer_keeps_the_stock_held() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(5).create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    let paid = ann.pays_with("tok_timeout_paid", "lost-after-paying").await.expect(202);
    ann.adds(&mug, 1).await.expect(200);
    let lost = ann.pays_with("tok_timeout_unpaid", "lost-before-paying").await.expect(202);

    let again = ann.pays_with("tok_timeout_unpaid", "lost-before-paying").await.expect(202);

    assert_eq!((&paid.json()["state"], &lost.json()["state"]), (&json!("payment_unknown"), &json!("payment_unknown")));
    assert_eq!(again.text(), lost.text());
    assert_eq!(shop.stock(&mug).await, 3);
    let unknown = admin.get("/admin/orders?state=payment_unknown").await.expect(200).json();
    assert_eq!(unknown["items"].as_array().map(Vec::len), Some(2));
    // A retry looks at the payment first.
    let found = ann.pays_with("tok_timeout_paid", "lost-after-paying").await.expect(201);
    assert_eq!(found.json()["orderId"], paid.json()["orderId"]);
    assert_eq!(shop.stack.payments.entries().len(), 1);
}
