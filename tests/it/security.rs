use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use api::rates::Rates;
use e2e::{ADMIN_PASSWORD, Answer, PASSWORD, Shop, Shopper};
use futures::future::join_all;
use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use table::{RateLimit, keys};

use crate::sessions::{registered_as, secret, token};

const ANN: &str = "ann@example.com";
const WRONG_PASSWORD: &str = "almost right battery";
const NEW_PASSWORD: &str = "staple battery horse";

/// A storefront that the shop's policy allows.
const STOREFRONT: &str = "https://shop.example";

const QUARTER: SignedDuration = SignedDuration::from_mins(15);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[tokio::test]
async fn the_table_holds_no_token_no_password_and_no_email_in_a_key() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let mut ann = shop.customer().await;
    let mut tokens = vec![token(&ann).to_owned()];
    ann.adds(&mug, 1).await.expect(200);
    ann.checks_out().await.expect(201);
    ann.registers(ANN).await;
    tokens.push(token(&ann).to_owned());
    ann.logs_in(ANN, PASSWORD).await;
    tokens.push(token(&ann).to_owned());
    let refreshed = ann.post("/sessions/refresh", json!({})).await.expect(201);
    ann.takes(&refreshed);
    tokens.push(token(&ann).to_owned());
    login(&ann, ANN, WRONG_PASSWORD).await.expect(401);
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    let changed = ann.patch("/users/me", change).await.expect(200);
    ann.takes(&changed);
    tokens.push(token(&ann).to_owned());

    let items = shop.dump().await;

    let text = Value::Array(items.clone()).to_string();
    assert!(text.contains(&keys::sha256_hex(secret(token(&ann)))), "the open session is there, by its digest");
    for token in &tokens {
        assert!(!text.contains(secret(token)));
    }
    for password in [PASSWORD, NEW_PASSWORD, WRONG_PASSWORD, ADMIN_PASSWORD] {
        assert!(!text.contains(password));
    }
    for key in items.iter().flat_map(|item| [&item["PK"], &item["SK"]]) {
        assert!(!key.as_str().expect("a key is text").contains('@'), "{key}");
    }
}

#[tokio::test]
async fn every_answer_that_opens_a_session_sets_a_strict_cookie_and_is_not_stored() {
    let shop = Shop::open().await;
    let (mut ann, thirty_days, twelve_hours) = (shop.stranger(), 30 * 24 * 3_600, 12 * 3_600);
    let account = json!({"email": ANN, "password": PASSWORD});
    let registering = json!({"email": ANN, "password": PASSWORD, "name": "Ann"});
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    let opening = [
        (Method::POST, "/sessions/guest", json!({}), thirty_days),
        (Method::POST, "/sessions/refresh", json!({}), thirty_days),
        (Method::POST, "/users", registering, twelve_hours),
        (Method::POST, "/sessions", account, twelve_hours),
        (Method::POST, "/sessions/refresh", json!({}), twelve_hours),
        (Method::PATCH, "/users/me", change, twelve_hours),
    ];

    for (method, path, body, seconds) in opening {
        let answer = ann.send(ann.request(method, path).json(&body)).await;
        ann.takes(&answer);

        assert_strict_cookie(&answer, token(&ann), seconds);
        // A password makes the device known, too.
        let device = answer.json()["deviceToken"].as_str().map(str::to_owned);
        assert_eq!(device.is_some(), path.starts_with("/users") || path == "/sessions", "{path}");
        let half_a_year = 180 * 24 * 3_600;
        let cookie =
            |token| format!("__Host-device={token}; Max-Age={half_a_year}; Secure; HttpOnly; SameSite=Strict; Path=/");
        assert_eq!(answer.cookies()[1..], device.map(cookie).into_iter().collect::<Vec<_>>(), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    for path in ["/users/me", "/sessions", "/cart", "/orders", "/users/me/addresses"] {
        assert_eq!(ann.get(path).await.expect(200).header("cache-control"), Some("no-store"), "{path}");
    }
    assert_strict_cookie(&ann.delete("/sessions/current").await.expect(204), "", 0);
}

#[tokio::test]
async fn logging_out_clears_the_cookie() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    let listed = ann.get("/sessions").await.expect(200).json();
    let own = format!("/sessions/{}", listed["items"][0]["sessionId"].as_str().expect("an id"));

    assert_strict_cookie(&ann.delete(&own).await.expect(204), "", 0);
    assert_strict_cookie(&bob.delete("/sessions").await.expect(204), "", 0);
}

#[tokio::test]
async fn every_answer_says_nosniff_and_https_only() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let ann = shop.customer().await;
    let text = ann.request(Method::POST, "/cart/items").header("content-type", "text/plain").body("x");
    let preflight = ann.request(Method::OPTIONS, "/cart").header("access-control-request-method", "DELETE");
    let twice = ann.request(Method::GET, "/cart").header("authorization", "Bearer again");
    let answers = [
        (200, ann.get("/healthz").await),
        (200, ann.get("/products/mug").await),
        (200, ann.get("/cart").await),
        (200, ann.send(preflight).await),
        (201, ann.post("/sessions/guest", json!({})).await),
        (400, ann.post("/cart/items", json!({"x": 1})).await),
        (400, ann.send(twice).await),
        (401, shop.stranger().get("/cart").await),
        (403, ann.get("/admin/orders?state=confirmed").await),
        (404, ann.get("/nowhere").await),
        (404, ann.get("/products/nothing").await),
        (405, ann.delete("/categories").await),
        (413, ann.post("/cart/items", json!({"x": "x".repeat(65_600)})).await),
        (415, ann.send(text).await),
        (204, ann.delete("/sessions/current").await),
    ];

    for (status, answer) in answers {
        let answer = answer.expect(status);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
        let hsts = answer.header("strict-transport-security").unwrap_or_default();
        assert!(hsts.starts_with("max-age=63072000"), "{status}: {hsts}");
    }
}

