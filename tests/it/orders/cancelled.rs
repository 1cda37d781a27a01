//! Orders without a payment: stock and cart are restored. Orders of guests who log in.

use std::collections::BTreeSet;

use domain::VoidReason;
use e2e::{Shop, Shopper};
use serde_json::{Value, json};
use table::{Cause, OrderTransitionError, keys};

use crate::reconcile::remove;

use super::hold;

#[tokio::test]
async fn cancel_expiry_and_decline_together_return_the_stock_once() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").stock(10).create().await;
    for order_of_writes in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let ann = shop.customer().await;
        ann.adds(&mug, 3).await.expect(200);
        let held = hold(&shop, &ann, "tok_visa", "three-actors-at-once").await;
        let now = shop.clock.now();
        // All three have read the same version, and write one after another.
        let writes = [
            held.void(VoidReason::CancelledByCustomer, now).unwrap(),
            held.void(VoidReason::Expired, now).unwrap(),
            held.declined(now).unwrap(),
        ];

        let mut written = 0;
        for at in order_of_writes {
            match shop.stack.table.order_transition(&writes[at], Cause::Answer, now).await {
                Ok(()) => written += 1,
                Err(OrderTransitionError::Changed) => {}
                Err(other) => panic!("{other}"),
            }
        }

        assert_eq!(written, 1, "{order_of_writes:?}");
        assert_eq!(shop.stock(&mug).await, 10, "{order_of_writes:?}");
        assert_eq!(ann.get("/cart").await.json()["items"][0]["quantity"], 3);
    }
}

#[tokio::test]
async fn a_declined_card_costs_nothing_and_gives_the_cart_back() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(3).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);

    let declined = ann.pays_with("tok_declined", "declined-checkout").await;
    let again = ann.pays_with("tok_declined", "declined-checkout").await;

    assert_eq!(declined.clone().expect(402).code(), "payment_declined");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((again.status(), again.json()), (402, declined.json()));
    assert_eq!(shop.stock(&mug).await, 3);
    assert!(shop.stack.payments.entries().is_empty());
    let cart = ann.get("/cart").await.json();
    assert_eq!(cart["items"][0]["quantity"], 2);
    let order = ann.get(&format!("/orders/{}", declined.json()["orderId"].as_str().unwrap())).await.expect(200).json();
    assert_eq!(order["state"], "cancelled");
    ann.checks_out().await.expect(201);
    assert_eq!(shop.stock(&mug).await, 1);
}

#[tokio::test]
async fn the_lines_of_a_declined_order_return_to_a_cart_that_was_filled_meanwhile() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").stock(3).create().await, shop.product("pan").create().await);
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = hold(&shop, &ann, "tok_declined", "declined-meanwhile").await;
    ann.adds(&pan, 1).await.expect(200);
    let declined = order.declined(shop.clock.now()).unwrap();

    shop.stack.table.order_transition(&declined, Cause::Answer, shop.clock.now()).await.unwrap();

    assert_eq!(shop.stock(&mug).await, 3);
    assert_eq!(cart_units(&ann).await, json!({"mug": 2, "pan": 1}));
}

