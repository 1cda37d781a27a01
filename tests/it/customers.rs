use std::collections::BTreeMap;

use domain::{Cart, CartLine, Currency, Email, Money, ProductId, Quantity, Role, SessionKind, UserId};
use e2e::{Answer, PASSWORD, Shop, Shopper};
use futures::future::join_all;
use serde_json::{Map, Value, json};
use table::CartWrite;
use tokio::join;

use crate::sessions::{holding, is_open, logged_in, registered_as, token};

const ANN: &str = "ann@example.com";
const NEW_PASSWORD: &str = "staple battery horse";

/// [`PASSWORD`] under Argon2id with far weaker parameters than today's.
pub(crate) const WEAK_HASH: &str =
    "$argon2id$v=19$m=1024,t=1,p=1$YW4gb2xkIHNhbHQgMjAxOQ$AY8myariRi36HwRQ9Ed7P7XuoV0kSR0+bHkgyepXQtc";

/// `mañana grün 12` in decomposed form (accents as combining characters), hashed without normalisation.
const DECOMPOSED_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YW4gb2xkIHNhbHQgMjAxOQ$rrSPHAIMLDE8tOSAcnF8CT9sf/9rgKHjxrYQRgO+3w4";

#[tokio::test]
async fn a_guest_who_registers_keeps_cart_and_orders_and_gets_a_new_token() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let mut ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let order = ann.checks_out().await.expect(201).json();
    ann.adds(&mug, 3).await.expect(200);
    let (guest, uid) = (holding(&shop, token(&ann)), ann.uid.clone());
    assert!(stored_cart(&shop, &uid).await["expiresAt"].is_number());

    ann.registers(ANN).await;

    assert_eq!(ann.uid, uid);
    assert!(!is_open(&guest).await);
    assert_eq!(cart(&ann).await, json!({"mug": 3}));
    assert_eq!(ann.get("/orders").await.json()["items"][0]["orderId"], order["orderId"]);
    let me = ann.get("/users/me").await.json();
    assert_eq!((&me["guest"], &me["name"], &me["email"]), (&json!(false), &json!("Ann"), &json!(ANN)));
    assert_eq!(me["recentOrders"][0]["orderId"], order["orderId"]);
    assert_eq!(me["recentOrders"][0]["number"], order["number"]);
}

#[tokio::test]
async fn the_cart_of_a_guest_who_registered_no_longer_expires() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let mut ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);

    ann.registers(ANN).await;
    let at_first = stored_cart(&shop, &ann.uid).await;
    ann.adds(&mug, 1).await.expect(200);
    let after_a_change = stored_cart(&shop, &ann.uid).await;

    assert_eq!((&at_first["expiresAt"], &at_first["cartLines"]["mug"]["q"]), (&Value::Null, &json!(1)));
    assert_eq!((&after_a_change["expiresAt"], &after_a_change["cartLines"]["mug"]["q"]), (&Value::Null, &json!(2)));
}

