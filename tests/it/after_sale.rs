//! Orders after they are placed: cancelled, shipped, delivered, refunded.

use domain::{
    ProductId,
    pricing::{Adjustment, AdjustmentKind, AppliesTo},
};
use e2e::{Answer, Shop, Shopper, usd};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::join;

use crate::orders::hold_adjusted;

#[tokio::test]
async fn a_paid_order_is_cancelled_refunded_and_back_in_stock() {
    let (shop, ann, order) = bought(2).await;
    let bob = shop.customer().await;

    let foreign = cancel(&bob, &order, "somebody-elses-order").await;
    let cancelled = cancel(&ann, &order, "cancel-what-i-bought").await.expect(200);
    let again = cancel(&ann, &order, "cancel-what-i-bought").await.expect(200);
    let anew = cancel(&ann, &order, "cancelled-once-more").await.expect(200);

    assert_eq!(foreign.status(), 404);
    assert_eq!(cancelled.json()["state"], "cancelled");
    assert_eq!(
        (&cancelled.json()["refunded"], &cancelled.json()["refunds"][0]["state"]),
        (&usd(1_798), &json!("paid"))
    );
    assert_eq!((again.header("idempotency-replayed"), again.text()), (Some("true"), cancelled.text()));
    assert_eq!(anew.json(), cancelled.json());
    assert_eq!(shop.stock(&mug()).await, 10);
    assert_eq!(taken_and_returned(&shop), (1_798, 1_798));
    assert_eq!(ann.get("/orders").await.json()["items"][0]["state"], "cancelled");
    assert_eq!(events(&cancelled), ["placed", "confirmed", "cancelled", "refund_requested", "refund_paid"]);
}

#[tokio::test]
async fn an_order_with_an_unknown_payment_is_cancelled_once_the_payment_is_voided() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = id(&ann.pays_with("tok_timeout_unpaid", "lost-before-paying").await.expect(202));

    let cancelled = cancel(&ann, &order, "cancel-what-is-unknown").await.expect(200);
    let retried = ann.pays_with("tok_timeout_unpaid", "lost-before-paying").await;

    assert_eq!(
        (&cancelled.json()["state"], &cancelled.json()["payment"]["state"]),
        (&json!("cancelled"), &json!("voided"))
    );
    assert_eq!(retried.expect(409).code(), "order_cancelled");
    assert_eq!(shop.stock(&mug).await, 10);
    assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 2);
    assert_eq!(taken_and_returned(&shop), (0, 0));
}

#[tokio::test]
async fn an_order_that_turns_out_to_be_paid_is_cancelled_and_refunded() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = id(&ann.pays_with("tok_timeout_paid", "lost-after-paying").await.expect(202));

    let cancelled = cancel(&ann, &order, "cancel-what-is-unknown").await.expect(200);

    assert_eq!(
        events(&cancelled),
        ["placed", "payment_lost", "confirmed", "cancelled", "refund_requested", "refund_paid"]
    );
    assert_eq!(shop.stock(&mug).await, 10);
    assert_eq!(taken_and_returned(&shop), (1_798, 1_798));
}

#[tokio::test]
async fn an_order_is_shipped_then_delivered_and_then_not_cancelled() {
    let (shop, ann, order) = bought(1).await;
    let admin = shop.admin().await;
    let staff =
        async |what: &str, key: &str| admin.post_once(&format!("/admin/orders/{order}/{what}"), key, Value::Null).await;

    let early = staff("deliver", "deliver-before-ship").await;
    let shipped = staff("ship", "ship-it-number-one").await.expect(200);
    let delivered = staff("deliver", "deliver-number-one").await.expect(200);
    let ship_again = staff("ship", "ship-it-number-one").await.expect(200);
    let late = cancel(&ann, &order, "cancel-what-arrived").await;

    assert_eq!(early.expect(409).code(), "order_state_conflict");
    assert_eq!((&shipped.json()["state"], &delivered.json()["state"]), (&json!("shipped"), &json!("delivered")));
    assert_eq!(ship_again.text(), shipped.text(), "a repeated request gets the first answer, whatever happened since");
    assert_eq!(late.expect(409).json()["state"], "delivered");
    assert_eq!(events(&delivered), ["placed", "confirmed", "shipped", "delivered"]);
    assert_eq!(ann.get("/orders").await.json()["items"][0]["state"], "delivered");
}

