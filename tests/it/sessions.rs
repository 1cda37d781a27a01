use api::token::Token;
use domain::{SessionKind, UserId};
use e2e::{Answer, PASSWORD, Shop, Shopper, a_few_at_once};
use futures::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use table::NewSession;
use tokio::join;

const ANN: &str = "ann@example.com";

#[tokio::test]
async fn a_guest_has_an_id_and_no_name() {
    let shop = Shop::open().await;
    let guest = shop.customer().await;

    let me = guest.get("/users/me").await.expect(200).json();

    assert_eq!(me, json!({"userId": guest.uid, "guest": true, "role": "customer", "recentOrders": []}));
}

#[tokio::test]
async fn only_an_issued_token_opens_anything() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    let secret_of = |shopper: &Shopper| secret(token(shopper)).to_owned();
    let forged = [
        "nonsense".to_owned(),
        ann.uid.clone(),
        secret_of(&ann),
        format!("{}.{}", bob.uid, secret_of(&ann)),
        format!("{}.{}", ann.uid, "A".repeat(43)),
        format!("{}A", token(&ann)),
        format!("{}.{}", token(&ann), secret_of(&ann)),
    ];

    for forged in forged {
        // One route reads the session alone, the other together with the cart.
        for path in ["/users/me", "/cart"] {
            let refused = holding(&shop, &forged).get(path).await.expect(401);

            assert_eq!(refused.code(), "session_invalid", "{path} {forged}");
        }
    }
    assert!(is_open(&ann).await);
}

#[tokio::test]
async fn without_a_token_the_answer_names_the_scheme() {
    let shop = Shop::open().await;
    let stranger = shop.stranger();
    let with_scheme = |scheme: &str| stranger.request(Method::GET, "/users/me").header("authorization", scheme);

    let missing = stranger.get("/users/me").await.expect(401);
    let other_scheme = stranger.send(with_scheme("Basic YW5uOnNlY3JldA==")).await.expect(401);

    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    assert_eq!(missing.code(), "session_missing");
    assert_eq!(other_scheme.code(), "session_invalid");
}

#[tokio::test]
async fn a_customer_idle_for_half_an_hour_is_refused_from_that_very_second() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.registered().await, shop.registered().await);

    shop.clock.advance(SignedDuration::from_secs(30 * 60 - 1));
    let ann_in_time = is_open(&ann).await;
    shop.clock.advance(SignedDuration::from_secs(1));
    let (ann_after_use, bob_late) = (is_open(&ann).await, is_open(&bob).await);

    assert_eq!([ann_in_time, ann_after_use, bob_late], [true, true, false]);
    assert_eq!(bob.post("/sessions/refresh", json!({})).await.status(), 401);
    assert_eq!(bob.delete("/sessions").await.status(), 401);
}

#[tokio::test]
async fn any_use_of_a_session_keeps_it_open() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(1).create().await;
    let (ann, bob, admin) = (shop.registered().await, shop.registered().await, shop.admin().await);

    for _ in 0..2 {
        shop.clock.advance(SignedDuration::from_mins(20));
        ann.get("/cart").await.expect(200);
        bob.get("/orders").await.expect(200);
        admin.patch(&format!("/admin/products/{mug}"), json!({"name": "Mug"})).await.expect(200);
    }

    assert!(is_open(&ann).await && is_open(&bob).await && is_open(&admin).await);
}

#[tokio::test]
async fn an_expired_session_is_refused_before_its_items_are_deleted() {
    let shop = Shop::open().await;
    let (guest, customer) = (shop.customer().await, shop.registered().await);

    shop.clock.advance(SignedDuration::from_hours(30 * 24 + 48));

    for shopper in [&guest, &customer] {
        assert_eq!(stored_sessions(&shop, shopper).await, 2, "the session and its list entry are still there");
        assert!(!is_open(shopper).await);
        assert_eq!(shopper.post("/sessions/refresh", json!({})).await.expect(401).code(), "session_invalid");
        assert_eq!(shopper.get("/cart").await.expect(401).code(), "session_invalid");
    }
}

