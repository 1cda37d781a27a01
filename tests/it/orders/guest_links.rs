//! The link to an order in a guest's mail, and the request for a fresh one.

use e2e::{Answer, Shop, Shopper};
use futures::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::account_links::all_mails;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A guest's paid order: the guest, and the order as it was answered.
async fn bought(shop: &Shop, product: &str) -> (Shopper, Value) {
    let product = shop.product(product).stock(50).create().await;
    let guest = shop.customer().await;
    guest.adds(&product, 1).await.expect(200);
    let order = guest.checks_out().await.expect(201).json();
    (guest, order)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a text of {value}"))
}

fn lookups(shop: &Shop) -> Vec<String> {
    all_mails(shop).into_iter().filter(|(name, _)| name.ends_with("-order-link.eml")).map(|(_, mail)| mail).collect()
}

/// The token in a mail's link to an order.
fn token_in(mail: &str, order: &Value) -> Option<String> {
    let (_, rest) = mail.split_once(&format!("/#/orders/{}/", text(order, "orderId")))?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

async fn look(shop: &Shop, order: &str, token: &str) -> Answer {
    with_token(&shop.stranger(), Method::GET, &format!("/orders/{order}"), token).await
}

async fn with_token(shopper: &Shopper, method: Method, path: &str, token: &str) -> Answer {
    let request =
        shopper.request(method, path).header("order-token", token).header("idempotency-key", "by-the-link-000001");
    shopper.send(request).await
}

async fn look_up(shop: &Shop, number: &str, email: &str) -> Answer {
    // So that its mail sorts behind those before.
    shop.clock.advance(SignedDuration::from_millis(2));
    shop.stranger().post("/orders/lookup", json!({"number": number, "email": email})).await
}

#[tokio::test]
async fn the_link_in_a_guests_mail_opens_the_order_without_a_session_and_cancels_it() {
    let shop = Shop::with_stream().await;
    let (_, order) = bought(&shop, "mug").await;
    let id = text(&order, "orderId");
    shop.drain().await;
    let token = token_in(&all_mails(&shop)[0].1, &order).expect("a link with a token");

    let seen = look(&shop, id, &token).await.expect(200);
    let path = format!("/orders/{id}/cancel");
    let cancelled = with_token(&shop.stranger(), Method::POST, &path, &token).await.expect(200);
    let again = with_token(&shop.stranger(), Method::POST, &path, &token).await.expect(200);

    assert_eq!(seen.json(), order);
    if e2e::engine_counts_like_aws() {
        assert_eq!((seen.cost().rru, seen.cost().wru), (1.0, 0.0));
    }
    assert_eq!((cancelled.json()["state"].clone(), again.text()), (json!("cancelled"), cancelled.text()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(shop.stock(&"mug".parse().unwrap()).await, 50);
}

#[tokio::test]
async fn a_link_does_nothing_else_and_opens_no_other_order() {
    let shop = Shop::with_stream().await;
    let (guest, order) = bought(&shop, "mug").await;
    let (other_guest, other) = bought(&shop, "pan").await;
    let (id, token) = (text(&order, "orderId"), shop.order_token(text(&order, "orderId")));
    let stranger = shop.stranger();

    for (method, path, code) in [
        (Method::GET, format!("/orders/{}", text(&other, "orderId")), "not_found"),
        (Method::POST, format!("/orders/{}/cancel", text(&other, "orderId")), "not_found"),
        (Method::GET, "/orders".to_owned(), "session_missing"),
        (Method::GET, "/cart".to_owned(), "session_missing"),
        (Method::GET, "/users/me".to_owned(), "session_missing"),
        (Method::POST, format!("/orders/{id}/payment/refresh"), "session_missing"),
        (Method::GET, format!("/admin/orders/{id}"), "session_missing"),
        (Method::POST, format!("/admin/orders/{id}/ship"), "session_missing"),
        (Method::POST, format!("/users/me/claimable-orders/{id}/claim"), "session_missing"),
    ] {
        assert_eq!(with_token(&stranger, method.clone(), &path, &token).await.code(), code, "{method} {path}");
    }
    // The token decides, whoever is logged in.
    assert_eq!(with_token(&guest, Method::GET, &format!("/orders/{id}"), "x").await.code(), "order_link_invalid");
    with_token(&other_guest, Method::GET, &format!("/orders/{id}"), &token).await.expect(200);
}

#[tokio::test]
async fn a_token_of_an_order_is_refused_altered_expired_and_for_anything_else() {
    let shop = Shop::with_stream().await;
    let (_, order) = bought(&shop, "mug").await;
    let id = text(&order, "orderId");
    let token = shop.order_token(id);

    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(look(&shop, id, &altered).await.expect(401).code(), "order_link_invalid", "at {at}");
    }
    for malformed in ["", ".", id, &token[1..], &format!("{token}A"), &"A".repeat(5_000)] {
        assert_eq!(look(&shop, id, malformed).await.expect(401).code(), "order_link_invalid", "{malformed:.20}");
    }
    for (path, body) in [
        ("/users/verify", json!({"token": token})),
        ("/users/email/confirm", json!({"token": token})),
        ("/passwords/reset/confirm", json!({"token": token, "newPassword": "staple battery horse"})),
    ] {
        assert_eq!(shop.stranger().post(path, body).await.expect(422).code(), "link_invalid", "{path}");
    }
    shop.clock.advance(DAY * 30 - SignedDuration::from_secs(1));
    look(&shop, id, &token).await.expect(200);
    shop.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(look(&shop, id, &token).await.expect(401).code(), "order_link_invalid");
}

#[tokio::test]
async fn a_customers_mail_links_to_the_order_without_a_token() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);
    let order = ann.checks_out().await.expect(201).json();

    shop.drain().await;

    let [.., (_, mail)] = &all_mails(&shop)[..] else { panic!("no mail") };
    let placed = all_mails(&shop)
        .into_iter()
        .find(|(_, mail)| mail.contains("is confirmed"))
        .unwrap_or_else(|| panic!("{mail}"));
    assert!(placed.1.contains(&format!("/#/orders/{}", text(&order, "orderId"))), "{}", placed.1);
    assert_eq!(token_in(&placed.1, &order), None);
}