#[tokio::test]
async fn an_email_that_cannot_be_reached_is_refused_at_registration_and_at_login() {
    let shop = Shop::open_with(|options| options.policy.rates = None).await;
    registered_as(&shop, ANN).await;
    let unreachable = [
        "ann@example.com,",
        "<ann@example.com>",
        "Ann <ann@example.com>",
        "ann@example.com.",
        "mailto:ann@example.com",
        "ann@example.com\u{200b}",
        "\u{feff}ann@example.com",
        "ann@exam\u{ad}ple.com",
        "ann\u{202e}@example.com",
        "a..nn@example.com",
        "änn@example.com",
        "ann@example",
        "ann@exam_ple.com",
        "ann@127.0.0.1",
        "\u{212a}ate@example.com",
    ];

    for email in unreachable {
        let registered = register(&shop.stranger(), email, PASSWORD).await.expect(422);
        let logged_in = login(&shop.stranger(), email, PASSWORD).await.expect(422);

        for refused in [registered, logged_in] {
            assert_eq!(
                (refused.code().as_str(), &refused.json()["field"]),
                ("email_invalid", &json!("email")),
                "{email:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_internationalised_domain_is_one_account_however_it_is_typed() {
    let shop = Shop::open().await;
    let (unicode, ascii) = ("Ann@Müller.example", "ann@xn--mller-kva.example");

    let ann = registered_as(&shop, unicode).await;

    assert_eq!(ann.get("/users/me").await.expect(200).json()["email"], ascii);
    for email in [unicode, ascii, "ann@mu\u{308}ller.example"] {
        assert_eq!(logged_in(&shop, email).await.uid, ann.uid, "{email}");
        assert_eq!(register(&shop.stranger(), email, PASSWORD).await.expect(409).code(), "registration_refused");
    }
}

#[tokio::test]
async fn an_account_older_than_strict_email_parsing_keeps_working() {
    let shop = Shop::open().await;
    let table = &shop.stack.table;
    for (uid, email) in [("ann", "ann@müller.example"), ("bob", "bob@example.com,"), ("eve", "ann@example.com\u{200b}")]
    {
        let customer = domain::Customer {
            id: uid.parse().expect("an id"),
            name: domain::CustomerName::stored("An\u{200b}n".to_owned()),
            email: Email::stored(email.to_owned()),
            email_verified: false,
            email_owned: false,
            role: Role::Customer,
            created_at: shop.clock.now(),
        };
        table.customer_register(&customer, WEAK_HASH, None, None, None).await.expect("the e-mail is free");
    }
    let ann = registered_as(&shop, ANN).await;

    for (typed, uid) in [
        ("Ann@Müller.example", "ann"),
        ("ann@xn--mller-kva.example", "ann"),
        ("bob@example.com,", "bob"),
        ("ann@example.com\u{200b}", "eve"),
        (ANN, ann.uid.as_str()),
    ] {
        let shopper = logged_in(&shop, typed).await;

        assert_eq!(shopper.uid, uid, "{typed:?}");
        assert_eq!(shopper.get("/users/me").await.expect(200).json()["userId"], uid);
    }
    let second = register(&shop.stranger(), "ann@xn--mller-kva.example", PASSWORD).await.expect(409);
    assert_eq!(second.code(), "registration_refused");
    assert_eq!(
        login(&shop.stranger(), "bob@example.com,", NEW_PASSWORD).await.expect(401).code(),
        "credentials_invalid"
    );
    ops::admin::set_role(table, "ann@xn--mller-kva.example", Role::Admin).await.expect("it is known");
    let role =
        table.customer_get(&"ann".parse().expect("an id")).await.expect("the table answers").expect("a customer").role;
    assert_eq!(role, Role::Admin);
}

#[tokio::test]
async fn a_password_set_on_one_device_works_on_another() {
    let shop = Shop::open().await;
    let (composed, decomposed) = ("mañana grün 12", "man\u{303}ana gru\u{308}n 12");

    register(&shop.stranger(), ANN, composed).await.expect(201);
    register(&shop.stranger(), "bob@example.com", decomposed).await.expect(201);

    for email in [ANN, "bob@example.com"] {
        for password in [composed, decomposed] {
            login(&shop.stranger(), email, password).await.expect(201);
        }
        assert_eq!(login(&shop.stranger(), email, "manana grun 12").await.status(), 401);
    }
}

#[tokio::test]
async fn a_password_older_than_normalisation_works_and_is_rehashed() {
    let shop = Shop::open().await;
    let (composed, decomposed) = ("mañana grün 12", "man\u{303}ana gru\u{308}n 12");
    let (table, email) = (&shop.stack.table, Email::parse(ANN).expect("an e-mail"));
    registered_as(&shop, ANN).await;
    let credential = table.credential_get(&email).await.expect("the table answers").expect("it is there");
    table.credential_replace(&email, &credential, DECOMPOSED_HASH).await.expect("the table answers");

    login(&shop.stranger(), ANN, composed).await.expect(401);
    login(&shop.stranger(), ANN, decomposed).await.expect(201);

    login(&shop.stranger(), ANN, composed).await.expect(201);
    login(&shop.stranger(), ANN, decomposed).await.expect(201);
}

#[tokio::test]
async fn a_taken_email_is_refused_and_its_owner_notices_nothing() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (ann, guest) = (registered_as(&shop, ANN).await, shop.customer().await);
    guest.adds(&mug, 1).await.expect(200);

    let refused = register(&guest, "ANN@Example.com", NEW_PASSWORD).await.expect(409);

    assert_eq!(refused.code(), "registration_refused");
    assert_eq!(refused.header("set-cookie"), None);
    assert_eq!(logged_in(&shop, ANN).await.uid, ann.uid);
    assert_eq!(login(&shop.stranger(), ANN, NEW_PASSWORD).await.status(), 401);
    assert_eq!(guest.get("/users/me").await.json()["guest"], true);
    assert_eq!(cart(&guest).await, json!({"mug": 1}));
}

#[tokio::test]
async fn of_two_registrations_of_one_email_at_once_one_succeeds() {
    let shop = Shop::open().await;
    let (one, two) = (shop.customer().await, shop.customer().await);

    let (a, b) = join!(register(&one, ANN, PASSWORD), register(&two, ANN, PASSWORD));

    let (won, lost) = if a.status() == 201 { (a, b) } else { (b, a) };
    assert_eq!(lost.expect(409).code(), "registration_refused");
    assert_eq!(logged_in(&shop, ANN).await.uid, won.expect(201).json()["userId"].as_str().expect("an id"));
}

#[tokio::test]
async fn a_guest_becomes_one_customer_however_often_they_register_at_once() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let guest = shop.customer().await;
    guest.adds(&mug, 2).await.expect(200);

    let (a, b) = join!(register(&guest, ANN, PASSWORD), register(&guest, "bob@example.com", PASSWORD));

    let (a, b) = (taking(&shop, &a.expect(201)), taking(&shop, &b.expect(201)));
    let (kept, other) = if a.uid == guest.uid { (a, b) } else { (b, a) };
    assert_eq!(kept.uid, guest.uid);
    assert_ne!(other.uid, guest.uid);
    assert_eq!((cart(&kept).await, cart(&other).await), (json!({"mug": 2}), json!({})));
}

#[tokio::test]
async fn registering_from_a_customers_session_creates_another_customer() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = registered_as(&shop, ANN).await;
    ann.adds(&mug, 2).await.expect(200);

    let bob = taking(&shop, &register(&ann, "bob@example.com", PASSWORD).await.expect(201));

    assert_ne!(bob.uid, ann.uid);
    assert_eq!((cart(&ann).await, cart(&bob).await), (json!({"mug": 2}), json!({})));
}