#[tokio::test]
async fn staff_see_whose_order_it_is_and_customers_see_no_more_than_before() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let (ann, guest, admin) = (shop.registered().await, shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    guest.adds(&mug, 1).await.expect(200);
    let (hers, theirs) = (id(&ann.checks_out().await.expect(201)), id(&guest.checks_out().await.expect(201)));

    let of_customer = admin.get(&format!("/admin/orders/{hers}")).await.expect(200).json();
    let of_guest = admin.get(&format!("/admin/orders/{theirs}")).await.expect(200).json();
    let path = format!("/admin/orders/{hers}/ship");
    let shipped = admin.post_once(&path, "ship-it-number-one", Value::Null).await.expect(200).json();
    let own = ann.get(&format!("/orders/{hers}")).await.expect(200).json();

    let expected = json!({"userId": ann.uid, "name": "Ann", "email": "shopper0@example.com"});
    assert_eq!((&of_customer["customer"], &shipped["customer"]), (&expected, &expected));
    assert_eq!(of_guest["customer"], json!({"userId": guest.uid}));
    assert_eq!(own.get("customer"), None);
}

#[tokio::test]
async fn a_request_that_takes_no_body_refuses_what_it_would_ignore() {
    let (shop, ann, order) = bought(1).await;
    let admin = shop.admin().await;
    let (ship, cancel) = (format!("/admin/orders/{order}/ship"), format!("/orders/{order}/cancel"));
    let tracked = json!({"trackingNumber": "1Z999"});

    for (shopper, path) in [(&admin, &format!("/admin/orders/{order}/deliver")), (&ann, &cancel)] {
        let refused = shopper.post_once(path, "with-a-tracking-no", tracked.clone()).await.expect(400);
        assert_eq!((refused.code(), &refused.json()["field"]), ("body_invalid".to_owned(), &json!("trackingNumber")));
        let list = shopper.post_once(path, "with-a-tracking-no", json!([])).await;
        assert_eq!(list.expect(400).code(), "body_invalid");
    }
    let without = admin.request(reqwest::Method::POST, &ship).header("idempotency-key", "without-any-body");
    assert_eq!(admin.send(without).await.expect(200).json()["state"], "shipped");
    admin.post_once(&ship, "with-an-empty-one", json!({})).await.expect(200);
}

#[tokio::test]
async fn a_refund_says_which_lines_came_back_and_why() {
    let (shop, ann, order) = bought(3).await;
    let admin = shop.admin().await;
    let path = format!("/admin/orders/{order}/refund");
    let body = json!({
        "lines": [{"productId": "mug", "quantity": 1, "restock": true}],
        "reason": "The handle was broken \u{2014} 取っ手",
    });

    let refunded = admin.post_once(&path, "a-broken-handle-01", body.clone()).await.expect(200).json();
    let rest = admin.post_once(&path, "and-all-of-the-rest", json!({})).await.expect(200).json();
    let refused = admin.post_once(&path, "a-reason-of-nothing", json!({"reason": " "})).await;

    let first = json!({
        "number": 1, "amount": usd(899), "state": "paid", "reason": body["reason"],
        "lines": [{"productId": "mug", "quantity": 1, "restock": true}],
    });
    assert_eq!(refunded["refunds"], json!([first]));
    let second = json!([{"productId": "mug", "quantity": 2, "restock": true}]);
    assert_eq!((&rest["refunds"][1]["lines"], rest["refunds"][1].get("reason")), (&second, None));
    assert_eq!(ann.get(&format!("/orders/{order}")).await.json()["refunds"][0], first);
    assert_eq!(refused.expect(422).code(), "reason_invalid");
}

