//! Orders that a customer placed as a guest, and makes their own by their e-mail.

use domain::AccountAction;
use e2e::{PASSWORD, Shop, Shopper};
use futures::future::join_all;
use serde_json::{Value, json};

/// A guest's order with this contact, as it was answered.
async fn bought_as_guest(shop: &Shop, email: &str, card: &str) -> (Shopper, Value) {
    let guest = shop.customer().await;
    guest.adds(&"mug".parse().unwrap(), 1).await.expect(200);
    let body = e2e::with(guest.checkout(card), "contact", json!({"email": email}));
    let order = guest.post_once("/orders", "bought-as-a-guest", body).await.json();
    (guest, order)
}

/// Opens the verification that was mailed, logged in or not.
async fn verifies(shop: &Shop, who: &Shopper, opened_by: &Shopper) {
    let uid = who.uid.parse().unwrap();
    let link = shop.stack.table.account_link_get(&uid, AccountAction::VerifyEmail).await.unwrap().unwrap();
    opened_by.post("/users/verify", json!({"token": shop.link_token(&link)})).await.expect(204);
}

async fn claimable(who: &Shopper) -> Vec<Value> {
    let listed = who.get("/users/me/claimable-orders").await.expect(200).json();
    listed["items"].as_array().unwrap().iter().map(|order| order["orderId"].clone()).collect()
}

async fn claim(who: &Shopper, order: &Value) -> e2e::Answer {
    let id = order["orderId"].as_str().unwrap();
    who.post(&format!("/users/me/claimable-orders/{id}/claim"), Value::Null).await
}

async fn shop() -> Shop {
    let shop = Shop::with_stream().await;
    shop.product("mug").stock(50).create().await;
    shop
}

#[tokio::test]
async fn a_customer_who_reads_the_mail_of_the_contact_claims_a_guests_order() {
    let shop = shop().await;
    let (guest, order) = bought_as_guest(&shop, "Ann@Example.com", "tok_visa").await;
    let ann = crate::sessions::registered_as(&shop, "ann@example.com").await;
    shop.drain().await;
    verifies(&shop, &ann, &ann).await;

    let offered = claimable(&ann).await;
    let claimed = claim(&ann, &order).await.expect(200).json();
    let again = claim(&ann, &order).await.expect(200).json();
    shop.drain().await;

    assert_eq!(offered, [order["orderId"].clone()]);
    assert_eq!((&claimed["number"], &again), (&order["number"], &claimed));
    assert_eq!(ann.get("/orders").await.json()["items"][0]["orderId"], order["orderId"]);
    assert_eq!(guest.get("/orders").await.json()["items"], json!([]), "it is the customer's now");
    guest.get(&format!("/orders/{}", order["orderId"].as_str().unwrap())).await.expect(404);
    assert_eq!(claimable(&ann).await, Vec::<Value>::new());
    // The answer to the guest's checkout was lost, and it is sent again.
    let body = e2e::with(guest.checkout("tok_visa"), "contact", json!({"email": "Ann@Example.com"}));
    let repeated = guest.post_once("/orders", "bought-as-a-guest", body).await.expect(409);
    assert_eq!((repeated.code().as_str(), &repeated.json()["orderId"]), ("order_claimed", &order["orderId"]));
}

/// A stranger registers an address, and its owner confirms it: the owner's orders stay the owner's.
#[tokio::test]
async fn an_address_that_its_owner_confirmed_for_a_stranger_gives_the_stranger_no_orders() {
    let shop = shop().await;
    let (_, order) = bought_as_guest(&shop, "ann@example.com", "tok_visa").await;
    let squatter = crate::sessions::registered_as(&shop, "ann@example.com").await;
    shop.drain().await;
    let before = squatter.get("/users/me/claimable-orders").await.expect(403);

    // On a device of the owner, who has no session of this account; and one who is logged in to another.
    verifies(&shop, &squatter, &shop.stranger()).await;
    let after = squatter.get("/users/me/claimable-orders").await.expect(403);
    squatter.post("/users/me/verification", Value::Null).await.expect(202);
    verifies(&shop, &squatter, &shop.registered().await).await;

    assert_eq!(squatter.get("/users/me").await.json()["emailVerified"], true);
    assert_eq!((before.code(), after.code()), ("email_not_proven".to_owned(), "email_not_proven".to_owned()));
    assert_eq!(claim(&squatter, &order).await.expect(403).code(), "email_not_proven");

    // The owner sets a new password, which ends the stranger's session, and has the orders.
    shop.stranger().post("/passwords/reset", json!({"email": "ann@example.com"})).await.expect(202);
    let uid = squatter.uid.parse().unwrap();
    let link = shop.stack.table.account_link_get(&uid, AccountAction::ResetPassword).await.unwrap().unwrap();
    let body = json!({"token": shop.link_token(&link), "newPassword": "staple battery horse"});
    shop.stranger().post("/passwords/reset/confirm", body).await.expect(204);
    let mut owner = shop.stranger();
    owner.logs_in("ann@example.com", "staple battery horse").await;
    claim(&owner, &order).await.expect(200);
    assert_eq!(claim(&squatter, &order).await.expect(401).code(), "session_invalid");
}