#[tokio::test]
async fn an_email_is_the_same_in_any_case() {
    let shop = Shop::open().await;
    let ann = registered_as(&shop, " Ann@Example.COM ").await;

    let again = logged_in(&shop, "aNN@eXample.com").await;

    assert_eq!(again.uid, ann.uid);
    assert_eq!(again.get("/users/me").await.json()["email"], ANN);
}

#[tokio::test]
async fn weak_passwords_and_malformed_emails_are_refused() {
    let shop = Shop::open().await;
    let stranger = shop.stranger();
    let before = shop.dump().await;
    let long = "ab".repeat(64) + "a";
    let passwords = [
        ("tulip-7", "password_length"),
        (long.as_str(), "password_length"),
        ("Password123", "password_common"),
        ("zzzzzzzzzzzz", "password_common"),
    ];

    for (password, code) in passwords {
        assert_eq!(register(&stranger, ANN, password).await.expect(422).code(), code, "{password}");
    }
    for email in ["", "ann", "ann@example", "ann@@example.com", "a nn@example.com"] {
        assert_eq!(register(&stranger, email, PASSWORD).await.expect(422).code(), "email_invalid", "{email}");
    }
    assert_eq!(shop.dump().await, before);
    // The shortest and the longest allowed; there are no other rules.
    register(&stranger, ANN, "tulip-78").await.expect(201);
    register(&stranger, "bob@example.com", &"ñ ".repeat(64)).await.expect(201);
    login(&stranger, "bob@example.com", &"ñ ".repeat(64)).await.expect(201);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_are_answered_alike() {
    let shop = Shop::open().await;
    registered_as(&shop, ANN).await;

    let wrong = login(&shop.stranger(), ANN, "almost right battery").await.expect(401);
    let unknown = login(&shop.stranger(), "nobody@example.com", PASSWORD).await.expect(401);

    assert_eq!(wrong.code(), "credentials_invalid");
    assert_eq!((wrong.status(), wrong.code(), wrong.text()), (unknown.status(), unknown.code(), unknown.text()));
    for name in ["set-cookie", "cache-control", "www-authenticate", "content-length"] {
        assert_eq!(wrong.header(name), unknown.header(name), "{name}");
    }
}

#[tokio::test]
async fn a_guest_cart_is_merged_once_at_login() {
    let shop = Shop::open().await;
    let (mug, pan, cup) =
        (shop.product("mug").create().await, shop.product("pan").create().await, shop.product("cup").create().await);
    let (ann, mut guest) = (registered_as(&shop, ANN).await, shop.customer().await);
    ann.adds(&mug, 2).await.expect(200);
    ann.adds(&pan, 9_000).await.expect(200);
    for (product, quantity) in [(&mug, 3), (&pan, 1_500), (&cup, 1)] {
        guest.adds(product, quantity).await.expect(200);
    }
    let (mut dead, guest_uid) = (holding(&shop, token(&guest)), guest.uid.clone());

    guest.logs_in(ANN, PASSWORD).await;
    let merged = cart(&guest).await;
    let guest_session_is_over = !is_open(&dead).await;
    dead.logs_in(ANN, PASSWORD).await;

    assert_eq!(merged, json!({"mug": 5, "pan": 9_999, "cup": 1}));
    assert!(guest_session_is_over);
    assert_eq!((&guest.uid, &dead.uid), (&ann.uid, &ann.uid));
    assert_eq!(cart(&dead).await, merged, "a repeated login adds nothing");
    assert_eq!(stored_cart(&shop, &guest_uid).await, Value::Null);
}

#[tokio::test]
async fn two_logins_at_once_merge_a_guests_cart_once() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (ann, guest) = (registered_as(&shop, ANN).await, shop.customer().await);
    ann.adds(&mug, 2).await.expect(200);
    guest.adds(&mug, 3).await.expect(200);

    let (a, b) = join!(login(&guest, ANN, PASSWORD), login(&guest, ANN, PASSWORD));

    assert_eq!([a.status(), b.status()], [201, 201]);
    assert_eq!(cart(&ann).await, json!({"mug": 5}));
}

