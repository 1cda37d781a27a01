//! Events of the payment provider: refused without a valid signature, counted once, and applied only if they agree.

use domain::{Currency, Money};
use e2e::{Answer, Shop, Shopper};
use jiff::SignedDuration;
use payments::{EventSubject, PaymentEvent, PaymentEventKind};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_event_settles_an_order_whose_answer_was_lost() {
    let (shop, ann, order) = lost("tok_timeout_paid").await;

    let first = deliver(&shop, &captured(&order, "evt_1", 899)).await.expect(200);
    let again = deliver(&shop, &captured(&order, "evt_1", 899)).await.expect(200);
    let other = deliver(&shop, &captured(&order, "evt_2", 899)).await.expect(200);
    let amount = Money::amount(899, Currency::USD);
    let second = event(&order, "evt_3", PaymentEventKind::Captured { reference: "pay_2".to_owned(), amount });
    assert_eq!(deliver(&shop, &second).await.expect(422).code(), "event_contradicts", "it was paid once, by pay_1");

    assert_eq!(first.json(), json!({"outcome": "applied"}));
    assert_eq!(again.json(), json!({"outcome": "seen"}));
    assert_eq!(other.json(), json!({"outcome": "applied"}));
    let stored = ann.get(&format!("/orders/{order}")).await.json();
    assert_eq!((&stored["state"], &stored["version"]), (&json!("confirmed"), &json!(3)));
    assert_eq!(ann.get("/orders").await.json()["items"][0]["state"], "confirmed");
}

#[tokio::test]
async fn a_declined_event_does_not_cancel_an_order_at_once() {
    let (shop, ann, order) = lost("tok_timeout_unpaid").await;
    let declined = |order: &str, id: &str| event(order, id, PaymentEventKind::Declined);

    deliver(&shop, &declined(&order, "evt_1")).await.expect(200);
    let at_once = ann.get(&format!("/orders/{order}")).await.json()["state"].clone();
    shop.sweep(None).await;

    assert_eq!(at_once, "payment_unknown", "another attempt may be on its way");
    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["state"], "cancelled");
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 10);
    let retried = ann.pays_with("tok_timeout_unpaid", "the-answer-is-lost").await;
    assert_eq!(retried.expect(402).code(), "payment_expired");
    let paid = ann.checks_out().await.expect(201).json()["orderId"].as_str().unwrap().to_owned();
    deliver(&shop, &declined(&paid, "evt_2")).await.expect(200);
    assert_eq!(ann.get(&format!("/orders/{paid}")).await.json()["state"], "confirmed");
}

#[tokio::test]
async fn money_for_a_cancelled_order_is_refunded() {
    let (shop, ann, order) = lost("tok_timeout_unpaid").await;
    shop.clock.advance(SignedDuration::from_mins(2));
    shop.sweep(None).await;
    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["state"], "cancelled");

    deliver(&shop, &captured(&order, "evt_1", 899)).await.expect(200);

    let stored = ann.get(&format!("/orders/{order}")).await.json();
    assert_eq!((&stored["state"], &stored["payment"]["state"]), (&json!("cancelled"), &json!("captured")));
    assert_eq!(stored["refunds"][0]["state"], "requested");
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 10, "the units went back once, and stay");
    let admin = shop.admin().await;
    let owed = admin.get("/admin/orders?state=refund_owed").await.expect(200).json();
    assert_eq!(owed["items"][0]["orderId"], order.as_str());
    shop.clock.advance(SignedDuration::from_mins(2));
    shop.sweep(None).await;
    // The event was wrong, nothing was paid: the provider refuses the refund, and staff can see that.
    let refused = admin.get(&format!("/admin/orders/{order}")).await.expect(200).json();
    assert_eq!(refused["refunds"][0]["state"], "refused");
    assert_eq!(admin.get("/admin/orders?state=refund_owed").await.json()["items"], json!([]));
}

