//! Payments whose customer is asked to authenticate them towards their bank (3-D Secure).

use domain::{HoldLength, ProductId};
use e2e::{Shop, Shopper, usd};
use jiff::SignedDuration;
use payments::{ChallengeAnswered, EventSubject, PaymentEvent, PaymentEventKind, PaymentProvider as _};
use serde_json::{Value, json};

use crate::{notifications::mails, projections::audit_log};

const KEY: &str = "the-first-attempt";

/// A shop, a guest whose mug is held while their bank asks, and the answer to the checkout.
async fn asked(token: &str) -> (Shop, Shopper, ProductId, Value) {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(5).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let answer = ann.pays_with(token, KEY).await.expect(202).json();
    (shop, ann, mug, answer)
}

fn id(order: &Value) -> String {
    order["orderId"].as_str().unwrap().to_owned()
}

fn secret(order: &Value) -> String {
    order["payment"]["action"]["clientSecret"].as_str().unwrap().to_owned()
}

/// The customer answers on their bank's page.
async fn answers(ann: &Shopper, order: &Value, authorises: bool) -> String {
    let body = json!({"clientSecret": secret(order), "authorises": authorises});
    ann.post("/local/challenge", body).await.expect(200).json()["outcome"].as_str().unwrap().to_owned()
}

async fn refresh(ann: &Shopper, order: &Value) -> e2e::Answer {
    let path = format!("/orders/{}/payment/refresh", id(order));
    ann.send(ann.request(reqwest::Method::POST, &path)).await
}

fn events(order: &Value) -> Vec<&str> {
    order["history"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_customer_who_is_asked_pays_once_they_have_authorised_it() {
    let (shop, ann, mug, order) = asked("tok_3ds").await;
    let action = &order["payment"]["action"];
    let path = format!("/orders/{}", id(&order));
    assert_eq!((&order["state"], &order["payment"]["state"]), (&json!("pending_payment"), &json!("action_required")));
    assert_eq!((&action["provider"], &action["publishableKey"]), (&json!("local"), &json!("pk_local")));
    assert_eq!(action["returnUrl"], format!("/?order={}", id(&order)));
    assert_eq!(shop.stock(&mug).await, 3);
    assert!(shop.stack.payments.entries().is_empty());

    let outcome = answers(&ann, &order, true).await;

    let paid = ann.get(&path).await.expect(200).json();
    assert_eq!((outcome.as_str(), &paid["state"]), ("captured", &json!("confirmed")));
    assert_eq!(events(&paid), ["placed", "action_required", "confirmed"]);
    assert_eq!(paid["payment"], json!({"state": "captured"}));
    assert_eq!(refresh(&ann, &order).await.expect(200).json()["state"], "confirmed");
    assert_eq!(ann.pays_with("tok_3ds", KEY).await.expect(201).json()["orderId"], order["orderId"]);
    assert_eq!(answers(&ann, &order, true).await, "not_asked");
    assert_eq!((shop.stock(&mug).await, shop.stack.payments.entries().len()), (3, 1));
}

#[tokio::test]
async fn a_repeated_checkout_asks_the_provider_again_and_gets_the_same_question() {
    let (shop, ann, _, order) = asked("tok_3ds").await;

    let again = ann.pays_with("tok_3ds", KEY).await.expect(202).json();
    let looked = refresh(&ann, &order).await.expect(202).json();
    let another_card = ann.pays_with("tok_visa", "another-attempt-at-it").await.expect(202).json();
    let read = ann.get(&format!("/orders/{}", id(&order))).await.expect(200).json();

    for answer in [&again, &looked, &another_card] {
        assert_eq!((&answer["orderId"], &answer["payment"]), (&order["orderId"], &order["payment"]));
    }
    assert_eq!(read["payment"], json!({"state": "action_required"}), "the secret is only in answers that ask");
    assert_eq!(events(&read), ["placed", "action_required"]);
    assert_eq!(shop.stack.payments.attempts().len(), 1, "the customer was asked once");
}

#[tokio::test]
async fn after_a_failed_challenge_the_stock_stays_held_and_another_card_pays() {
    for (token, authorises) in [("tok_3ds", false), ("tok_3ds_fails", true), ("tok_3ds_then_declined", true)] {
        let (shop, ann, mug, order) = asked(token).await;

        let outcome = answers(&ann, &order, authorises).await;

        let read = ann.get(&format!("/orders/{}", id(&order))).await.expect(200).json();
        assert_eq!((outcome.as_str(), &read["payment"]["state"]), ("failed", &json!("pending")), "{token}");
        assert_eq!((events(&read).pop(), shop.stock(&mug).await), (Some("challenge_failed"), 3));
        for answer in [refresh(&ann, &order).await, ann.pays_with(token, KEY).await] {
            let problem = answer.expect(402).json();
            assert_eq!((&problem["code"], &problem["attemptsLeft"]), (&json!("authentication_failed"), &json!(2)));
            assert_eq!(problem["orderId"], order["orderId"]);
        }
        let paid = ann.pays_with("tok_visa", "with-another-card").await.expect(201).json();
        assert_eq!((&paid["orderId"], &paid["state"]), (&order["orderId"], &json!("confirmed")));
        assert_eq!(ann.pays_with(token, KEY).await.expect(201).json()["state"], "confirmed");
        assert_eq!((shop.stock(&mug).await, shop.stack.payments.entries().len()), (3, 1));
    }
}

#[tokio::test]
async fn after_three_failed_challenges_the_order_is_declined_and_the_cart_is_back() {
    let (shop, ann, mug, order) = asked("tok_3ds").await;
    for attempt in ["the-second-attempt", "the-third-attempt"] {
        answers(&ann, &order, false).await;
        ann.pays_with("tok_3ds", attempt).await.expect(202);
    }

    answers(&ann, &order, false).await;

    let problem = refresh(&ann, &order).await.expect(402).json();
    assert_eq!((&problem["code"], &problem["orderId"]), (&json!("payment_declined"), &order["orderId"]));
    assert_eq!(ann.pays_with("tok_3ds", "the-third-attempt").await.expect(402).code(), "payment_declined");
    assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 2);
    assert_eq!(shop.stock(&mug).await, 5);
    assert_eq!(ann.pays_with("tok_visa", "a-purchase-of-its-own").await.expect(201).json()["state"], "confirmed");
}

#[tokio::test]
async fn an_abandoned_challenge_ends_with_the_hold_and_can_no_longer_be_answered() {
    for token in ["tok_3ds", "tok_3ds_abandoned"] {
        let (shop, ann, mug, order) = asked(token).await;
        shop.clock.advance(SignedDuration::from_mins(14));
        assert_eq!(shop.sweep(None).await.due, 0);
        shop.clock.advance(SignedDuration::from_mins(2));

        let swept = shop.sweep(None).await;

        assert_eq!((swept.due, swept.released, swept.overdue), (1, 1, 0));
        assert_eq!(answers(&ann, &order, true).await, "not_asked", "too late");
        assert_eq!(refresh(&ann, &order).await.expect(402).code(), "payment_expired");
        assert_eq!(ann.pays_with(token, KEY).await.expect(402).code(), "payment_expired");
        assert_eq!((shop.stock(&mug).await, shop.stack.payments.entries().len()), (5, 0));
        assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 2);
    }
}

