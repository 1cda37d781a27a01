//! Amounts that the payment provider cannot charge or refund.

use std::sync::Arc;

use domain::Currency;
use e2e::Shop;
use payments::{Stripe, StripeConfig};
use serde_json::{Value, json};
use table::Cause;

use crate::{by_hand::events, orders::hold};

#[tokio::test]
async fn an_amount_that_cannot_be_charged_is_refused_before_anything_is_held() {
    for (currency, price, reason, bound) in [
        (Currency::USD, 30, "below_minimum", 50),
        (Currency::USD, 100_000_000, "above_maximum", 99_999_999),
        (Currency::KWD, 1_234, "not_a_multiple", 10),
    ] {
        let shop = paid_by_stripe(currency).await;
        let mug = shop.product("mug").priced_in(price, currency).stock(10).create().await;
        let ann = shop.customer().await;
        ann.adds(&mug, 1).await.expect(200);

        let refused = ann.checks_out().await.expect(422);

        let bound = json!({"amount": bound, "currency": currency.code()});
        assert_eq!(refused.code(), "amount_not_chargeable");
        assert_eq!((&refused.json()["reason"], &refused.json()["bound"]), (&json!(reason), &bound));
        assert_eq!(shop.stock(&mug).await, 10);
        assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 1);
        assert_eq!(ann.get("/orders").await.json()["items"], json!([]));
    }
}

#[tokio::test]
async fn an_order_that_costs_nothing_needs_no_provider() {
    let shop = paid_by_stripe(Currency::USD).await;
    let mug = shop.product("mug").priced(0).stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);

    assert_eq!(ann.checks_out().await.expect(201).json()["state"], "confirmed");
}

#[tokio::test]
async fn an_amount_that_only_the_provider_refuses_is_not_a_declined_card() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(30).stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);

    let refused = ann.pays_with("tok_not_chargeable", "too-little-to-pay").await.expect(422);
    let again = ann.pays_with("tok_not_chargeable", "too-little-to-pay").await.expect(422);

    assert_eq!(refused.code(), "amount_not_chargeable");
    assert_eq!((again.header("idempotency-replayed"), again.text()), (Some("true"), refused.text()));
    let order = refused.json()["orderId"].as_str().unwrap().to_owned();
    let after = ann.get(&format!("/orders/{order}")).await.json();
    assert_eq!((&after["state"], &after["payment"]["state"]), (&json!("cancelled"), &json!("voided")));
    assert_eq!(events(&after), ["placed", "not_chargeable"]);
    assert_eq!(shop.stock(&mug).await, 10);
    assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 2);
}

#[tokio::test]
async fn a_refund_that_cannot_be_paid_is_refused_before_anything_is_written() {
    let shop = paid_by_stripe(Currency::KWD).await;
    // Paid when the shop had another provider, which took every amount.
    let mug = shop.product("mug").priced_in(5_124, Currency::KWD).stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let held = hold(&shop, &ann, "tok_visa", "paid-by-another-provider").await;
    let now = shop.clock.now();
    let paid = held.paid("of_another_provider", now).unwrap();
    shop.stack.table.order_transition(&paid, Cause::Answer, now).await.unwrap();
    let (admin, path) = (shop.admin().await, format!("/admin/orders/{}/refund", held.id));
    let part = json!({"amount": {"amount": 1_234, "currency": "KWD"}});

    let in_part = admin.post_once(&path, "a-refund-of-a-part", part).await.expect(422);
    let of_all = admin.post_once(&path, "a-refund-of-all-of-it", json!({})).await.expect(422);
    let cancelled = ann.post_once(&format!("/orders/{}/cancel", held.id), "cancel-what-i-bought", Value::Null).await;

    for refused in [in_part, of_all, cancelled.expect(422)] {
        assert_eq!(
            (refused.code().as_str(), &refused.json()["reason"]),
            ("amount_not_refundable", &json!("not_a_multiple"))
        );
    }
    let after = admin.get(&format!("/admin/orders/{}", held.id)).await.json();
    assert_eq!((&after["version"], &after["state"], &after["refunds"]), (&json!(2), &json!("confirmed"), &json!([])));
    assert_eq!(after["total"], json!({"amount": 5_124, "currency": "KWD"}));
}

/// A shop whose provider is Stripe, at an address without a server.
async fn paid_by_stripe(currency: Currency) -> Shop {
    let stripe = StripeConfig::from_env(|name| match name {
        "STRIPE_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
        "STRIPE_PUBLISHABLE_KEY" | "PAYMENT_RETURN_URL" => None,
        name => Some(format!("{name}_of_nobody")),
    });
    let silent = Arc::new(Stripe::new(stripe.unwrap()).unwrap());
    Shop::open_with(|options| {
        options.provider = Some(silent);
        options.policy.currency = currency;
    })
    .await
}