#[tokio::test]
async fn a_guests_cart_becomes_that_of_a_customer_who_had_none() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (ann, mut guest) = (registered_as(&shop, ANN).await, shop.customer().await);
    guest.adds(&mug, 3).await.expect(200);

    guest.logs_in(ANN, PASSWORD).await;

    assert_eq!(cart(&guest).await, json!({"mug": 3}));
    assert_eq!(stored_cart(&shop, &ann.uid).await["expiresAt"], Value::Null);
}

#[tokio::test]
async fn a_failed_login_leaves_the_guest_as_they_were() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (ann, guest) = (registered_as(&shop, ANN).await, shop.customer().await);
    guest.adds(&mug, 3).await.expect(200);

    login(&guest, ANN, NEW_PASSWORD).await.expect(401);

    assert_eq!((cart(&guest).await, cart(&ann).await), (json!({"mug": 3}), json!({})));
}

#[tokio::test]
async fn a_previous_customers_cart_is_never_merged() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").create().await, shop.product("pan").create().await);
    let (ann, mut bob) = (registered_as(&shop, ANN).await, registered_as(&shop, "bob@example.com").await);
    ann.adds(&mug, 1).await.expect(200);
    bob.adds(&pan, 1).await.expect(200);
    let bob_before = holding(&shop, token(&bob));

    // On the same device, without having logged out.
    bob.logs_in(ANN, PASSWORD).await;

    assert_eq!(bob.uid, ann.uid);
    assert_eq!(cart(&bob).await, json!({"mug": 1}));
    bob_before.get("/cart").await.expect(401);
    let mut bob_again = shop.stranger();
    bob_again.logs_in("bob@example.com", PASSWORD).await;
    assert_eq!(cart(&bob_again).await, json!({"pan": 1}));
}