#[tokio::test]
async fn the_first_at_the_provider_wins_and_money_that_comes_after_goes_back() {
    let (shop, ann, mug, order) = asked("tok_3ds").await;
    let paid = shop.stack.payments.answer_challenge(&secret(&order), true);
    assert!(matches!(paid, Ok(ChallengeAnswered::Captured(_))));
    shop.clock.advance(SignedDuration::from_mins(16));

    let first = shop.sweep(None).await;
    let (late_shop, late, _, late_order) = asked("tok_3ds").await;
    late_shop.clock.advance(SignedDuration::from_mins(16));
    late_shop.sweep(None).await;
    let kind = PaymentEventKind::Captured {
        reference: "pay_of_a_provider_that_breaks_its_word".to_owned(),
        amount: domain::Money::amount(1_798, domain::Currency::USD),
    };
    let subject = EventSubject::Order(id(&late_order).parse().unwrap());
    let event = PaymentEvent { id: "evt_late".parse().unwrap(), subject, kind };
    let (body, signature) = late_shop.stack.payments.sends(&event, late_shop.clock.now());
    let request = late.request(reqwest::Method::POST, "/payments/webhooks/local").body(body);
    late.send(request.header("payment-signature", signature)).await.expect(200);

    assert_eq!((first.confirmed, shop.stock(&mug).await), (1, 3), "the sweeper found it paid");
    assert_eq!(refresh(&ann, &order).await.expect(200).json()["state"], "confirmed");
    let after = late.get(&format!("/orders/{}", id(&late_order))).await.json();
    assert_eq!((&after["state"], &after["refunds"][0]["amount"]), (&json!("cancelled"), &usd(1_798)));
    assert_eq!(after["refunds"][0]["state"], "requested");
}

#[tokio::test]
async fn a_customer_can_cancel_while_their_bank_asks() {
    let (shop, ann, mug, order) = asked("tok_3ds").await;

    let path = format!("/orders/{}/cancel", id(&order));
    let request = ann.request(reqwest::Method::POST, &path).header("idempotency-key", "a-cancellation-of-it");
    let cancelled = ann.send(request).await.expect(200).json();

    assert_eq!(events(&cancelled), ["placed", "action_required", "cancelled"]);
    assert_eq!(answers(&ann, &order, true).await, "not_asked");
    assert_eq!(refresh(&ann, &order).await.expect(409).code(), "order_cancelled");
    assert_eq!((shop.stock(&mug).await, shop.stack.payments.entries().len()), (5, 0));
}

