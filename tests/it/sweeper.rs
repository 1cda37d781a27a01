//! The sweeper: orders whose checkout was not completed.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{OrderId, Timestamp};
use e2e::{Shop, Shopper};
use jiff::SignedDuration;
use payments::{Stripe, StripeConfig};
use serde_json::json;
use sweeper::SweepReport;
use table::{Open, keys};

use crate::orders::hold;

#[tokio::test]
async fn a_hold_that_ran_out_is_released_once_and_not_a_second_before() {
    let shop = Shop::open().await;
    let (ann, order) = held(&shop).await;

    shop.clock.advance(SignedDuration::from_mins(15) - SignedDuration::from_secs(1));
    let early = shop.sweep(None).await;
    let still_held = shop.stock(&"mug".parse().unwrap()).await;
    shop.clock.advance(SignedDuration::from_secs(1));
    let (one, other) = tokio::join!(shop.sweep(None), shop.sweep(None));
    let again = shop.sweep(None).await;

    assert_eq!((early.due, still_held), (0, 8));
    assert_eq!((one.overdue, other.overdue), (0, 0), "nothing is overdue yet");
    assert!(one.released >= 1 && one.failed + other.failed == 0, "{one:?} {other:?}");
    assert_eq!(again, SweepReport::default());
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 10);
    assert_eq!(state(&ann, &order).await, "cancelled");
    assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 2);
    let retried = ann.pays_with("tok_visa", "crashed-and-gone").await;
    assert_eq!(retried.expect(402).code(), "payment_expired");
    assert!(shop.stack.payments.entries().is_empty(), "an order that was given up is never charged");
}

#[tokio::test]
async fn a_sweeper_that_comes_48_hours_late_does_the_same() {
    let shop = Shop::open().await;
    let (ann, order) = held(&shop).await;

    shop.clock.advance(SignedDuration::from_hours(48));
    let items = shop.dump().await;
    let swept = shop.sweep(None).await;

    let of_order = items.iter().filter(|i| i["PK"].as_str().is_some_and(|pk| pk.starts_with("ORDER#")));
    assert!(
        of_order.clone().count() > 0 && of_order.clone().all(|i| i.get("expiresAt").is_none()),
        "TTL is on no hold"
    );
    assert_eq!((swept.due, swept.overdue, swept.released), (1, 1, 1));
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 10);
    assert_eq!(state(&ann, &order).await, "cancelled");
}

#[tokio::test]
async fn an_unknown_payment_is_asked_about_after_a_minute() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    ann.adds(&mug, 1).await.expect(200);
    bob.adds(&mug, 2).await.expect(200);
    let paid = ann.pays_with("tok_timeout_paid", "lost-after-paying").await.expect(202).json()["orderId"].clone();
    let unpaid = bob.pays_with("tok_timeout_unpaid", "lost-before-paying").await.expect(202).json()["orderId"].clone();

    let early = shop.sweep(None).await;
    shop.clock.advance(SignedDuration::from_mins(1));
    let swept = shop.sweep(None).await;

    assert_eq!(early.due, 0);
    assert_eq!((swept.confirmed, swept.released), (1, 1));
    assert_eq!(state(&ann, paid.as_str().unwrap()).await, "confirmed");
    assert_eq!(state(&bob, unpaid.as_str().unwrap()).await, "cancelled");
    assert_eq!(shop.stock(&mug).await, 9);
    assert_eq!(ann.pays_with("tok_timeout_paid", "lost-after-paying").await.expect(201).json()["state"], "confirmed");
    assert_eq!(bob.pays_with("tok_timeout_unpaid", "lost-before-paying").await.expect(402).code(), "payment_expired");
}

