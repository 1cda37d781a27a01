//! Lists of orders.

use e2e::Shop;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::pages;

#[tokio::test]
async fn a_customer_pages_through_their_orders_newest_first_and_sees_no_other() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").create().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    let mut placed = Vec::new();
    for _ in 0..7 {
        ann.adds(&mug, 1).await.expect(200);
        placed.insert(0, ann.checks_out().await.expect(201).json()["orderId"].clone());
        shop.clock.advance(SignedDuration::from_hours(9));
    }

    let listed = pages(&ann, "/orders?limit=3").await;
    let foreign = bob.get(&format!("/orders/{}", placed[0].as_str().unwrap())).await;

    assert_eq!(listed.iter().map(|o| o["orderId"].clone()).collect::<Vec<_>>(), placed);
    assert_eq!(foreign.expect(404).code(), "not_found");
    assert_eq!(pages(&bob, "/orders").await, Vec::<Value>::new());
}

#[tokio::test]
async fn staff_list_orders_by_state_and_day() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    let mut days = Vec::new();
    for _ in 0..2 {
        for i in 0..5 {
            ann.adds(&mug, 1).await.expect(200);
            let key = format!("order-{}-number-{i}", shop.clock.now());
            ann.pays_with("tok_visa", &key.replace(':', ".")).await.expect(201);
        }
        days.push(shop.clock.now().to_string()[..10].to_owned());
        shop.clock.advance(SignedDuration::from_hours(1));
        ann.adds(&mug, 1).await.expect(200);
        ann.pays_with("tok_declined", &format!("declined-on-{}", days.len() + 1_000)).await.expect(402);
        ann.delete("/cart").await.expect(200);
        shop.clock.advance(SignedDuration::from_hours(23));
    }
    let admin2 = shop.admin().await;

    for day in &days {
        let confirmed = pages(&admin2, &format!("/admin/orders?state=confirmed&day={day}&limit=2")).await;
        let cancelled = pages(&admin2, &format!("/admin/orders?state=cancelled&day={day}")).await;
        assert_eq!((confirmed.len(), cancelled.len()), (5, 1));
        assert!(confirmed.iter().all(|o| o["placedAt"].as_str().unwrap().starts_with(day)));
    }
    drop(admin);
    for query in [
        "state=sold",
        "state=confirmed&day=yesterday",
        "state=confirmed&day=2040-02-30",
        "state=payment_unknown&day=2040-01-15",
    ] {
        admin2.get(&format!("/admin/orders?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn staff_list_the_orders_of_a_day_whatever_their_state() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    let buys = async |token: &str, number: usize| {
        shop.clock.advance(SignedDuration::from_secs(1));
        ann.adds(&mug, 1).await.expect(200);
        let answer = ann.pays_with(token, &format!("an-order-of-today-{number}")).await;
        ann.delete("/cart").await.expect(200);
        answer.json()["orderId"].as_str().expect("an order's id").to_owned()
    };
    let cards = ["tok_visa", "tok_declined", "tok_visa", "tok_timeout_unpaid", "tok_visa", "tok_timeout_paid"];
    let mut placed = Vec::new();
    for (number, card) in cards.into_iter().enumerate() {
        placed.push(buys(card, number).await);
    }
    admin.post_once(&format!("/admin/orders/{}/ship", placed[2]), "ship-it-number-one", json!(null)).await.expect(200);

    let today = pages(&admin, "/admin/orders?limit=2").await;
    let whole = admin.get("/admin/orders?limit=6").await.expect(200).json();
    let yesterday = admin.get("/admin/orders?day=2040-01-14").await.expect(200).json();

    let of = |orders: &[Value]| -> Vec<(String, String)> {
        let text = |order: &Value, name: &str| order[name].as_str().expect("text").to_owned();
        orders.iter().map(|order| (text(order, "orderId"), text(order, "state"))).collect()
    };
    // Orders that wait for an outcome first, by due time; then the newest.
    let expected = [
        (3, "payment_unknown"),
        (5, "payment_unknown"),
        (4, "confirmed"),
        (2, "shipped"),
        (1, "cancelled"),
        (0, "confirmed"),
    ];
    assert_eq!(of(&today), expected.map(|(at, state)| (placed[at].clone(), state.to_owned())));
    assert_eq!((of(whole["items"].as_array().unwrap()), &whole["nextCursor"]), (of(&today), &Value::Null));
    assert_eq!(yesterday, json!({"items": [], "nextCursor": null}));
}

#[tokio::test]
async fn staff_page_through_orders_without_an_outcome() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    for i in 0..25 {
        ann.adds(&mug, 1).await.expect(200);
        ann.pays_with("tok_timeout_unpaid", &format!("lost-answer-number-{i}")).await.expect(202);
    }

    let unknown = pages(&admin, "/admin/orders?state=payment_unknown&limit=4").await;

    let mut ids: Vec<_> = unknown.iter().map(|o| o["orderId"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((unknown.len(), ids.len()), (25, 25));
}