#[tokio::test]
async fn the_storefronts_word_and_a_late_event_change_nothing() {
    let (shop, ann, _, order) = asked("tok_3ds").await;
    let subject = EventSubject::Order(id(&order).parse().unwrap());
    // Of an attempt before the one that is open.
    let event = PaymentEvent { id: "evt_late".parse().unwrap(), subject, kind: PaymentEventKind::Declined };
    let (body, signature) = shop.stack.payments.sends(&event, shop.clock.now());

    let back_from_the_bank = refresh(&ann, &order).await.expect(202).json();
    let request = ann.request(reqwest::Method::POST, "/payments/webhooks/local").body(body);
    let heard = ann.send(request.header("payment-signature", signature)).await.expect(200).json();

    assert_eq!((&back_from_the_bank["payment"], &heard["outcome"]), (&order["payment"], &json!("applied")));
    let read = ann.get(&format!("/orders/{}", id(&order))).await.json();
    assert_eq!((&read["payment"]["state"], &read["version"]), (&json!("action_required"), &json!(2)));
    assert_eq!(answers(&ann, &order, true).await, "captured");
}

#[tokio::test]
async fn the_client_secret_is_nowhere_but_in_answers_that_ask() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").priced(899).stock(5).create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = ann.pays_with("tok_3ds_fails", KEY).await.expect(202).json();
    refresh(&ann, &order).await.expect(202);
    answers(&ann, &order, true).await;
    ann.pays_with("tok_3ds", "with-another-card").await.expect(202);
    shop.drain().await;
    answers(&ann, &order, true).await;
    shop.drain().await;

    let secret = secret(&order);
    let stored = serde_json::to_string(&shop.dump().await).unwrap();
    let mails = mails(&shop);
    let log = audit_log(&shop).await;
    let orders = ann.get("/orders").await.expect(200).text().to_owned();
    let read = ann.get(&format!("/orders/{}", id(&order))).await.expect(200).text().to_owned();
    let staff = shop.admin().await.get(&format!("/admin/orders/{}", id(&order))).await.expect(200).text().to_owned();
    let ledger = serde_json::to_string(&shop.stack.payments.attempts()).unwrap();

    assert!(stored.contains(&id(&order)) && !mails.is_empty() && !log.is_empty());
    for text in mails.into_iter().chain(log.iter().map(Value::to_string)).chain([stored, orders, read, staff, ledger]) {
        assert!(!text.contains(&secret) && !text.contains("clientSecret"), "{text}");
    }
}

#[tokio::test]
async fn a_hold_is_as_long_as_the_shop_says() {
    let shop = Shop::open_with(|options| options.policy.hold = HoldLength::parse_minutes("40").unwrap()).await;
    let mug = shop.product("mug").priced(899).stock(5).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = ann.pays_with("tok_3ds", KEY).await.expect(202).json();
    answers(&ann, &order, false).await;
    ann.pays_with("tok_3ds_abandoned", "with-another-card").await.expect(202);

    shop.clock.advance(SignedDuration::from_mins(39));
    let before = shop.sweep(None).await.due;
    shop.clock.advance(SignedDuration::from_mins(2));
    let after = shop.sweep(None).await;

    assert_eq!((before, after.due, after.released, shop.stock(&mug).await), (0, 1, 1, 5));
}

/// The sweeper would give it up within a minute.
#[tokio::test]
async fn a_retry_after_the_hold_of_an_asked_order_has_ended_is_told_so_and_not_asked_again() {
    for fails_first in [false, true] {
        let (shop, ann, mug, order) = asked("tok_3ds").await;
        if fails_first {
            answers(&ann, &order, false).await;
            assert_eq!(refresh(&ann, &order).await.expect(402).code(), "authentication_failed");
        }
        shop.clock.advance(SignedDuration::from_mins(16));

        let retried = match fails_first {
            true => ann.pays_with("tok_3ds", "with-another-card").await,
            false => ann.pays_with("tok_3ds", KEY).await,
        };

        assert_eq!(retried.expect(402).code(), "payment_expired", "failed before: {fails_first}");
        let read = ann.get(&format!("/orders/{}", id(&order))).await.json();
        assert_eq!(events(&read).last(), Some(&"expired"), "{read}");
        assert_eq!(shop.stock(&mug).await, 5);
        ann.pays_with("tok_visa", "a-new-checkout-00").await.expect(201);
    }
}

/// Stripe answers one of two requests with one key that it gets at once with an error.
#[tokio::test]
async fn a_payment_whose_checkout_may_still_run_is_not_looked_at() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(5).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let held = super::hold(&shop, &ann, "tok_visa", KEY).await;
    let order = json!({"orderId": held.id.to_string()});
    shop.stack.payments.close(held.id, held.totals.total).await.unwrap();

    let early = refresh(&ann, &order).await.expect(202).json();
    shop.clock.advance(SignedDuration::from_secs(25));
    let later = refresh(&ann, &order).await.expect(402);

    assert_eq!((&early["version"], later.code().as_str()), (&json!(1), "payment_declined"));
}