#[tokio::test]
async fn no_login_with_the_old_password_survives_its_change() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let ann = registered_as(&shop, ANN).await;
    let elsewhere = shop.stranger();

    let logins = futures::future::join_all((0..6).map(|_| login(&elsewhere, ANN, PASSWORD)));
    let (changed, logins) = tokio::join!(change_password(&ann, PASSWORD, "another good phrase"), logins);

    changed.expect(200);
    for answer in logins.iter().filter(|answer| answer.status() == 201) {
        taking(&shop, answer).get("/users/me").await.expect(401);
    }
}

#[tokio::test]
async fn a_merge_beyond_ninety_products_keeps_what_the_customer_had() {
    let shop = Shop::open().await;
    let (ann, mut guest) = (registered_as(&shop, ANN).await, shop.customer().await);
    let own: Vec<String> = (0..89).map(|i| format!("own-{i:02}")).collect();
    let brought = ["first", "own-00", "second"].map(str::to_owned);
    fill_cart(&shop, &ann, SessionKind::Customer, &own).await;
    fill_cart(&shop, &guest, SessionKind::Guest, &brought).await;

    guest.logs_in(ANN, PASSWORD).await;

    let merged = cart(&guest).await;
    assert_eq!(merged.as_object().map(Map::len), Some(90));
    assert!(own.iter().skip(1).all(|id| merged[id] == 1));
    assert_eq!((&merged["own-00"], &merged["first"], &merged["second"]), (&json!(2), &json!(1), &Value::Null));
}

#[tokio::test]
async fn a_customer_changes_their_name_and_nothing_else() {
    let shop = Shop::open().await;
    let ann = registered_as(&shop, ANN).await;

    let changed = ann.patch("/users/me", json!({"name": " Ann Smith "})).await.expect(200).json();
    let empty = ann.patch("/users/me", json!({"name": " "})).await.expect(422);
    let guest = shop.customer().await.patch("/users/me", json!({"name": "Bob"})).await.expect(409);

    assert_eq!((empty.code(), guest.code()), ("name_invalid".to_owned(), "guest".to_owned()));
    assert_eq!((&changed["name"], &changed["email"]), (&json!("Ann Smith"), &json!(ANN)));
    assert_eq!(changed["token"], Value::Null);
    assert_eq!(ann.get("/users/me").await.expect(200).json()["name"], "Ann Smith");
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_answers_with_a_new_token() {
    let shop = Shop::open().await;
    let (phone, laptop) = (registered_as(&shop, ANN).await, logged_in(&shop, ANN).await);

    let changed = change_password(&phone, PASSWORD, NEW_PASSWORD).await.expect(200).json();

    let renewed = holding(&shop, changed["token"].as_str().expect("a new token"));
    assert!(is_open(&renewed).await && !is_open(&phone).await && !is_open(&laptop).await);
    assert_eq!(changed["userId"], phone.uid);
    assert_eq!(login(&shop.stranger(), ANN, PASSWORD).await.expect(401).code(), "credentials_invalid");
    login(&shop.stranger(), ANN, NEW_PASSWORD).await.expect(201);
}

#[tokio::test]
async fn changing_a_password_requires_the_current_one() {
    let shop = Shop::open().await;
    let (phone, laptop) = (registered_as(&shop, ANN).await, logged_in(&shop, ANN).await);
    let before = shop.dump().await;

    let wrong = change_password(&phone, "almost right battery", NEW_PASSWORD).await.expect(403);
    let weak = change_password(&phone, PASSWORD, "password123").await.expect(422);
    let half = phone.patch("/users/me", json!({"newPassword": NEW_PASSWORD, "name": "Eve"})).await.expect(422);

    assert_eq!(wrong.code(), "credentials_invalid");
    assert_eq!((weak.code(), half.code()), ("password_common".to_owned(), "password_incomplete".to_owned()));
    assert!(is_open(&phone).await && is_open(&laptop).await);
    let but_rates = |items: Vec<Value>| -> Vec<Value> {
        items.into_iter().filter(|i| !i["PK"].as_str().is_some_and(|pk| pk.starts_with("RATE#"))).collect()
    };
    assert_eq!(but_rates(shop.dump().await), but_rates(before));
}

#[tokio::test]
async fn a_hash_with_weaker_parameters_is_renewed_at_login() {
    let shop = Shop::open().await;
    registered_as(&shop, ANN).await;
    let (table, email) = (&shop.stack.table, Email::parse(ANN).expect("an e-mail"));
    let strong = table.credential_get(&email).await.expect("the table answers").expect("Ann has registered");
    assert!(table.credential_replace(&email, &strong, WEAK_HASH).await.expect("the table answers"));

    login(&shop.stranger(), ANN, "almost right battery").await.expect(401);
    let after_a_failure = table.credential_get(&email).await.expect("the table answers").expect("it is there");
    logged_in(&shop, ANN).await;
    let renewed = table.credential_get(&email).await.expect("the table answers").expect("it is there");

    assert_eq!(after_a_failure.password_hash, WEAK_HASH);
    assert!(renewed.password_hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    logged_in(&shop, ANN).await;
}

#[tokio::test]
async fn addresses_are_listed_replaced_and_deleted() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;
    let created = ann.post("/users/me/addresses", address("Bristol")).await.expect(201);
    let path = created.header("location").expect("where it is").to_owned();
    let id = created.json()["addressId"].clone();
    let with_id = |city| {
        let mut address = address(city);
        address["addressId"] = id.clone();
        address
    };

    let listed = ann.get("/users/me/addresses").await.expect(200).json();
    let replaced = ann.put(&path, address("London")).await.expect(200).json();
    let relisted = ann.get("/users/me/addresses").await.expect(200).json();
    ann.delete(&path).await.expect(204);

    assert_eq!(created.json(), with_id("Bristol"));
    assert_eq!(listed, json!({"items": [with_id("Bristol")]}));
    assert_eq!(replaced, with_id("London"));
    assert_eq!(relisted, json!({"items": [with_id("London")]}));
    assert_eq!(ann.get("/users/me/addresses").await.json(), json!({"items": []}));
    assert_eq!(ann.delete(&path).await.expect(404).code(), "not_found");
    assert_eq!(ann.put(&path, address("Leeds")).await.expect(404).code(), "not_found");
}

#[tokio::test]
async fn an_address_can_be_read_at_its_location() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;
    let created = ann.post("/users/me/addresses", address("Bristol")).await.expect(201);
    let path = created.header("location").expect("where it is").to_owned();

    let read = ann.get(&path).await.expect(200);
    ann.delete(&path).await.expect(204);
    let after = ann.get(&path).await.expect(404);

    assert_eq!(read.json(), created.json());
    assert_eq!(after.code(), "not_found");
}

