//! Refunds that were made in the payment provider's dashboard.

use std::sync::Arc;

use domain::{Currency, Money, RefundByHand};
use e2e::{Answer, Shop, Shopper, usd};
use jiff::SignedDuration;
use payments::{Attempt, EventSubject, PaymentEvent, PaymentEventKind, Stripe, StripeConfig, signature::Secrets};
use reqwest::Method;
use serde_json::{Value, json};

use crate::webhooks::deliver;

#[tokio::test]
async fn a_refund_by_hand_is_recorded_on_the_order_and_never_paid_again() {
    let (shop, ann, order) = bought(2).await;
    let made = makes(&shop, &order, 500);

    let first = sends(&shop, "evt_1", PaymentEventKind::RefundedByHand(made.clone())).await.expect(200);
    let again = sends(&shop, "evt_1", PaymentEventKind::RefundedByHand(made.clone())).await.expect(200);
    sends(&shop, "evt_2", PaymentEventKind::RefundedByHand(made.clone())).await.expect(200);
    sends(&shop, "evt_3", PaymentEventKind::Refunded).await.expect(200);
    shop.clock.advance(SignedDuration::from_mins(5));
    let swept = shop.sweep(None).await;

    assert_eq!([first.json(), again.json()], [json!({"outcome": "applied"}), json!({"outcome": "seen"})]);
    let after = ann.get(&format!("/orders/{order}")).await.json();
    let by_hand = json!([{"number": 1, "amount": usd(500), "state": "paid", "madeByHand": made.id.as_str()}]);
    assert_eq!((&after["refunds"], &after["refunded"]), (&by_hand, &usd(500)));
    assert_eq!(
        (&after["state"], events(&after)),
        (&json!("confirmed"), vec!["placed", "confirmed", "refund_recorded"])
    );
    assert_eq!((shop.stock(&"mug".parse().unwrap()).await, swept.due, paid_by_us(&shop)), (8, 0, 0));
    let admin = shop.admin().await;
    let path = refund_path(&order);
    let too_much = admin.post_once(&path, "more-than-is-left", json!({"amount": usd(1_299)})).await.expect(422);
    assert_eq!((too_much.code().as_str(), &too_much.json()["left"]), ("refund_too_much", &usd(1_298)));
    let rest = admin.post_once(&path, "all-that-is-left", json!({})).await.expect(200).json();
    assert_eq!((&rest["state"], &rest["refunded"], paid_by_us(&shop)), (&json!("cancelled"), &usd(1_798), 1_298));
}

#[tokio::test]
async fn after_an_event_without_a_refund_the_provider_is_asked_for_the_refunds() {
    let (shop, ann, order) = bought(1).await;
    let made = makes(&shop, &order, 300);

    sends(&shop, "evt_1", PaymentEventKind::Refunded).await.expect(200);

    let after = ann.get(&format!("/orders/{order}")).await.json();
    assert_eq!(after["refunds"][0]["madeByHand"], made.id.as_str());
}

#[tokio::test]
async fn the_amount_of_a_failed_refund_by_hand_can_be_refunded_in_any_order_of_events() {
    let (shop, ann, order) = bought(1).await;
    let made = makes(&shop, &order, 300);
    let failed = shop.stack.payments.fail_by_hand(order.parse().unwrap(), 1).unwrap().unwrap();

    sends(&shop, "evt_1", PaymentEventKind::RefundedByHand(failed)).await.expect(200);
    sends(&shop, "evt_2", PaymentEventKind::RefundedByHand(made)).await.expect(200);

    let after = ann.get(&format!("/orders/{order}")).await.json();
    assert_eq!((&after["refunds"][0]["state"], &after["refunded"]), (&json!("refused"), &usd(0)));
    assert_eq!(events(&after), ["placed", "confirmed", "refund_recorded", "refund_refused"]);
    let admin = shop.admin().await;
    let all = admin.post_once(&refund_path(&order), "all-that-is-left", json!({})).await.expect(200);
    assert_eq!(all.json()["refunded"], usd(899));
}

#[tokio::test]
async fn an_event_that_precedes_its_payment_is_answered_503_and_applied_when_retried() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let order = id(&ann.pays_with("tok_timeout_paid", "the-answer-is-lost").await.expect(202));
    let made = makes(&shop, &order, 300);

    let early = sends(&shop, "evt_1", PaymentEventKind::RefundedByHand(made.clone())).await;
    shop.clock.advance(SignedDuration::from_mins(2));
    shop.sweep(None).await;
    let again = sends(&shop, "evt_1", PaymentEventKind::RefundedByHand(made)).await.expect(200);

    assert_eq!(early.expect(503).code(), "busy");
    assert_eq!(again.json(), json!({"outcome": "applied"}));
    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["refunded"], usd(300));
}