#[tokio::test]
async fn after_a_change_of_the_address_the_orders_of_the_new_one_need_a_proof_of_their_own() {
    let shop = shop().await;
    let (_, order) = bought_as_guest(&shop, "bob@example.com", "tok_visa").await;
    let ann = crate::sessions::registered_as(&shop, "ann@example.com").await;
    shop.drain().await;
    verifies(&shop, &ann, &ann).await;
    let change = json!({"email": "bob@example.com", "currentPassword": PASSWORD});
    ann.post("/users/me/email", change).await.expect(202);
    let link = shop.stack.table.account_link_get(&ann.uid.parse().unwrap(), AccountAction::ChangeEmail).await;
    let token = json!({"token": shop.link_token(&link.unwrap().unwrap())});

    // Bob opens it by mistake.
    shop.stranger().post("/users/email/confirm", token).await.expect(204);

    assert_eq!(claim(&ann, &order).await.expect(403).code(), "email_not_proven");
}

#[tokio::test]
async fn no_order_is_offered_that_was_not_paid_or_has_another_contact_or_an_account() {
    let shop = shop().await;
    let email = "ann@example.com";
    let (_, unpaid) = bought_as_guest(&shop, email, "tok_3ds").await;
    let (_, of_bob) = bought_as_guest(&shop, "bob@example.com", "tok_visa").await;
    // One who registered as somebody else, and one who logged in to another account.
    let (mut registered, of_registered) = bought_as_guest(&shop, email, "tok_visa").await;
    registered.registers("carl@example.com").await;
    let (mut logged_in, of_logged_in) = bought_as_guest(&shop, email, "tok_visa").await;
    logged_in.logs_in("carl@example.com", PASSWORD).await;
    let ann = crate::sessions::registered_as(&shop, email).await;
    verifies(&shop, &ann, &ann).await;
    // Not before the stream has moved them, and not after.
    let before = claim(&ann, &of_logged_in).await;
    shop.drain().await;

    assert_eq!(claimable(&ann).await, Vec::<Value>::new());
    for order in [&unpaid, &of_bob, &of_registered, &of_logged_in] {
        assert_eq!(claim(&ann, order).await.expect(404).code(), "not_found", "{order}");
    }
    assert_eq!(before.expect(404).code(), "not_found");
    assert_eq!(claim(&shop.customer().await, &unpaid).await.expect(409).code(), "guest");
}

#[tokio::test]
async fn of_many_claims_at_once_the_order_moves_once() {
    let shop = shop().await;
    let (_, order) = bought_as_guest(&shop, "ann@example.com", "tok_visa").await;
    let ann = crate::sessions::registered_as(&shop, "ann@example.com").await;
    shop.drain().await;
    verifies(&shop, &ann, &ann).await;

    let answers = join_all((0..6).map(|_| claim(&ann, &order))).await;
    shop.drain().await;

    assert!(
        answers.iter().all(|answer| answer.status() == 200),
        "{:?}",
        answers.iter().map(|a| a.status()).collect::<Vec<_>>()
    );
    let seen = ann.get(&format!("/orders/{}", order["orderId"].as_str().unwrap())).await.expect(200).json();
    let claims = seen["history"].as_array().unwrap().iter().filter(|entry| entry["event"] == "claimed").count();
    assert_eq!(claims, 1, "{seen}");
}