#[tokio::test]
async fn a_refund_of_a_discounted_line_is_of_what_was_paid_for_it() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).create().await;
    let (ann, bob, admin) = (shop.customer().await, shop.customer().await, shop.admin().await);
    ann.adds(&mug, 3).await.expect(200);
    bob.adds(&mug, 1).await.expect(200);
    let discount = Adjustment::new(AdjustmentKind::Discount, 697, AppliesTo::Order).unwrap();
    let order = hold_adjusted(&shop, &ann, "tok_visa", "a-discounted-order", &[discount]).await.id;
    shop.clock.advance(SignedDuration::from_secs(25));
    let refund = async |key: &str| {
        let one = json!({"lines": [{"productId": "mug", "quantity": 1, "restock": true}]});
        admin.post_once(&format!("/admin/orders/{order}/refund"), key, one).await.expect(200).json()
    };

    let paid = ann.pays_with("tok_visa", "a-discounted-order").await.expect(201).json();
    refund("the-first-came-back").await;
    refund("the-second-came-back").await;
    let all = refund("the-third-came-back").await;
    let full_price = id(&bob.checks_out().await.expect(201));

    assert_eq!(
        (&paid["discount"], &paid["total"], &paid["items"][0]["lineTotal"]),
        (&usd(697), &usd(2_000), &usd(2_697))
    );
    let amounts: Vec<_> = all["refunds"].as_array().unwrap().iter().map(|refund| &refund["amount"]).collect();
    assert_eq!(amounts, [&usd(666), &usd(667), &usd(667)]);
    assert_eq!(all["state"], "cancelled");
    assert_eq!(taken_and_returned(&shop), (2_899, 2_000));
    let items = shop.dump().await;
    let allocated = |order: &str| {
        let stored =
            items.iter().find(|item| item["PK"] == format!("ORDER#{order}") && item["SK"] == "STATUS").unwrap();
        stored["lines"][0].get("a").cloned()
    };
    assert_eq!((allocated(&order.to_string()), allocated(&full_price)), (Some(json!(2_000)), None));
}

#[tokio::test]
async fn refunds_add_up_to_what_was_paid_and_no_further() {
    let (shop, _, order) = bought(3).await;
    let admin = shop.admin().await;
    let refund =
        async |key: &str, body: Value| admin.post_once(&format!("/admin/orders/{order}/refund"), key, body).await;
    let line =
        |units: i64, restock: bool| json!({"lines": [{"productId": "mug", "quantity": units, "restock": restock}]});

    let part = refund("refund-some-of-it", json!({"amount": usd(100)})).await.expect(200);
    let again = refund("refund-some-of-it", json!({"amount": usd(100)})).await.expect(200);
    let reused = refund("refund-some-of-it", json!({"amount": usd(101)})).await;
    let lines = refund("refund-one-of-them", line(1, true)).await.expect(200);
    let too_many = refund("refund-three-of-them", line(3, true)).await;
    let too_much = refund("refund-too-much-of", json!({"amount": usd(2_697)})).await;
    let nothing = refund("refund-nothing-at-all", json!({"amount": usd(0)})).await;
    let foreign = refund("refund-other-money", json!({"amount": {"amount": 1, "currency": "GBP"}})).await;
    let rest = refund("refund-all-the-rest", json!({})).await.expect(200);
    let over = refund("refund-even-more-of", json!({})).await;

    assert_eq!((&part.json()["refunded"], again.text()), (&usd(100), part.text()));
    assert_eq!(reused.expect(422).code(), "idempotency_key_reused");
    assert_eq!(lines.json()["refunded"], usd(999));
    assert_eq!(too_many.clone().expect(422).code(), "refund_lines_invalid");
    assert_eq!(too_many.json()["left"], 2);
    assert_eq!(
        (too_much.clone().expect(422).code(), &too_much.json()["left"]),
        ("refund_too_much".to_owned(), &usd(1_698))
    );
    assert_eq!(nothing.expect(422).code(), "refund_amount_invalid");
    assert_eq!(foreign.expect(422).code(), "refund_amount_invalid");
    assert_eq!((&rest.json()["refunded"], &rest.json()["state"]), (&usd(2_697), &json!("cancelled")));
    assert_eq!(over.expect(422).code(), "refund_amount_invalid");
    assert_eq!(shop.stock(&mug()).await, 10);
    assert_eq!(taken_and_returned(&shop), (2_697, 2_697));
}

