//! Payments that a customer's bank disputes.

use domain::{Currency, Dispute, DisputeState, Money};
use e2e::usd;
use jiff::SignedDuration;
use payments::PaymentNews;
use serde_json::{Value, json};
use sweeper::Swept;

use crate::by_hand::{bought, events, sends};

#[tokio::test]
async fn a_dispute_is_on_the_order_in_the_staffs_list_and_counted_once_a_day() {
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
    // Their session of two days ago has ended.
    let admin = shop.admin().await;

    let dispute = json!({"id": "dp_1", "amount": usd(899), "state": "open", "reason": "fraudulent"});
    assert_eq!((&seen["payment"]["dispute"], &by_customer["payment"]["dispute"]), (&dispute, &Value::Null));
    assert_eq!(events(&by_customer), ["placed", "confirmed", "disputed"]);
    assert_eq!(listed["items"][0]["orderId"], order.as_str());
    assert_eq!((swept.due, swept.disputed, swept.metrics()[2]), (1, 1, ("Disputes", 1.0)));
    assert_eq!((at_once, next_day.disputed, shop.sweep(None).await), (Swept::default(), 1, Swept::default()));
    assert_eq!(admin.get(path).await.expect(200).json()["items"], json!([]));
    let lost = admin.get(&format!("/admin/orders/{order}")).await.json();
    assert_eq!((&lost["payment"]["dispute"]["state"], &lost["state"]), (&json!("lost"), &json!("shipped")));
    assert_eq!(events(&lost)[3..], ["shipped", "dispute_lost"]);
}

#[tokio::test]
async fn a_dispute_whose_end_comes_before_its_beginning_is_on_the_order_all_the_same() {
    let (shop, _, order) = bought(1).await;
    let admin = shop.admin().await;

    sends(&shop, "evt_2", disputed("dp_1", DisputeState::Won)).await.expect(200);
    let late = sends(&shop, "evt_1", disputed("dp_1", DisputeState::Open)).await.expect(200);

    assert_eq!(late.json(), json!({"outcome": "applied"}));
    let won = admin.get(&format!("/admin/orders/{order}")).await.json();
    assert_eq!(events(&won), ["placed", "confirmed", "disputed", "dispute_won"]);
    assert_eq!((&won["payment"]["dispute"]["state"], shop.sweep(None).await), (&json!("won"), Swept::default()));
}

fn disputed(id: &str, state: DisputeState) -> PaymentNews {
    let amount = Money::amount(899, Currency::USD);
    PaymentNews::Disputed(Dispute { id: id.parse().unwrap(), amount, reason: Some("fraudulent".to_owned()), state })
}