#[tokio::test]
async fn an_address_of_another_customer_is_not_found() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.registered().await, shop.registered().await);
    let created = ann.post("/users/me/addresses", address("Bristol")).await.expect(201).json();
    let path = format!("/users/me/addresses/{}", created["addressId"].as_str().expect("an id"));

    let replaced = bob.put(&path, address("London")).await.expect(404);
    let deleted = bob.delete(&path).await.expect(404);

    assert_eq!((replaced.code(), deleted.code()), ("not_found".to_owned(), "not_found".to_owned()));
    assert_eq!(bob.get("/users/me/addresses").await.json(), json!({"items": []}));
    assert_eq!(ann.get("/users/me/addresses").await.json(), json!({"items": [created]}));
}

#[tokio::test]
async fn a_customer_has_at_most_fifty_addresses() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;
    for _ in 0..50 {
        ann.post("/users/me/addresses", address("Bristol")).await.expect(201);
    }

    let one_more = ann.post("/users/me/addresses", address("Bristol")).await.expect(422);

    assert_eq!(one_more.code(), "addresses_full");
    let listed = ann.get("/users/me/addresses").await.expect(200).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(50));
}

#[tokio::test]
async fn a_refused_address_names_the_wrong_field() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;
    let created = ann.post("/users/me/addresses", address("Bristol")).await.expect(201).json();
    let path = format!("/users/me/addresses/{}", created["addressId"].as_str().expect("an id"));
    let long = "ก".repeat(201);
    let cases = [
        ("recipient", "", "address_invalid"),
        ("recipient", "Ann\u{202e}", "address_invalid"),
        ("line1", " ", "address_invalid"),
        ("line1", "1 Harbour\nStreet", "address_invalid"),
        ("line2", "Flat\u{200b} 2", "address_invalid"),
        ("city", long.as_str(), "address_invalid"),
        ("region", "\u{feff}Avon", "address_invalid"),
        ("postalCode", "BS1\u{0}", "address_invalid"),
        ("country", "gb", "country_invalid"),
        ("country", "ZZ", "country_invalid"),
        ("country", "UK", "country_invalid"),
        ("phone", "ask my neighbour", "phone_invalid"),
        ("phone", "12", "phone_invalid"),
    ];

    for (field, value, code) in cases {
        let mut wrong = address("Bristol");
        wrong[field] = json!(value);
        for refused in [ann.post("/users/me/addresses", wrong.clone()).await, ann.put(&path, wrong.clone()).await] {
            let refused = refused.expect(422);
            assert_eq!((refused.code().as_str(), &refused.json()["field"]), (code, &json!(field)), "{field} {value:?}");
        }
    }
    let mut british = address("Bristol");
    british["country"] = json!("UK");
    let detail = ann.post("/users/me/addresses", british).await.expect(422).json()["detail"].clone();
    assert!(detail.as_str().is_some_and(|detail| detail.contains("must be GB")), "{detail}");
}