#[tokio::test]
async fn what_was_shipped_is_restocked_only_where_staff_say_so() {
    let (shop, _, order) = bought(3).await;
    let admin = shop.admin().await;
    admin.post_once(&format!("/admin/orders/{order}/ship"), "ship-it-number-one", Value::Null).await.expect(200);
    let lines =
        json!({"lines": [{"productId": "mug", "quantity": 1, "restock": true}, {"productId": "mug", "quantity": 1}]});

    let refunded =
        admin.post_once(&format!("/admin/orders/{order}/refund"), "two-came-back-home", lines).await.expect(200);

    assert_eq!((&refunded.json()["state"], &refunded.json()["refunded"]), (&json!("shipped"), &usd(1_798)));
    assert_eq!(shop.stock(&mug()).await, 8);
}

#[tokio::test]
async fn two_refunds_at_once_never_pay_more_than_was_taken() {
    let (shop, _, order) = bought(1).await;
    let admin = shop.admin().await;
    let refund = async |key: &str| {
        admin.post_once(&format!("/admin/orders/{order}/refund"), key, json!({"amount": usd(600)})).await
    };

    let (a, b) = join!(refund("refund-in-one-tab"), refund("refund-in-another-tab"));

    let mut statuses = [a.status(), b.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422]);
    assert_eq!(taken_and_returned(&shop), (899, 600));
}

#[tokio::test]
async fn one_refund_sent_sixteen_times_at_once_is_paid_once() {
    let (shop, _, order) = bought(1).await;
    let admin = shop.admin().await;
    let refund = || {
        let path = format!("/admin/orders/{order}/refund");
        let admin = &admin;
        async move { admin.post_once(&path, "refund-sixteen-times", json!({"amount": usd(100)})).await }
    };

    let answers = futures::future::join_all((0..16).map(|_| refund())).await;

    assert!(answers.iter().all(|a| matches!(a.status(), 200 | 202 | 503)), "{answers:?}");
    assert!(answers.iter().any(|a| a.status() == 200));
    assert_eq!(taken_and_returned(&shop), (899, 100));
}

#[tokio::test]
async fn an_unknown_order_is_not_shipped_refunded_or_cancelled() {
    let shop = Shop::open().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    let unknown = "018cc251-f400-7000-8000-000000000000";

    for what in ["ship", "deliver", "refund"] {
        let path = format!("/admin/orders/{unknown}/{what}");
        let body = if what == "refund" { json!({}) } else { Value::Null };
        assert_eq!(admin.post_once(&path, "about-no-order-at-all", body).await.status(), 404, "{what}");
    }
    assert_eq!(cancel(&ann, unknown, "about-no-order-at-all").await.status(), 404);
    let unpaid = shop.product("mug").create().await;
    ann.adds(&unpaid, 1).await.expect(200);
    let lost = id(&ann.pays_with("tok_timeout_unpaid", "lost-before-paying").await.expect(202));
    let refused = admin.post_once(&format!("/admin/orders/{lost}/refund"), "refund-what-is-open", json!({})).await;
    assert_eq!(refused.expect(409).json()["state"], "payment_unknown");
}

/// A shop that had ten mugs at 8.99, and a customer who has bought `units` of them.
async fn bought(units: i64) -> (Shop, Shopper, String) {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, units).await.expect(200);
    let order = id(&ann.checks_out().await.expect(201));
    (shop, ann, order)
}

fn mug() -> ProductId {
    "mug".parse().unwrap()
}

fn id(answer: &Answer) -> String {
    answer.json()["orderId"].as_str().unwrap().to_owned()
}

fn events(answer: &Answer) -> Vec<String> {
    let history = answer.json()["history"].as_array().unwrap().clone();
    history.iter().map(|t| t["event"].as_str().unwrap().to_owned()).collect()
}

async fn cancel(shopper: &Shopper, order: &str, key: &str) -> Answer {
    shopper.post_once(&format!("/orders/{order}/cancel"), key, Value::Null).await
}

/// What the provider has taken and refunded.
fn taken_and_returned(shop: &Shop) -> (i64, i64) {
    let of = |wanted: fn(payments::Attempt) -> bool| {
        shop.stack.payments.attempts().iter().filter(|e| wanted(e.attempt)).map(|e| e.amount).sum()
    };
    (of(|a| a == payments::Attempt::Captured), of(|a| matches!(a, payments::Attempt::Refunded(_))))
}