#[tokio::test]
async fn a_lookup_mails_a_fresh_link_if_number_and_e_mail_both_fit() {
    let shop = Shop::with_stream().await;
    let (guest, order) = bought(&shop, "mug").await;
    let (number, email) = (text(&order, "number"), guest.contact().unwrap());
    shop.drain().await;
    shop.clock.advance(DAY * 40);

    look_up(&shop, "00000-00000", &email).await.expect(202);
    look_up(&shop, number, "eve@evil.example").await.expect(202);
    shop.drain().await;
    let none = lookups(&shop);
    let request = shop.stranger().request(Method::POST, "/orders/lookup").header("accept-language", "de");
    // As people type them.
    let typed = number.replace('-', " ").to_lowercase();
    shop.stranger().send(request.json(&json!({"number": typed, "email": email.to_uppercase()}))).await.expect(202);
    shop.drain().await;

    assert_eq!(none, Vec::<String>::new());
    let [mail] = &lookups(&shop)[..] else { panic!("one link is mailed") };
    assert!(mail.contains(&format!("To: <{email}>")) && mail.contains(number), "{mail}");
    assert!(mail.contains("Content-Language: de") && mail.contains("Bestellung ansehen"), "{mail}");
    let token = token_in(mail, &order).expect("a link with a token");
    assert_eq!(look(&shop, text(&order, "orderId"), &token).await.expect(200).json()["number"], order["number"]);
}

#[tokio::test]
async fn a_lookup_finds_no_order_that_was_not_paid_and_none_of_an_account() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(50).create().await;
    let (unpaid, mut moved, ann) = (shop.customer().await, shop.customer().await, shop.registered().await);
    for buyer in [&unpaid, &moved, &ann] {
        buyer.adds(&mug, 1).await.expect(200);
    }
    let waiting = unpaid.pays_with("tok_3ds", "asked-000000000001").await.expect(202).json();
    let (of_moved, contact) = (moved.checks_out().await.expect(201).json(), moved.contact().unwrap());
    moved.logs_in("shopper0@example.com", e2e::PASSWORD).await;
    let of_ann = ann.checks_out().await.expect(201).json();
    shop.drain().await;

    look_up(&shop, text(&waiting, "number"), &unpaid.contact().unwrap()).await.expect(202);
    look_up(&shop, text(&of_moved, "number"), &contact).await.expect(202);
    look_up(&shop, text(&of_ann, "number"), "shopper0@example.com").await.expect(202);
    shop.drain().await;

    assert_eq!(lookups(&shop), Vec::<String>::new());
}