#[tokio::test]
async fn an_empty_field_of_an_address_counts_as_missing() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;
    for nothing in [json!(""), json!("  "), Value::Null] {
        let mut sparse = address("Bristol");
        for field in ["line2", "region", "postalCode", "phone"] {
            sparse[field] = nothing.clone();
        }

        let created = ann.post("/users/me/addresses", sparse).await.expect(201).json();

        for field in ["line2", "region", "postalCode", "phone"] {
            assert_eq!(created.get(field), None, "{field}");
        }
    }
}

#[tokio::test]
async fn a_phone_number_is_kept_with_the_address_and_the_order() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);
    let mut with_phone = address("Bristol");
    with_phone["phone"] = json!(" +44 117 496 0123 ");
    with_phone["line1"] = json!("88 ถนนสุขุมวิท แขวงคลองเตยเหนือ เขตวัฒนา กรุงเทพมหานคร อาคารพระราม ชั้นสิบสอง ห้องเลขที่");

    let created = ann.post("/users/me/addresses", with_phone).await.expect(201).json();
    let body = json!({"payment": {"token": "tok_visa"}, "shippingAddressId": created["addressId"]});
    let order = ann.post_once("/orders", "an-order-with-a-phone", body).await.expect(201).json();

    assert_eq!(created["phone"], "+44 117 496 0123");
    assert_eq!(order["shippingAddress"]["phone"], "+44 117 496 0123");
    assert_eq!(ann.get("/users/me/addresses").await.json()["items"][0], created);
}

#[tokio::test]
async fn an_address_older_than_its_validation_is_still_read() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;
    let old = domain::Address {
        id: "home".parse().expect("an id"),
        recipient: "An\u{200b}n".to_owned(),
        line1: "1 Harbour Street".to_owned(),
        line2: None,
        city: "Bristol".to_owned(),
        region: None,
        postal_code: None,
        country: domain::CountryCode::stored("UK").expect("two letters"),
        phone: None,
    };
    shop.stack.table.address_put(&ann.uid.parse().expect("an id"), &old, true).await.expect("the table answers");

    let listed = ann.get("/users/me/addresses").await.expect(200).json();

    assert_eq!(
        (&listed["items"][0]["country"], &listed["items"][0]["recipient"]),
        (&json!("UK"), &json!("An\u{200b}n"))
    );
}

async fn register(shopper: &Shopper, email: &str, password: &str) -> Answer {
    shopper.post("/users", json!({"email": email, "password": password, "name": "Ann"})).await
}

async fn login(shopper: &Shopper, email: &str, password: &str) -> Answer {
    shopper.post("/sessions", json!({"email": email, "password": password})).await
}