#[tokio::test]
async fn units_for_which_the_cart_has_no_room_are_named_until_it_is_emptied() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(20_000).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 6_000).await.expect(200);
    let order = hold(&shop, &ann, "tok_declined", "declined-and-too-many").await;
    ann.adds(&mug, 5_000).await.expect(200);
    let declined = order.declined(shop.clock.now()).unwrap();

    shop.stack.table.order_transition(&declined, Cause::Answer, shop.clock.now()).await.unwrap();

    let cart = ann.get("/cart").await.expect(200).json();
    assert_eq!(cart["items"][0]["quantity"], 9_999);
    assert_eq!(cart["leftOut"], json!([{"productId": "mug", "quantity": 1_001}]));
    let changed = ann.put("/cart/items/mug", json!({"quantity": 1})).await.expect(200).json();
    assert_eq!(changed["leftOut"], cart["leftOut"]);
    let emptied = ann.delete("/cart").await.expect(200).json();
    assert_eq!((&emptied["items"], &emptied["leftOut"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_cart_is_restored_although_its_guest_registered_or_logged_in_meanwhile() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").create().await, shop.product("pan").create().await);
    let (mut registering, mut logging_in) = (shop.customer().await, shop.customer().await);
    let mut bob = shop.stranger();
    bob.registers("bob@example.com").await;
    bob.adds(&pan, 1).await.expect(200);
    let mut given_up = Vec::new();
    for (guest, key) in [(&registering, "held-by-who-registers"), (&logging_in, "held-by-who-logs-in-0")] {
        guest.adds(&mug, 2).await.expect(200);
        given_up.push(hold(&shop, guest, "tok_declined", key).await.declined(shop.clock.now()).unwrap());
    }

    registering.registers("ann@example.com").await;
    logging_in.logs_in("bob@example.com", e2e::PASSWORD).await;
    for moved in &given_up {
        shop.stack.table.order_transition(moved, Cause::Answer, shop.clock.now()).await.unwrap();
    }

    assert_eq!(cart_units(&registering).await, json!({"mug": 2}));
    assert_eq!(cart_units(&logging_in).await, json!({"mug": 2, "pan": 1}));
    assert_eq!(shop.stock(&mug).await, 100);
}

#[tokio::test]
async fn a_guest_who_logs_in_keeps_their_orders() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let mut bob = shop.stranger();
    bob.registers("bob@example.com").await;
    let (mut guest, stranger) = (shop.customer().await, shop.registered().await);
    guest.adds(&mug, 2).await.expect(200);
    let paid = guest.checks_out().await.expect(201).json();
    guest.adds(&mug, 1).await.expect(200);
    let held = hold(&shop, &guest, "tok_visa", "a-request-that-died").await;
    let path = format!("/orders/{}", paid["orderId"].as_str().unwrap());

    guest.logs_in("bob@example.com", e2e::PASSWORD).await;
    let at_once = guest.get(&path).await.expect(200).json();
    shop.drain().await;

    assert_eq!(at_once["orderId"], paid["orderId"]);
    stranger.get(&path).await.expect(404);
    let listed = guest.get("/orders").await.expect(200).json();
    let ids: BTreeSet<_> =
        listed["items"].as_array().unwrap().iter().map(|o| o["orderId"].clone().to_string()).collect();
    assert_eq!(ids, BTreeSet::from([paid["orderId"].to_string(), json!(held.id.to_string()).to_string()]));
    let history = guest.get(&path).await.expect(200).json()["history"].clone();
    assert_eq!(history.as_array().unwrap().last().unwrap()["event"], "claimed");
    let cancelled = guest.post_once(&format!("{path}/cancel"), "cancelled-by-bob-0001", Value::Null).await.expect(200);
    assert_eq!(cancelled.json()["state"], "cancelled");
    let of_guest = format!("USER#{}", held.customer);
    let stays = |item: &Value| item["PK"] == *of_guest && item["SK"].as_str().unwrap().starts_with("ORDER#");
    assert!(!shop.dump().await.iter().any(stays));
}

#[tokio::test]
async fn a_guests_order_stored_without_the_guest_flag_is_claimed_too() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let mut bob = shop.stranger();
    bob.registers("bob@example.com").await;
    let mut guest = shop.customer().await;
    guest.adds(&mug, 2).await.expect(200);
    let held = hold(&shop, &guest, "tok_declined", "a-request-that-died").await;
    shop.drain().await;
    remove(&shop, keys::order(held.id), "guest").await;
    let (table, now) = (&shop.stack.table, shop.clock.now());

    guest.logs_in("bob@example.com", e2e::PASSWORD).await;
    let at_once = guest.get(&format!("/orders/{}", held.id)).await.expect(200).json();
    let before = table.order_get_for_shop(held.id).await.unwrap().unwrap();
    table.order_transition(&before.declined(now).unwrap(), Cause::Answer, now).await.unwrap();
    let cart = guest.get("/cart").await.expect(200).json();
    shop.drain().await;

    assert!(!before.guest && at_once["state"] == "pending_payment", "{at_once}");
    assert_eq!((&cart["items"][0]["productId"], &cart["items"][0]["quantity"]), (&json!("mug"), &json!(2)));
    let expiring = |item: &&Value| item["SK"] == "CART" && !item["expiresAt"].is_null();
    assert_eq!(shop.dump().await.iter().filter(expiring).count(), 0, "a customer's cart is kept");
    let listed = guest.get("/orders").await.expect(200).json();
    assert_eq!(listed["items"][0]["orderId"], held.id.to_string());
    let claimed = guest.get(&format!("/orders/{}", held.id)).await.expect(200).json()["history"].clone();
    assert_eq!(claimed.as_array().unwrap().last().unwrap()["event"], "claimed");
}

#[tokio::test]
async fn a_declined_order_is_cancelled_although_one_of_its_products_was_deleted() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").create().await, shop.product("pan").stock(3).create().await);
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    ann.adds(&pan, 2).await.expect(200);
    let order = hold(&shop, &ann, "tok_declined", "declined-and-deleted").await;
    admin.delete("/admin/products/mug").await.expect(204);
    let declined = order.declined(shop.clock.now()).unwrap();

    shop.stack.table.order_transition(&declined, Cause::Answer, shop.clock.now()).await.unwrap();

    assert_eq!(shop.stock(&pan).await, 3);
    assert_eq!(ann.get("/cart").await.json()["items"].as_array().map(Vec::len), Some(2));
    let stored = ann.get(&format!("/orders/{}", order.id)).await.expect(200).json();
    assert_eq!(stored["state"], "cancelled");
}

/// Units of each product in the cart.
async fn cart_units(shopper: &Shopper) -> Value {
    let cart = shopper.get("/cart").await.expect(200).json();
    let units = |item: &Value| (item["productId"].as_str().unwrap().to_owned(), item["quantity"].clone());
    Value::Object(cart["items"].as_array().unwrap().iter().map(units).collect())
}