#[tokio::test]
async fn a_refund_of_a_foreign_payment_is_ignored_and_one_in_another_currency_is_refused() {
    let (shop, ann, order) = bought(1).await;
    let made = makes(&shop, &order, 300);
    let foreign = EventSubject::Payment("of_another_shop".to_owned());
    let kind = PaymentEventKind::RefundedByHand(made.clone());
    let foreign = PaymentEvent { id: "evt_1".parse().unwrap(), subject: foreign, kind };
    let pounds = RefundByHand { amount: Money::amount(300, Currency::GBP), ..made };

    assert_eq!(deliver(&shop, &foreign).await.expect(200).json(), json!({"outcome": "ignored"}));
    let contradicts = sends(&shop, "evt_2", PaymentEventKind::RefundedByHand(pounds)).await.expect(422);

    assert_eq!(contradicts.code(), "event_contradicts");
    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["refunds"], json!([]));
}

#[tokio::test]
async fn an_event_is_answered_503_while_the_provider_cannot_say_whose_payment_it_is() {
    // There is no server at this address.
    let stripe = StripeConfig::from_env(|name| match name {
        "STRIPE_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
        "STRIPE_PUBLISHABLE_KEY" | "PAYMENT_RETURN_URL" => None,
        name => Some(format!("{name}_of_nobody")),
    });
    let silent = Arc::new(Stripe::new(stripe.unwrap()).unwrap());
    let shop = Shop::open_with(|options| options.provider = Some(silent)).await;
    let refund = json!({"id": "re_1", "amount": 5, "currency": "usd", "status": "succeeded", "payment_intent": "pi_1"});
    let body = json!({"id": "evt_1", "type": "refund.created", "data": {"object": refund}}).to_string();
    let signature = Secrets::new(["STRIPE_WEBHOOK_SECRETS_of_nobody"]).sign(body.as_bytes(), shop.clock.now());

    let stranger = shop.stranger();
    let request = stranger.request(Method::POST, "/payments/webhooks/stripe").header("stripe-signature", signature);
    let answer = stranger.send(request.header("content-type", "application/json").body(body)).await;

    assert_eq!(answer.expect(503).code(), "busy");
}

#[tokio::test]
async fn cancelling_refunds_only_what_a_refund_by_hand_left() {
    let (shop, ann, order) = bought(2).await;
    // The webhook event of this refund has not arrived yet.
    makes(&shop, &order, 100);

    let path = format!("/orders/{order}/cancel");
    ann.post_once(&path, "cancel-what-i-bought", Value::Null).await.expect(200);

    let after = ann.get(&format!("/orders/{order}")).await.json();
    let refunds: Vec<_> = after["refunds"].as_array().unwrap().iter().map(|r| (&r["amount"], &r["state"])).collect();
    let (refused, paid) = (json!("refused"), json!("paid"));
    assert_eq!(refunds, [(&usd(1_798), &refused), (&usd(100), &paid), (&usd(1_698), &paid)]);
    assert_eq!((&after["refunded"], paid_by_us(&shop)), (&usd(1_798), 1_698));
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 10);
}

/// A shop that had ten mugs at 8.99, and a customer who has bought `units` of them.
pub async fn bought(units: i64) -> (Shop, Shopper, String) {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, units).await.expect(200);
    let order = id(&ann.checks_out().await.expect(201));
    (shop, ann, order)
}

pub fn events(order: &Value) -> Vec<&str> {
    order["history"].as_array().unwrap().iter().map(|t| t["event"].as_str().unwrap()).collect()
}

/// Delivers an event about the only payment there is.
pub async fn sends(shop: &Shop, id: &str, kind: PaymentEventKind) -> Answer {
    let subject = EventSubject::Payment(shop.stack.payments.entries()[0].reference.clone());
    deliver(shop, &PaymentEvent { id: id.parse().unwrap(), subject, kind }).await
}

fn makes(shop: &Shop, order: &str, cents: i64) -> RefundByHand {
    let amount = Money::amount(cents, Currency::USD);
    shop.stack.payments.refund_by_hand(order.parse().unwrap(), amount).unwrap().unwrap()
}

fn paid_by_us(shop: &Shop) -> i64 {
    let refunds = shop.stack.payments.attempts().into_iter().filter(|e| matches!(e.attempt, Attempt::Refunded(_)));
    refunds.map(|e| e.amount).sum()
}

fn refund_path(order: &str) -> String {
    format!("/admin/orders/{order}/refund")
}

fn id(answer: &Answer) -> String {
    answer.json()["orderId"].as_str().unwrap().to_owned()
}