#[tokio::test]
async fn a_lookup_is_answered_alike_after_the_same_calls_whether_or_not_there_is_such_an_order() {
    let shop = Shop::with_stream().await;
    let (guest, order) = bought(&shop, "mug").await;
    let (number, email) = (text(&order, "number"), guest.contact().unwrap());
    shop.drain().await;

    // Beyond the limit of an e-mail, too.
    for round in 0..7 {
        let known = look_up(&shop, number, &email).await.expect(202);
        let unknown = look_up(&shop, "7K3QX-94M2A", "eve@evil.example").await.expect(202);

        assert_eq!((known.text(), unknown.text()), ("", ""), "in round {round}");
        if e2e::engine_counts_like_aws() {
            assert_eq!(known.cost(), unknown.cost(), "in round {round}");
        }
    }
    shop.drain().await;
    assert_eq!(lookups(&shop).len(), 5, "five an hour from one address");
}

/// A stranger who knows the e-mail and no number uses up nothing of what its owner has.
#[tokio::test]
async fn lookups_with_wrong_numbers_leave_the_right_one_all_its_requests() {
    let shop = Shop::open_with(|o| (o.dynamodb_endpoint, o.policy.trusted_proxy_hops) = (None, 1)).await;
    let (guest, order) = bought(&shop, "mug").await;
    let email = guest.contact().unwrap();
    shop.drain().await;
    for n in 0..24 {
        let request = shop.stranger().request(Method::POST, "/orders/lookup");
        let request = request.header("x-forwarded-for", format!("203.0.113.{}", n % 4));
        let body = json!({"number": format!("7K3QX-94M{:02}", n), "email": email});
        shop.stranger().send(request.json(&body)).await.expect(202);
    }

    look_up(&shop, text(&order, "number"), &email).await.expect(202);
    shop.drain().await;

    assert_eq!(lookups(&shop).len(), 1);
}

#[tokio::test]
async fn however_often_a_lookup_is_delivered_its_link_is_mailed_once_and_a_late_one_not_at_all() {
    let shop = Shop::with_stream().await;
    let (guest, order) = bought(&shop, "mug").await;
    shop.drain().await;
    look_up(&shop, text(&order, "number"), &guest.contact().unwrap()).await.expect(202);
    shop.drain().await;
    let request = shop.dump().await.into_iter().find(|item| text(item, "PK").starts_with("LOOKUP#")).unwrap();
    let id = text(&request, "PK").trim_start_matches("LOOKUP#").parse().unwrap();
    look_up(&shop, text(&order, "number"), &guest.contact().unwrap()).await.expect(202);
    shop.clock.advance(DAY);

    let again = shop.stack.table.link_notification_claim(id, "order-link", "another record", shop.clock.now()).await;
    shop.drain().await;

    assert_eq!((again.unwrap(), lookups(&shop).len()), (table::Claim::Done, 1));
}

#[tokio::test]
async fn no_token_of_an_order_and_no_address_that_was_typed_is_in_the_table() {
    let shop = Shop::with_stream().await;
    let (guest, order) = bought(&shop, "mug").await;
    shop.drain().await;
    look_up(&shop, text(&order, "number"), "eve.typed@evil.example").await.expect(202);
    look_up(&shop, text(&order, "number"), &guest.contact().unwrap()).await.expect(202);
    shop.drain().await;
    let tokens: Vec<String> = all_mails(&shop).iter().filter_map(|(_, mail)| token_in(mail, &order)).collect();

    let table = Value::Array(shop.dump().await).to_string();

    assert_eq!(tokens.len(), 2);
    for token in tokens {
        let sealed = token.rsplit('.').next().unwrap().to_owned();
        assert!(!table.contains(&sealed), "{token}");
    }
    assert!(!table.contains("eve.typed"));
}

#[tokio::test]
async fn of_many_links_used_at_once_to_cancel_one_refund_is_paid() {
    let shop = Shop::with_stream().await;
    let (_, order) = bought(&shop, "mug").await;
    let id = text(&order, "orderId").to_owned();
    let token = shop.order_token(&id);
    let cancel = |n: usize| {
        let (stranger, token, id) = (shop.stranger(), token.clone(), id.clone());
        async move {
            let request = stranger.request(Method::POST, &format!("/orders/{id}/cancel"));
            let request =
                request.header("order-token", token).header("idempotency-key", format!("by-the-link-00000{n}"));
            stranger.send(request).await
        }
    };

    let answers = join_all((0..5).map(cancel)).await;

    assert!(answers.iter().all(|answer| [200, 202].contains(&answer.status())), "all are answered");
    let after = look(&shop, &id, &token).await.expect(200).json();
    assert_eq!((&after["state"], &after["refunded"]), (&json!("cancelled"), &order["total"]));
    assert_eq!(after["refunds"].as_array().map(Vec::len), Some(1));
}
