//! Payments that a customer's bank disputes.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Currency, Dispute, DisputeState, Money};
use e2e::usd;
use jiff::SignedDuration;
use payments::PaymentEventKind;
use serde_json::{Value, json};
use sweeper::SweepReport;

use crate::by_hand::{bought, events, sends};

#[tokio::test]
async fn a_dispute_is_shown_on_the_order_listed_for_staff_and_counted_once_a_day() {
    let (shop, ann, order) = bought(1).await;
    let admin = shop.admin().await;
    let path = "/admin/orders?state=disputed";
    let day = SignedDuration::from_hours(24);

    sends(&shop, "evt_1", disputed("dp_1", DisputeState::Open)).await.expect(200);
    sends(&shop, "evt_2", disputed("dp_1", DisputeState::Open)).await.expect(200);
    let (swept, at_once) = (shop.sweep(None).await, shop.sweep(None).await);
    let seen = admin.get(&format!("/admin/orders/{order}")).await.expect(200).json();
    let by_customer = ann.get(&format!("/orders/{order}")).await.json();
    let listed = admin.get(path).await.expect(200).json();
    admin.post_once(&format!("/admin/orders/{order}/ship"), "it-is-on-its-way", Value::Null).await.expect(200);
    shop.clock.advance(day);
    let next_day = shop.sweep(None).await;
    sends(&shop, "evt_3", disputed("dp_1", DisputeState::Lost)).await.expect(200);
    shop.clock.advance(day);
    // The first admin session has expired.
    let admin = shop.admin().await;

    let dispute = json!({"number": 1, "id": "dp_1", "amount": usd(899), "state": "open", "reason": "fraudulent"});
    assert_eq!((&seen["payment"]["disputes"], &by_customer["payment"]["disputes"]), (&json!([dispute]), &Value::Null));
    assert_eq!(events(&by_customer), ["placed", "confirmed", "disputed"]);
    assert_eq!(listed["items"][0]["orderId"], order.as_str());
    assert_eq!((swept.due, swept.disputed, swept.metrics()[2]), (1, 1, ("Disputes", 1.0)));
    assert_eq!(
        (at_once, next_day.disputed, shop.sweep(None).await),
        (SweepReport::default(), 1, SweepReport::default())
    );
    assert_eq!(admin.get(path).await.expect(200).json()["items"], json!([]));
    let lost = admin.get(&format!("/admin/orders/{order}")).await.json();
    assert_eq!((&lost["payment"]["disputes"][0]["state"], &lost["state"]), (&json!("lost"), &json!("shipped")));
    assert_eq!(events(&lost)[3..], ["shipped", "dispute_lost"]);
}

#[tokio::test]
async fn a_dispute_is_recorded_when_its_decision_arrives_before_its_opening() {
    let (shop, _, order) = bought(1).await;
    let admin = shop.admin().await;

    sends(&shop, "evt_2", disputed("dp_1", DisputeState::Won)).await.expect(200);
    let late = sends(&shop, "evt_1", disputed("dp_1", DisputeState::Open)).await.expect(200);

    assert_eq!(late.json(), json!({"outcome": "applied"}));
    let won = admin.get(&format!("/admin/orders/{order}")).await.json();
    assert_eq!(events(&won), ["placed", "confirmed", "disputed", "dispute_won"]);
    assert_eq!(
        (&won["payment"]["disputes"][0]["state"], shop.sweep(None).await),
        (&json!("won"), SweepReport::default())
    );
}

#[tokio::test]
async fn two_disputes_of_one_payment_are_recorded_and_decided_separately() {
    let (shop, _, order) = bought(1).await;
    let admin = shop.admin().await;
    let listed = async || admin.get("/admin/orders?state=disputed").await.expect(200).json()["items"].clone();

    sends(&shop, "evt_1", disputed("dp_1", DisputeState::Open)).await.expect(200);
    let second = sends(&shop, "evt_2", disputed("dp_2", DisputeState::Open)).await.expect(200);
    sends(&shop, "evt_3", disputed("dp_1", DisputeState::Won)).await.expect(200);
    let one_left = listed().await;
    sends(&shop, "evt_4", disputed("dp_2", DisputeState::Lost)).await.expect(200);

    assert_eq!(second.json(), json!({"outcome": "applied"}));
    assert_eq!(one_left[0]["orderId"], order.as_str());
    assert_eq!(listed().await, json!([]));
    let seen = admin.get(&format!("/admin/orders/{order}")).await.json();
    let of = |n: usize| (&seen["payment"]["disputes"][n]["id"], &seen["payment"]["disputes"][n]["state"]);
    assert_eq!((of(0), of(1)), ((&json!("dp_1"), &json!("won")), (&json!("dp_2"), &json!("lost"))));
    let numbers: Vec<_> =
        seen["history"].as_array().unwrap()[2..].iter().map(|e| (&e["event"], &e["dispute"])).collect();
    let expected = json!([["disputed", 1], ["disputed", 2], ["dispute_won", 1], ["dispute_lost", 2]]);
    assert_eq!(json!(numbers), expected);
}

#[tokio::test]
async fn a_dispute_stored_without_a_number_is_decided_like_any_other() {
    let (shop, _, order) = bought(1).await;
    let admin = shop.admin().await;
    sends(&shop, "evt_1", disputed("dp_1", DisputeState::Open)).await.expect(200);
    let key = |name: &str| AttributeValue::S(name.to_owned());
    let update = shop.raw_client().update_item().table_name(shop.table_of("ORDER#"));
    let update = update.key("PK", key(&format!("ORDER#{order}"))).key("SK", key("STATUS"));
    update.update_expression("REMOVE history[2].n").send().await.unwrap();

    sends(&shop, "evt_2", disputed("dp_1", DisputeState::Lost)).await.expect(200);

    let lost = admin.get(&format!("/admin/orders/{order}")).await.expect(200).json();
    assert_eq!((events(&lost)[3], &lost["payment"]["disputes"][0]["state"]), ("dispute_lost", &json!("lost")));
}

fn disputed(id: &str, state: DisputeState) -> PaymentEventKind {
    let amount = Money::amount(899, Currency::USD);
    PaymentEventKind::Disputed(Dispute {
        id: id.parse().unwrap(),
        amount,
        reason: Some("fraudulent".to_owned()),
        state,
    })
}