async fn change_password(shopper: &Shopper, current: &str, new: &str) -> Answer {
    shopper.patch("/users/me", json!({"currentPassword": current, "newPassword": new})).await
}

/// A shopper with the session that the answer opened.
fn taking(shop: &Shop, answer: &Answer) -> Shopper {
    let mut shopper = shop.stranger();
    shopper.takes(answer);
    shopper
}

/// Quantities by product.
async fn cart(shopper: &Shopper) -> Value {
    let cart = shopper.get("/cart").await.expect(200).json();
    let line = |item: &Value| (item["productId"].as_str().expect("an id").to_owned(), item["quantity"].clone());
    cart["items"].as_array().expect("a cart has lines").iter().map(line).collect()
}

/// The cart as it is stored; `null` if it is not.
async fn stored_cart(shop: &Shop, uid: &str) -> Value {
    let pk = format!("USER#{uid}");
    let found = shop.dump().await.into_iter().find(|item| item["PK"] == pk && item["SK"] == "CART");
    found.unwrap_or_default()
}

/// One unit each of products that need not be there.
async fn fill_cart(shop: &Shop, shopper: &Shopper, kind: SessionKind, products: &[String]) {
    let price_seen = Money::price(100, Currency::USD).expect("a price");
    let line = CartLine { quantity: Quantity::new(1).expect("a quantity"), price_seen, sale: None };
    let lines: BTreeMap<ProductId, CartLine> = products.iter().map(|id| (id.parse().expect("an id"), line)).collect();
    let (uid, read): (UserId, _) = (shopper.uid.parse().expect("an id"), Cart::default());
    let write = CartWrite { uid: &uid, kind, read: &read, must_match: false, now: shop.clock.now() };
    shop.stack.table.cart_lines_write(write, &lines).await.expect("the table answers");
}

fn address(city: &str) -> Value {
    let line1 = "1 Harbour Street";
    json!({"recipient": "Ann Smith", "line1": line1, "city": city, "postalCode": "BS1 5UH", "country": "GB"})
}

#[tokio::test]
async fn an_operator_makes_a_customer_staff_and_a_customer_again() {
    let shop = Shop::open().await;
    let mut ann = shop.stranger();
    ann.registers("ann@example.com").await;
    let table = &shop.stack.table;
    let asks = async || ann.get("/admin/orders?state=confirmed").await.status();

    let before = asks().await;
    ops::admin::set_role(table, "ann@example.com", Role::Admin).await.unwrap();
    let granted = asks().await;
    ops::admin::set_role(table, "Ann@example.com", Role::Customer).await.unwrap();
    let revoked = asks().await;
    let unknown = ops::admin::set_role(table, "bob@example.com", Role::Admin).await;

    assert_eq!([before, granted, revoked], [403, 200, 403]);
    assert!(unknown.unwrap_err().to_string().contains("bob@example.com"));
}

#[tokio::test]
async fn a_retried_address_under_the_same_key_is_one_address() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.registered().await, shop.registered().await);
    let home = json!({"recipient": "Ann", "line1": "1 Harbour Street", "city": "Bristol", "country": "GB"});
    let work = json!({"recipient": "Ann", "line1": "2 Quay Street", "city": "Bristol", "country": "GB"});
    let add = async |who: &Shopper, key: &str, address: &Value| {
        who.post_once("/users/me/addresses", key, address.clone()).await
    };

    let first = add(&ann, "an-address-of-anns", &home).await.expect(201);
    let again = add(&ann, "an-address-of-anns", &home).await.expect(201);
    let reused = add(&ann, "an-address-of-anns", &work).await.expect(422);
    let at_once = join_all((0..5).map(|_| add(&ann, "another-one-of-anns", &work))).await;
    let of_bob = add(&bob, "an-address-of-anns", &home).await.expect(201);

    assert_eq!((again.text(), again.header("location")), (first.text(), first.header("location")));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(reused.code(), "idempotency_key_reused");
    assert!(at_once.iter().all(|a| a.status() == 201 && a.text() == at_once[0].text()));
    assert_eq!(of_bob.header("idempotency-replayed"), None);
    assert_eq!(ann.get("/users/me/addresses").await.json()["items"].as_array().map(Vec::len), Some(2));
}