#[tokio::test]
async fn an_order_whose_provider_does_not_answer_is_counted_and_postponed() {
    // There is no server at this address.
    let stripe = StripeConfig::from_env(|name| match name {
        "STRIPE_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
        "STRIPE_PUBLISHABLE_KEY" | "PAYMENT_RETURN_URL" => None,
        name => Some(format!("{name}_of_nobody")),
    });
    let silent = Arc::new(Stripe::new(stripe.unwrap()).unwrap());
    let shop = Shop::open_with(|options| options.provider = Some(silent)).await;
    let (ann, order) = held(&shop).await;

    shop.clock.advance(SignedDuration::from_mins(15));
    let swept = shop.sweep(None).await;
    let at_once = shop.sweep(None).await;
    shop.clock.advance(SignedDuration::from_mins(4));
    let later = shop.sweep(None).await;

    assert_eq!((swept.due, swept.overdue, swept.waiting, swept.unknown), (1, 0, 1, 1));
    let counts = [("OverdueHolds", 0.0), ("UnknownPayments", 1.0), ("Disputes", 0.0), ("StuckSales", 0.0)];
    assert_eq!(swept.metrics(), counts);
    assert_eq!(at_once, SweepReport::default());
    assert_eq!((later.due, later.unknown), (1, 1));
    assert_eq!(state(&ann, &order).await, "payment_unknown");
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 8, "what may be paid stays held");
}

#[tokio::test]
async fn no_order_is_begun_with_less_than_three_seconds_left() {
    let shop = Shop::open().await;
    let (ann, order) = held(&shop).await;
    shop.clock.advance(SignedDuration::from_mins(15));
    let now = shop.clock.now();

    let short = shop.sweep(Some(now + SignedDuration::from_millis(2_900))).await;
    let before = state(&ann, &order).await;
    let enough = shop.sweep(Some(now + SignedDuration::from_secs(4))).await;

    assert_eq!((short.due, short.left, before.as_str()), (1, 1, "pending_payment"));
    assert_eq!(enough.released, 1);
}

#[tokio::test]
async fn a_hold_whose_entry_is_in_another_shard_of_the_index_is_found_and_its_entry_removed() {
    let shop = Shop::open().await;
    let (ann, order) = held(&shop).await;
    let id: OrderId = order.parse().unwrap();
    // As an earlier version wrote it, with half as many shards.
    let before = (0..keys::DUE_SHARDS / 2).map(keys::due_shard_name).find(|shard| *shard != keys::due_shard(id));
    let update = shop.raw_client().update_item().table_name(shop.stack.table.name());
    let update = update.key("PK", AttributeValue::S(keys::order_pk(id)));
    let update = update.key("SK", AttributeValue::S(keys::ORDER_STATUS.to_owned()));
    let update = update.update_expression("SET dueShard = :before");
    update.expression_attribute_values(":before", AttributeValue::S(before.unwrap())).send().await.unwrap();

    shop.clock.advance(SignedDuration::from_mins(16));
    let swept = shop.sweep(None).await;
    let again = shop.sweep(None).await;

    assert_eq!((swept.released, again.due), (1, 0));
    assert_eq!(state(&ann, &order).await, "cancelled");
    let mut listed = Vec::new();
    for shard in 0..keys::DUE_SHARDS {
        listed.extend(shop.stack.table.order_ids_by_due_shard(shard, None).await.unwrap().items);
    }
    assert!(listed.is_empty(), "{listed:?}");
}

#[tokio::test]
async fn an_order_is_due_only_while_something_is_open() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let order = ann.checks_out().await.expect(201).json()["orderId"].as_str().unwrap().to_owned();
    let due = async || {
        let due = shop.stack.table.order_list_due(Timestamp::UNIX_EPOCH, Timestamp::MAX, 24);
        due.await.unwrap().len()
    };

    let confirmed = due().await;
    ann.post_once(&format!("/orders/{order}/cancel"), "cancel-what-i-bought", json!(null)).await.expect(200);

    assert_eq!((confirmed, due().await), (0, 0));
    let listed = shop.stack.table.order_list_open(Open::Refund, 24, None).await.unwrap();
    assert!(listed.items.is_empty());
}

/// An order of two of ten mugs whose checkout died before it reached the provider.
async fn held(shop: &Shop) -> (Shopper, String) {
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = hold(shop, &ann, "tok_visa", "crashed-and-gone").await;
    (ann, order.id.to_string())
}

async fn state(shopper: &Shopper, order: &str) -> String {
    shopper.get(&format!("/orders/{order}")).await.expect(200).json()["state"].as_str().unwrap().to_owned()
}