#[tokio::test]
async fn use_keeps_a_customers_session_open_for_twelve_hours_and_no_longer() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;

    for _ in 0..24 {
        shop.clock.advance(SignedDuration::from_mins(29));
        assert!(is_open(&ann).await);
    }
    shop.clock.advance(SignedDuration::from_secs(24 * 60 - 1));
    let before = is_open(&ann).await;
    shop.clock.advance(SignedDuration::from_secs(1));
    let after = is_open(&ann).await;

    assert_eq!((before, after), (true, false));
}

#[tokio::test]
async fn a_guests_session_lasts_thirty_days_without_being_used() {
    let shop = Shop::open().await;
    let guest = shop.customer().await;

    shop.clock.advance(SignedDuration::from_secs(30 * 24 * 3_600 - 1));
    let before = is_open(&guest).await;
    shop.clock.advance(SignedDuration::from_secs(1));
    let after = is_open(&guest).await;

    assert_eq!((before, after), (true, false));
}

#[tokio::test]
async fn being_used_costs_a_session_at_most_one_write_a_minute() {
    let shop = Shop::open().await;
    let (guest, ann) = (shop.customer().await, shop.registered().await);
    let mut writes = Vec::new();

    for seconds in [59, 1, 0, 59, 1] {
        shop.clock.advance(SignedDuration::from_secs(seconds));
        writes.push(ann.get("/users/me").await.expect(200).cost().wru);
    }

    assert_eq!(writes, [0.0, 1.0, 0.0, 0.0, 1.0]);
    // A guest's session has no idle time to move.
    assert_eq!(guest.get("/users/me").await.expect(200).cost().wru, 0.0);
}

#[tokio::test]
async fn a_refresh_gives_a_new_token_and_revokes_the_old_one() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let mut guest = shop.customer().await;
    guest.adds(&mug, 2).await.expect(200);
    let (old, uid) = (holding(&shop, token(&guest)), guest.uid.clone());

    let refreshed = guest.post("/sessions/refresh", json!({})).await.expect(201);
    guest.takes(&refreshed);

    assert_ne!(secret(token(&guest)), secret(token(&old)));
    assert_eq!(guest.uid, uid);
    assert!(is_open(&guest).await && !is_open(&old).await);
    assert_eq!(old.post("/sessions/refresh", json!({})).await.expect(401).code(), "session_invalid");
    assert_eq!(guest.get("/cart").await.json()["items"][0]["quantity"], 2);
    assert_eq!(stored_sessions(&shop, &guest).await, 2);
}

#[tokio::test]
async fn refreshing_does_not_prolong_a_session() {
    let shop = Shop::open().await;
    let mut ann = shop.registered().await;

    for _ in 0..24 {
        shop.clock.advance(SignedDuration::from_mins(29));
        let refreshed = ann.post("/sessions/refresh", json!({})).await.expect(201);
        ann.takes(&refreshed);
    }
    ann.get("/users/me").await.expect(200);
    shop.clock.advance(SignedDuration::from_mins(24));

    ann.get("/users/me").await.expect(401);
}

#[tokio::test]
async fn one_token_is_refreshed_once_however_often_it_is_sent_at_once() {
    let shop = Shop::open().await;
    let guest = shop.customer().await;

    let answers = join_all((0..10).map(|_| guest.post("/sessions/refresh", json!({})))).await;

    let renewed: Vec<&Answer> = answers.iter().filter(|a| a.status() == 201).collect();
    assert_eq!(renewed.len(), 1);
    assert!(answers.iter().all(|a| a.status() == 201 || a.code() == "session_invalid"));
    assert_eq!(stored_sessions(&shop, &guest).await, 2);
}

#[tokio::test]
async fn logging_out_here_leaves_other_devices_alone() {
    let shop = Shop::open().await;
    let (phone, laptop) = (registered_as(&shop, ANN).await, logged_in(&shop, ANN).await);

    phone.delete("/sessions/current").await.expect(204);

    assert!(!is_open(&phone).await && is_open(&laptop).await);
    assert_eq!(phone.delete("/sessions/current").await.expect(401).code(), "session_invalid");
}