#[tokio::test]
async fn an_event_that_is_forged_stale_or_about_something_else_changes_nothing() {
    let (shop, ann, order) = lost("tok_timeout_paid").await;
    let now = shop.clock.now();
    let (body, signature) = shop.stack.payments.sends(&captured(&order, "evt_1", 899), now);
    let (_, other) = shop.stack.payments.sends(&captured(&order, "evt_2", 899), now);
    let (old, old_signature) =
        shop.stack.payments.sends(&captured(&order, "evt_3", 899), now - SignedDuration::from_secs(301));

    for (body, signature, code) in [
        (body.as_str(), "", "event_refused"),
        (body.as_str(), "t=1,v1=00", "event_refused"),
        (body.as_str(), other.as_str(), "event_refused"),
        (old.as_str(), old_signature.as_str(), "event_refused"),
    ] {
        assert_eq!(send(&shop, "local", body, signature).await.expect(400).code(), code);
    }
    assert_eq!(send(&shop, "stripe", &body, &signature).await.status(), 404);
    for cents in [0, 898, 900, -899] {
        let wrong = deliver(&shop, &captured(&order, &format!("evt_wrong{cents}"), cents)).await;
        assert_eq!(wrong.expect(422).code(), "event_contradicts");
    }
    let pounds =
        PaymentEventKind::Captured { reference: "pay_1".to_owned(), amount: Money::amount(899, Currency::GBP) };
    assert_eq!(deliver(&shop, &event(&order, "evt_pounds", pounds)).await.expect(422).code(), "event_contradicts");
    let unknown = captured("018cc251-f400-7000-8000-000000000000", "evt_4", 899);
    assert_eq!(deliver(&shop, &unknown).await.expect(200).json(), json!({"outcome": "ignored"}));
    let refund = PaymentEventKind::RefundPaid { number: 1, amount: Money::amount(899, Currency::USD) };
    assert_eq!(deliver(&shop, &event(&order, "evt_5", refund)).await.expect(422).code(), "event_contradicts");

    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["state"], "payment_unknown");
}

#[tokio::test]
async fn one_event_delivered_sixteen_times_at_once_counts_once() {
    let (shop, ann, order) = lost("tok_timeout_paid").await;
    let event = captured(&order, "evt_1", 899);

    let answers = futures::future::join_all((0..16).map(|_| deliver(&shop, &event))).await;

    assert!(answers.iter().all(|a| a.status() == 200), "{answers:?}");
    let applied = answers.iter().filter(|a| a.json()["outcome"] == "applied").count();
    assert_eq!(applied, 1);
    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["version"], 3);
}

/// A shop with ten mugs, and an order of one whose payment's answer was lost.
async fn lost(token: &str) -> (Shop, Shopper, String) {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let order = ann.pays_with(token, "the-answer-is-lost").await.expect(202).json()["orderId"].clone();
    (shop, ann, order.as_str().unwrap().to_owned())
}

fn captured(order: &str, id: &str, cents: i64) -> PaymentEvent {
    let amount = Money::amount(cents, Currency::USD);
    event(order, id, PaymentEventKind::Captured { reference: "pay_1".to_owned(), amount })
}

pub fn event(order: &str, id: &str, kind: PaymentEventKind) -> PaymentEvent {
    PaymentEvent { id: id.parse().unwrap(), subject: EventSubject::Order(order.parse().unwrap()), kind }
}

pub async fn deliver(shop: &Shop, event: &PaymentEvent) -> Answer {
    let (body, signature) = shop.stack.payments.sends(event, shop.clock.now());
    send(shop, "local", &body, &signature).await
}

async fn send(shop: &Shop, provider: &str, body: &str, signature: &str) -> Answer {
    let stranger = shop.stranger();
    let request = stranger.request(Method::POST, &format!("/payments/webhooks/{provider}"));
    let request = request.header("payment-signature", signature).header("content-type", "application/json");
    stranger.send(request.body(body.to_owned())).await
}