#[tokio::test]
async fn public_routes_need_no_session() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;

    for path in ["/products", "/products/featured", "/products/mug", "/categories", "/healthz"] {
        shop.stranger().get(path).await.expect(200);
    }
    shop.stranger().post("/sessions/guest", json!({})).await.expect(201);
}

#[tokio::test]
async fn a_cookie_is_as_good_as_a_token_for_reading() {
    let shop = Shop::open().await;
    let ann = shop.customer().await;
    let with = |cookie: String| shop.stranger().request(Method::GET, "/users/me").header("cookie", cookie);

    let known = ann.send(with(format!("theme=dark; __Host-sid={}; lang=en", token(&ann)))).await.expect(200);
    let forged = ann.send(with(format!("__Host-sid={}.{}", ann.uid, "A".repeat(43)))).await.expect(401);
    let other_name = ann.send(with(format!("sid={}", token(&ann)))).await.expect(401);

    assert_eq!(known.json()["userId"], ann.uid);
    assert_eq!((forged.code(), other_name.code()), ("session_invalid".to_owned(), "session_missing".to_owned()));
}

#[tokio::test]
async fn a_cookie_changes_nothing_for_a_page_that_is_not_trusted() {
    let shop = Shop::open_with(|o| o.policy.origins = vec![STOREFRONT.to_owned()]).await;
    let ann = with_a_mug_in_the_cart(&shop).await;
    let before = shop.dump().await;
    let untrusted: [&[(&str, &str)]; 11] = [
        &[],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://shop.example")],
        &[("origin", "https://shop.example.evil.example")],
        &[("origin", "https://evil.example/https://shop.example")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        &[("referer", "https://shop.example/")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
    ];

    for page in untrusted {
        for (method, path, body) in changes() {
            let refused = ann.send(from_page(&shop, &ann, page, method.clone(), path, body)).await;

            let about = format!("{method} {path} {page:?}");
            assert_eq!((refused.status(), refused.code().as_str()), (403, "cross_site_request"), "{about}");
        }
    }
    assert_eq!(shop.dump().await, before);
}

#[tokio::test]
async fn a_cookie_works_for_a_page_that_is_trusted() {
    let shop = Shop::open_with(|o| o.policy.origins = vec![STOREFRONT.to_owned()]).await;
    let ann = with_a_mug_in_the_cart(&shop).await;
    let own = shop.stack.url();
    let trusted: [&[(&str, &str)]; 4] = [
        &[("origin", STOREFRONT)],
        &[("origin", own.as_str())],
        &[("sec-fetch-site", "same-origin")],
        &[("origin", STOREFRONT), ("sec-fetch-site", "cross-site")],
    ];

    for page in trusted {
        for (method, path, body) in changes() {
            ann.send(from_page(&shop, &ann, page, method, path, body)).await.expect(200);
        }
    }
    let refresh = from_page(&shop, &ann, trusted[0], Method::POST, "/sessions/refresh", None);
    ann.send(refresh).await.expect(201);
}

#[tokio::test]
async fn a_form_with_a_cookie_is_refused_from_every_page() {
    let shop = Shop::open_with(|o| o.policy.origins = vec![STOREFRONT.to_owned()]).await;
    let ann = with_a_mug_in_the_cart(&shop).await;
    let before = shop.dump().await;

    for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        for path in ["/cart/items", "/sessions/refresh"] {
            let request = from_page(&shop, &ann, &[("origin", STOREFRONT)], Method::POST, path, None);
            let body = json!({"productId": "mug", "quantity": 1}).to_string();
            let refused = ann.send(request.header("content-type", form).body(body)).await.expect(403);

            assert_eq!(refused.code(), "cross_site_request", "{form} {path}");
        }
    }
    assert_eq!(shop.dump().await, before);
}

#[tokio::test]
async fn a_bearer_token_needs_no_trusted_page() {
    let shop = Shop::open().await;
    let ann = with_a_mug_in_the_cart(&shop).await;

    for (method, path, body) in changes() {
        let request = ann.request(method, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        ann.send(request).await.expect(200);
    }
}

#[tokio::test]
async fn only_allowed_origins_may_read_answers() {
    let shop = Shop::open_with(|o| o.policy.origins = vec![STOREFRONT.to_owned()]).await;
    let ann = shop.customer().await;
    let reading = |origin: &str| ann.request(Method::GET, "/cart").header("origin", origin);
    let asking = |origin: &str| {
        let preflight = shop.stranger().request(Method::OPTIONS, "/cart/items").header("origin", origin);
        preflight.header("access-control-request-method", "POST")
    };

    let allowed = [ann.send(reading(STOREFRONT)).await, ann.send(asking(STOREFRONT)).await];
    let mut foreign = Vec::new();
    for origin in ["https://evil.example", "null", "http://shop.example"] {
        foreign.extend([ann.send(reading(origin)).await, ann.send(asking(origin)).await]);
    }

    for answer in allowed {
        assert_eq!(answer.header("access-control-allow-origin"), Some(STOREFRONT));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    }
    for answer in foreign {
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn a_page_can_read_the_headers_it_needs_and_caches_a_preflight_for_ten_minutes() {
    let shop = Shop::open_with(|o| o.policy.origins = vec![STOREFRONT.to_owned()]).await;
    let ann = shop.customer().await;

    let preflight = ann.request(Method::OPTIONS, "/orders").header("origin", STOREFRONT);
    let preflight = ann.send(preflight.header("access-control-request-method", "POST")).await;
    let answer = ann.send(ann.request(Method::GET, "/cart").header("origin", STOREFRONT)).await;

    assert_eq!(preflight.header("access-control-max-age"), Some("600"));
    let exposed = answer.header("access-control-expose-headers").expect("headers that a page may read");
    for name in ["etag", "location", "retry-after", "idempotency-replayed"] {
        assert!(exposed.split(',').any(|e| e.trim() == name), "{name}: {exposed}");
    }
}

#[tokio::test]
async fn of_a_hundred_guesses_at_once_five_are_checked() {
    let shop = Shop::open().await;
    registered_as(&shop, ANN).await;
    // Registering has counted as well: a new window starts at zero.
    shop.clock.advance(QUARTER);
    let stranger = shop.stranger();

    let answers = join_all((0..100).map(|_| login(&stranger, ANN, WRONG_PASSWORD))).await;

    let (guessed, limited): (Vec<_>, Vec<_>) = answers.into_iter().partition(|a| a.status() == 401);
    assert_eq!((guessed.len(), limited.len()), (5, 95));
    for answer in limited {
        let answer = answer.expect(429);
        assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("rate_limited", Some("900")));
        // Only the counter is read: not the credential, and nothing is hashed.
        assert_eq!(answer.cost().dynamodb, 1.0);
    }
    assert_eq!(login(&stranger, ANN, PASSWORD).await.status(), 429);
    shop.clock.advance(QUARTER);
    login(&stranger, ANN, PASSWORD).await.expect(201);
}

#[tokio::test]
async fn no_header_changes_the_address_that_is_counted() {
    let shop = Shop::open().await;
    registered_as(&shop, ANN).await;
    shop.clock.advance(QUARTER);
    let stranger = shop.stranger();
    for _ in 0..5 {
        login(&stranger, ANN, WRONG_PASSWORD).await.expect(401);
    }

    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-for", "203.0.113.7, 127.0.0.1"),
        ("forwarded", "for=203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("true-client-ip", "203.0.113.7"),
    ] {
        let body = json!({"email": ANN, "password": WRONG_PASSWORD});
        let spoofed = stranger.request(Method::POST, "/sessions").header(name, value).json(&body);
        assert_eq!(stranger.send(spoofed).await.status(), 429, "{name}: {value}");
    }
}

#[tokio::test]
async fn one_accounts_guesses_do_not_lock_another_out() {
    let shop = Shop::open().await;
    registered_as(&shop, ANN).await;
    let stranger = shop.stranger();
    for _ in 0..6 {
        login(&stranger, "bob@example.com", WRONG_PASSWORD).await;
    }

    let bob = login(&stranger, "BOB@example.com", WRONG_PASSWORD).await;
    let ann = login(&stranger, ANN, PASSWORD).await;

    assert_eq!((bob.status(), ann.status()), (429, 201));
}

#[tokio::test]
async fn a_successful_login_resets_the_count_of_guesses() {
    let shop = Shop::open().await;
    registered_as(&shop, ANN).await;
    shop.clock.advance(QUARTER);
    let stranger = shop.stranger();
    for _ in 0..4 {
        login(&stranger, ANN, WRONG_PASSWORD).await.expect(401);
    }

    login(&stranger, ANN, PASSWORD).await.expect(201);

    for _ in 0..5 {
        login(&stranger, ANN, WRONG_PASSWORD).await.expect(401);
    }
    login(&stranger, ANN, WRONG_PASSWORD).await.expect(429);
}

#[tokio::test]
async fn guessing_a_password_from_within_a_session_is_limited_too() {
    let shop = Shop::open().await;
    let ann = registered_as(&shop, ANN).await;
    shop.clock.advance(QUARTER);
    let body = json!({"currentPassword": WRONG_PASSWORD, "newPassword": NEW_PASSWORD});

    // Each is two guesses: whether the current password is right, and whether the new one is the account's already.
    for _ in 0..2 {
        ann.patch("/users/me", body.clone()).await.expect(403);
    }
    let sixth = ann.patch("/users/me", body).await.expect(429);

    assert_eq!(sixth.code(), "rate_limited");
}

#[tokio::test]
async fn an_address_may_log_in_and_register_a_hundred_times_an_hour() {
    let shop = Shop::open().await;
    registered_as(&shop, ANN).await;
    let stranger = shop.stranger();
    let registration = json!({"email": "bob@example.com", "password": PASSWORD, "name": "Bob"});
    // With Ann's registration, 99.
    count(&shop, &Rates::default().login_address(Some(IpAddr::V4(Ipv4Addr::LOCALHOST))), 98).await;

    let hundredth = login(&stranger, ANN, PASSWORD).await;
    let one_more = login(&stranger, ANN, PASSWORD).await;
    let registered = stranger.post("/users", registration.clone()).await;
    shop.clock.advance(HOUR);
    let an_hour_later = stranger.post("/users", registration).await;

    assert_eq!([hundredth.status(), one_more.status(), registered.status()], [201, 429, 429]);
    assert_eq!(an_hour_later.status(), 201);
}

#[tokio::test]
async fn an_address_opens_sixty_guest_sessions_a_minute() {
    let shop = Shop::open().await;
    let stranger = shop.stranger();

    let answers = join_all((0..70).map(|_| stranger.post("/sessions/guest", json!({})))).await;

    assert_eq!(answers.iter().filter(|a| a.status() == 201).count(), 60);
    assert_eq!(answers.iter().filter(|a| a.status() == 429).count(), 10);
    shop.clock.advance(SignedDuration::from_mins(1));
    stranger.post("/sessions/guest", json!({})).await.expect(201);
}

#[tokio::test]
async fn stored_fields_that_a_route_does_not_take_are_refused() {
    let shop = Shop::open().await;
    let (ann, stranger) = (registered_as(&shop, ANN).await, shop.stranger());
    let address = json!({"recipient": "Ann", "line1": "1 Harbour Street", "city": "Bristol", "country": "GB"});
    let requests = [
        (&stranger, Method::POST, "/users", json!({"email": "bob@example.com", "password": PASSWORD, "name": "Bob"})),
        (&stranger, Method::POST, "/sessions", json!({"email": ANN, "password": PASSWORD})),
        (&ann, Method::PATCH, "/users/me", json!({"name": "Ann"})),
        (&ann, Method::POST, "/users/me/addresses", address),
    ];
    let stored = [
        ("role", json!("admin")),
        ("uid", json!(ann.uid)),
        ("userId", json!(ann.uid)),
        ("state", json!("confirmed")),
        ("version", json!(7)),
        ("guest", json!(false)),
        ("createdAt", json!(0)),
        ("expiresAt", json!(4_000_000_000_u64)),
        ("passwordHash", json!("$argon2id$")),
        ("PK", json!("USER#admin")),
    ];
    let before = shop.dump().await;

    for (who, method, path, body) in &requests {
        for (field, value) in &stored {
            let mut slipped_in = body.clone();
            slipped_in[field] = value.clone();
            let refused = who.send(who.request(method.clone(), path).json(&slipped_in)).await.expect(400);

            assert_eq!(refused.code(), "body_invalid", "{method} {path} {field}");
        }
    }

    assert_eq!(shop.dump().await, before);
    // Without them, each is accepted.
    for (who, method, path, body) in &requests {
        assert!(who.send(who.request(method.clone(), path).json(body)).await.status() < 300, "{method} {path}");
    }
    assert_eq!(ann.get("/users/me").await.json()["role"], "customer");
}

#[tokio::test]
async fn an_unknown_email_takes_as_long_as_a_wrong_password() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    registered_as(&shop, ANN).await;
    let stranger = shop.stranger();
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());

    // In turns, so that a busy machine slows down both.
    for _ in 0..15 {
        unknown.push(took(login(&stranger, "nobody@example.com", PASSWORD)).await);
        wrong.push(took(login(&stranger, ANN, WRONG_PASSWORD)).await);
    }

    let ratio = median(unknown).as_secs_f64() / median(wrong).as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
}

async fn login(shopper: &Shopper, email: &str, password: &str) -> Answer {
    shopper.post("/sessions", json!({"email": email, "password": password})).await
}

/// How long a refused login took.
async fn took(refused: impl Future<Output = Answer>) -> Duration {
    let started = Instant::now();
    refused.await.expect(401);
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Counts `times` uses of a limit.
async fn count(shop: &Shop, limit: &RateLimit, times: usize) {
    for _ in 0..times {
        shop.stack.table.rate_count(limit, shop.clock.now()).await.expect("the table answers");
    }
}

/// The first Set-Cookie is the session's: for this host only, over TLS only, not for scripts, not for other sites.
#[track_caller]
fn assert_strict_cookie(answer: &Answer, token: &str, seconds: i64) {
    let cookie = answer.header("set-cookie").expect("a cookie is set or cleared");
    let mut parts: Vec<&str> = cookie.split("; ").collect();
    assert_eq!(parts.remove(0), format!("__Host-sid={token}"));
    parts.sort_unstable();
    let max_age = format!("Max-Age={seconds}");
    assert_eq!(parts, ["HttpOnly", max_age.as_str(), "Path=/", "SameSite=Strict", "Secure"]);
}

/// One request of each method that changes something; each can be repeated and answers 200.
fn changes() -> [(Method, &'static str, Option<Value>); 4] {
    [
        (Method::POST, "/cart/items", Some(json!({"productId": "mug", "quantity": 1}))),
        (Method::PUT, "/cart/items/mug", Some(json!({"quantity": 2}))),
        (Method::PATCH, "/users/me", Some(json!({"name": "Ann Smith"}))),
        (Method::DELETE, "/cart", None),
    ]
}

async fn with_a_mug_in_the_cart(shop: &Shop) -> Shopper {
    let mug = shop.product("mug").create().await;
    let ann = registered_as(shop, ANN).await;
    ann.adds(&mug, 1).await.expect(200);
    ann
}

/// A request as a browser sends it from a page: with the cookie, and with headers that name the page.
fn from_page(
    shop: &Shop,
    shopper: &Shopper,
    page: &[(&str, &str)],
    method: Method,
    path: &str,
    body: Option<Value>,
) -> RequestBuilder {
    let cookie = format!("__Host-sid={}", token(shopper));
    let mut request = shop.stranger().request(method, path).header("cookie", cookie);
    for (name, value) in page {
        request = request.header(*name, *value);
    }
    match body {
        Some(body) => request.json(&body),
        None => request,
    }
}