#[tokio::test]
async fn another_device_is_logged_out_by_its_sessions_id() {
    let shop = Shop::open().await;
    let (phone, laptop) = (registered_as(&shop, ANN).await, logged_in(&shop, ANN).await);
    let path = format!("/sessions/{}", current_id(&phone).await);

    laptop.delete(&path).await.expect(204);

    assert!(!is_open(&phone).await && is_open(&laptop).await);
    assert_eq!(laptop.delete(&path).await.expect(404).code(), "not_found");
}

#[tokio::test]
async fn a_foreign_session_cannot_be_ended_and_is_answered_like_an_unknown_one() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.registered().await, shop.registered().await);

    let foreign = ann.delete(&format!("/sessions/{}", current_id(&bob).await)).await.expect(404);
    let unknown = ann.delete(&format!("/sessions/{}", "0".repeat(64))).await.expect(404);

    assert_eq!((foreign.code(), foreign.text()), (unknown.code(), unknown.text()));
    assert!(is_open(&bob).await);
    assert_eq!(stored_sessions(&shop, &bob).await, 2);
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_one_customer() {
    let shop = Shop::open().await;
    let (ann, bob) = (registered_as(&shop, ANN).await, shop.registered().await);
    let (phone, laptop) = (logged_in(&shop, ANN).await, logged_in(&shop, ANN).await);

    phone.delete("/sessions").await.expect(204);

    for ended in [&ann, &phone, &laptop] {
        assert!(!is_open(ended).await);
    }
    assert_eq!(stored_sessions(&shop, &ann).await, 0);
    assert!(is_open(&bob).await);
    assert!(is_open(&logged_in(&shop, ANN).await).await);
}

#[tokio::test]
async fn the_eleventh_login_ends_the_oldest_session() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let first = registered_as(&shop, ANN).await;
    let mut later = Vec::new();
    for _ in 0..9 {
        shop.clock.advance(SignedDuration::from_secs(1));
        later.push(logged_in(&shop, ANN).await);
    }
    let ten_are_open = is_open(&first).await;
    shop.clock.advance(SignedDuration::from_secs(1));

    later.push(logged_in(&shop, ANN).await);

    assert!(ten_are_open && !is_open(&first).await);
    for session in &later {
        assert!(is_open(session).await);
    }
    assert_eq!(sessions(&later[0]).await.len(), 10);
    assert_eq!(stored_sessions(&shop, &first).await, 20);
}

#[tokio::test]
async fn nothing_is_accepted_once_a_logout_everywhere_was_acknowledged() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;

    let races = a_few_at_once((0..200).map(|number| race_refresh_with_logout(&shop, number))).await;

    for &(refreshed, ended, accepted) in &races {
        match (refreshed, ended) {
            (201 | 401, 204) => assert_eq!(accepted, 0, "{races:?}"),
            // The refresh was first, and revoked the token that the logout was sent with.
            (201, 401) => assert_eq!(accepted, 1, "{races:?}"),
            _ => panic!("{races:?}"),
        }
    }
    assert!(races.iter().any(|(_, ended, _)| *ended == 204), "{races:?}");
}

#[tokio::test]
async fn the_list_of_sessions_shows_each_device_and_which_one_asks() {
    let shop = Shop::open().await;
    let from = |path, device: &str, body: Value| {
        shop.stranger().request(Method::POST, path).header("user-agent", device).json(&body)
    };
    let (mut phone, mut laptop) = (shop.stranger(), shop.stranger());
    let account = json!({"email": ANN, "password": PASSWORD});
    let registering = json!({"email": ANN, "password": PASSWORD, "name": "Ann"});
    let registered = phone.send(from("/users", "Firefox on a phone", registering)).await.expect(201);
    phone.takes(&registered);
    shop.clock.advance(SignedDuration::from_mins(5));
    let logged_in = laptop.send(from("/sessions", &"x".repeat(200), account)).await.expect(201);
    laptop.takes(&logged_in);

    let listed = sessions(&laptop).await;

    let (current, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|s| s["current"] == true);
    assert_eq!((current.len(), others.len()), (1, 1));
    assert_eq!(current[0]["device"], "x".repeat(120));
    assert_eq!(current[0]["createdAt"], "2040-01-15T10:05:00.000Z");
    assert_eq!(others[0]["device"], "Firefox on a phone");
    assert_eq!(others[0]["createdAt"], "2040-01-15T10:00:00.000Z");
    assert_eq!(others[0]["sessionId"], current_id(&phone).await);
}

/// A refresh and a logout everywhere at once, by one customer: both statuses, and how many of all tokens are accepted
/// afterwards. In every second race the logout comes from another device; in half of them it is sent first.
async fn race_refresh_with_logout(shop: &Shop, number: usize) -> (u16, u16, usize) {
    let phone = shop.customer().await;
    let laptop = match number % 2 {
        0 => holding(shop, token(&phone)),
        _ => second_session(shop, &phone).await,
    };
    let (refresh, end) = (phone.post("/sessions/refresh", json!({})), laptop.delete("/sessions"));
    let (refreshed, ended) = if number % 4 < 2 {
        join!(refresh, end)
    } else {
        let (ended, refreshed) = join!(end, refresh);
        (refreshed, ended)
    };

    let renewed = refreshed.json()["token"].as_str().map(|t| holding(shop, t));
    let mut accepted = 0;
    for held in [Some(phone), Some(laptop), renewed].into_iter().flatten() {
        let (used, again) = (held.get("/cart").await, held.post("/sessions/refresh", json!({})).await);
        accepted += usize::from(used.status() != 401 || again.status() != 401);
    }
    (refreshed.status(), ended.status(), accepted)
}

/// A second session of a guest, which no route can open.
async fn second_session(shop: &Shop, guest: &Shopper) -> Shopper {
    let uid: UserId = guest.uid.parse().expect("an id");
    let token = Token::issue(&uid);
    let (id, kind, device) = (token.session_id(), SessionKind::Guest, "laptop".to_owned());
    let new = NewSession {
        id,
        uid,
        kind,
        device,
        created_at: shop.clock.now(),
        lifetime: domain::SessionLifetime::start(kind, shop.clock.now()),
    };
    shop.stack.table.session_open_guest(&new).await.expect("the table answers");
    holding(shop, &token.reveal())
}

/// Items that are a session of this customer or its entry in their list.
async fn stored_sessions(shop: &Shop, shopper: &Shopper) -> usize {
    let own_pk = format!("USER#{}", shopper.uid);
    let starts = |item: &Value, name: &str| item[name].as_str().is_some_and(|v| v.starts_with("SESSION#"));
    let of_shopper = |item: &Value| {
        (item["PK"] == own_pk && starts(item, "SK")) || (item["uid"] == shopper.uid && starts(item, "PK"))
    };
    shop.dump().await.iter().filter(|item| of_shopper(item)).count()
}

async fn sessions(shopper: &Shopper) -> Vec<Value> {
    let listed = shopper.get("/sessions").await.expect(200).json();
    listed["items"].as_array().expect("a list").clone()
}

async fn current_id(shopper: &Shopper) -> String {
    let current = sessions(shopper).await.into_iter().find(|s| s["current"] == true);
    current.expect("the session that asks is listed")["sessionId"].as_str().expect("an id").to_owned()
}

/// Whether this shopper's token is accepted; anything but an answer or `session_invalid` fails the test.
pub(crate) async fn is_open(shopper: &Shopper) -> bool {
    let answer = shopper.get("/users/me").await;
    match answer.status() {
        200 => true,
        401 if answer.code() == "session_invalid" => false,
        other => panic!("{other}: {}", answer.text()),
    }
}

/// A shopper who sends this token.
pub(crate) fn holding(shop: &Shop, token: &str) -> Shopper {
    let mut shopper = shop.stranger();
    shopper.token = Some(token.to_owned());
    shopper
}

pub(crate) fn token(shopper: &Shopper) -> &str {
    shopper.token.as_deref().expect("a session is open")
}

/// The secret part of a token.
pub(crate) fn secret(token: &str) -> &str {
    token.rsplit_once('.').expect("a token has two parts").1
}

pub(crate) async fn registered_as(shop: &Shop, email: &str) -> Shopper {
    let mut shopper = shop.stranger();
    shopper.registers(email).await;
    shopper
}

/// Another device of a registered customer.
pub(crate) async fn logged_in(shop: &Shop, email: &str) -> Shopper {
    let mut shopper = shop.stranger();
    shopper.logs_in(email, PASSWORD).await;
    shopper
}
