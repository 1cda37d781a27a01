//! Every file of `events/`, as Lambda would hand it to the function, through `lambda_http`'s own event types.

use std::{collections::BTreeSet, fs, path::PathBuf};

use api::{BasePath, Context, Cursors, Policy, Routes, edge, rates::Rates};
use e2e::Shop;
use http_body_util::BodyExt;
use lambda_http::request::from_str;
use local::{Seed, function::run_as};
use search::Language;
use search_function::{Index, IndexSettings};
use serde_json::{Value, json};
use tower::ServiceExt;

/// The status that each event is answered with.
const EXPECTED: &[(&str, u16)] = &[
    ("cart/add-with-cookie-of-another-site", 403),
    ("cart/add-with-malformed-token", 401),
    ("cart/get-without-session", 401),
    ("cart/wrong-method", 405),
    ("orders/admin-list-without-session", 401),
    ("orders/cancel-without-session", 401),
    ("orders/get-with-forged-link", 401),
    ("orders/list-with-expired-token", 401),
    ("orders/lookup-of-unknown", 202),
    ("orders/place-without-session", 401),
    ("orders/refund-without-session", 401),
    ("orders/webhook-forged", 400),
    ("orders/webhook-of-another-provider", 404),
    ("products/categories", 200),
    ("products/description", 200),
    ("products/featured", 200),
    ("products/sales", 200),
    ("products/get", 200),
    ("products/get-unknown", 404),
    ("products/healthz", 200),
    ("products/list", 200),
    ("products/list-category", 200),
    ("products/tampered-cursor", 400),
    ("products-admin/create-without-session", 401),
    ("search/category-malformed", 422),
    // Before there is an index.
    ("search/search", 503),
    ("search/suggest", 503),
    ("sessions/change-with-forged-link", 422),
    ("sessions/guest", 201),
    ("sessions/login-base64", 401),
    ("sessions/login-broken-json", 400),
    ("sessions/login-unknown", 401),
    ("sessions/me-without-session", 401),
    ("sessions/register-common-password", 422),
    ("sessions/register-unknown-field", 400),
    ("sessions/reset-of-unknown", 202),
    ("sessions/reset-with-forged-link", 422),
    ("sessions/verify-with-forged-link", 422),
];

/// Events that a schedule sends; the answer reports what was done.
const SCHEDULED: [&str; 2] = ["indexer/schedule", "sweeper/schedule"];

/// Dead letters that `ops dead-letters replay` sends to a function that no stream is delivered to.
const REPLAYED: [&str; 1] = ["indexer/replay"];

/// Events of an event source mapping, and how many of their records become dead letters. No record is to be retried.
const STREAMED: [(&str, usize); 15] = [
    ("notifications/insert", 0),
    ("notifications/link-requested", 0),
    ("notifications/mixed-batch", 0),
    ("notifications/modify", 0),
    ("notifications/order-link-requested", 0),
    ("notifications/poison", 2),
    ("notifications/remove-by-ttl", 0),
    ("notifications/remove-by-user", 0),
    ("projections/insert", 0),
    ("projections/insert-with-contact", 0),
    ("projections/mixed-batch", 0),
    ("projections/modify", 0),
    ("projections/poison", 2),
    ("projections/remove-by-ttl", 0),
    ("projections/remove-by-user", 0),
];

#[test]
fn every_event_file_has_its_expected_answer_in_this_test() {
    let mut files = BTreeSet::new();
    for function in fs::read_dir(folder()).expect("the folder is there") {
        let function = function.expect("a folder").path();
        for case in fs::read_dir(&function).expect("a folder of events") {
            let path = case.expect("an event").path().with_extension("");
            files.insert(path.strip_prefix(folder()).expect("below the folder").display().to_string());
        }
    }

    let asked = EXPECTED.iter().map(|(name, _)| *name);
    let streamed = STREAMED.iter().map(|(name, _)| *name);
    let expected: BTreeSet<_> = asked.chain(SCHEDULED).chain(REPLAYED).chain(streamed).map(str::to_owned).collect();
    assert_eq!(files, expected, "add the event to EXPECTED in tests/it/events.rs");
}

#[tokio::test]
async fn each_event_is_answered_by_its_function() {
    let shop = Shop::open_with(|o| o.seed = Seed::Sample).await;
    let context = context(&shop, Policy::default());
    for (name, status) in EXPECTED {
        let function = name.split('/').next().unwrap_or_default();

        let (found, body, _) = answer(function, &shop, &context, &event(name)).await;

        assert_eq!(found, *status, "{name}: {body}");
    }
}

#[tokio::test]
async fn a_search_is_answered_once_the_indexer_has_run() {
    let shop = Shop::open_with(|o| o.seed = Seed::Sample).await;
    let context = context(&shop, Policy::default());
    let replay: stream::Batch = serde_json::from_value(event(REPLAYED[0])).expect("a batch of records");
    let run = || run_as("indexer", indexer::run(&shop.stack.indexer, None));

    let built = run().await.expect("an index");
    let (searched, found, _) = answer("search", &shop, &context, &event("search/search")).await;
    let (suggested, suggestions, _) = answer("search", &shop, &context, &event("search/suggest")).await;
    let replayed = run_as("indexer", indexer::replay(&shop.stack.indexer, &replay)).await;
    let changed = run().await.expect("a change of the index");

    assert_eq!((searched, suggested), (200, 200), "{found} {suggestions}");
    assert!(found.contains("mug-") && suggestions.contains("mug-"), "{found} {suggestions}");
    assert_eq!(replayed, stream::Answer::default());
    assert_eq!((built.generation, changed.generation, changed.changed), (1, 2, 1));
}

#[tokio::test]
async fn requests_below_a_named_stage_or_a_mapping_key_reach_the_api() {
    let shop = Shop::open_with(|o| o.seed = Seed::Sample).await;
    // The base path, the stage, the path as the gateway sends it, and the status of the answer.
    for (base, stage, path, status) in [
        ("", "$default", "/products/mug-blue", 200),
        ("", "$default", "/prod/products/mug-blue", 404),
        ("", "prod", "/prod/products/mug-blue", 404),
        // A domain whose mapping has no key, for a named stage: `lambda_http` puts the stage before it.
        ("", "prod", "/products/mug-blue", 200),
        ("/prod", "prod", "/prod/products/mug-blue", 200),
        ("prod", "prod", "/prod/products", 200),
        ("/prod", "prod", "/products/mug-blue", 200),
        ("/prod", "prod", "/production/products", 404),
        ("/shop/v1", "$default", "/shop/v1/products/mug-blue", 200),
        ("/shop/v1", "$default", "/products/mug-blue", 200),
        ("/shop/v1", "$default", "/shop/products/mug-blue", 404),
        // A mapping with a key, for a named stage: either may stand before the path.
        ("/shop", "prod", "/shop/products/mug-blue", 200),
        ("/shop", "prod", "/prod/products/mug-blue", 200),
        ("/shop", "prod", "/products/mug-blue", 200),
    ] {
        let context = context(&shop, Policy { base_path: BasePath::parse(base).unwrap(), ..Policy::default() });
        let event = sent(&event("products/get"), stage, path);

        let (found, body, _) = answer("products", &shop, &context, &event).await;

        assert_eq!(found, status, "{base:?}, stage {stage}, {path}: {body}");
        if status == 200 && path.ends_with("mug-blue") {
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["productId"], "mug-blue");
        }
    }
}

#[tokio::test]
async fn below_a_base_path_a_location_can_be_followed_and_a_cookie_is_for_the_whole_host() {
    let shop = Shop::open().await;
    let customer = shop.registered().await;
    let policy = Policy { base_path: BasePath::parse("/prod").unwrap(), ..Policy::default() };
    let context = context(&shop, policy);
    let mut add = sent(&event("sessions/login-unknown"), "prod", "/prod/users/me/addresses");
    add["headers"]["authorization"] = json!(format!("Bearer {}", customer.token.as_deref().unwrap()));
    let address = json!({"recipient": "Ann", "line1": "1 Harbour Street", "city": "Bristol", "country": "GB"});
    (add["body"], add["isBase64Encoded"]) = (json!(address.to_string()), json!(false));

    let (created, body, headers) = answer("sessions", &shop, &context, &add).await;
    let guest = sent(&event("sessions/guest"), "prod", "/prod/sessions/guest");
    let (opened, _, of_guest) = answer("sessions", &shop, &context, &guest).await;

    assert_eq!((created, opened), (201, 201), "{body}");
    let id = serde_json::from_str::<Value>(&body).unwrap()["addressId"].as_str().unwrap().to_owned();
    assert_eq!(headers["location"], format!("/prod/users/me/addresses/{id}"));
    assert!(
        of_guest["set-cookie"].to_str().unwrap().contains("__Host-sid=")
            && of_guest["set-cookie"].to_str().unwrap().contains("; Path=/")
    );
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_that_api_gateway_appends_is_skipped() {
    let shop = Shop::open().await;
    let rates = Some(Rates { guest: 1, ..Rates::default() });
    let context = context(&shop, Policy { rates, trusted_proxy_hops: 1, ..Policy::default() });
    let through_a_cdn = |written: &str| {
        let mut event = event("sessions/guest");
        // 198.51.100.7 is the CDN, from which the connection comes.
        event["headers"]["x-forwarded-for"] = json!(format!("{written}, 198.51.100.7"));
        event
    };

    let mut found = Vec::new();
    for written in ["203.0.113.1", "203.0.113.2", "9.9.9.9, 203.0.113.1", "8.8.8.8, 203.0.113.2"] {
        found.push(answer("sessions", &shop, &context, &through_a_cdn(written)).await.0);
    }

    assert_eq!(found, [201, 201, 429, 429]);
}

#[tokio::test]
async fn each_stream_batch_is_handled_except_for_its_poison_records() {
    for (name, poison) in STREAMED {
        let shop = Shop::open().await;
        let event = fs::read_to_string(folder().join(format!("{name}.json"))).expect("the event is there");
        let batch: stream::Batch = serde_json::from_str(&event).unwrap_or_else(|e| panic!("{name}: {e}"));
        let function = name.split('/').next().unwrap_or_default();
        let consumer = shop.stack.consumers.iter().find(|c| c.mapping.function == function);

        let answer = (consumer.unwrap_or_else(|| panic!("{name} belongs to no consumer")).handler)(batch).await;

        assert_eq!(answer, stream::Answer::default(), "{name}");
        let dead_letters = shop.stack.dead_letters.list(None).await.expect("S3 answers").objects;
        assert_eq!(dead_letters.len(), poison, "{name}");
        for dead_letter in dead_letters {
            let kept = shop.stack.dead_letters.get(&dead_letter.key).await.expect("a dead letter");
            assert!(kept.payload.contains("\"SequenceNumber\"") && kept.request_context.error.is_some(), "{name}");
        }
    }
}

fn context(shop: &Shop, policy: Policy) -> Context {
    Context::new(shop.stack.table.clone(), shop.clock.clone(), Cursors::new(&[[1; 32]]), policy)
}

fn event(name: &str) -> Value {
    let event = fs::read_to_string(folder().join(format!("{name}.json"))).expect("the event is there");
    serde_json::from_str(&event).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The same event of another stage, with another path.
fn sent(event: &Value, stage: &str, path: &str) -> Value {
    let mut event = event.clone();
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["stage"] = json!(stage);
    event
}

/// Status, body and headers.
async fn answer(function: &str, shop: &Shop, context: &Context, event: &Value) -> (u16, String, http::HeaderMap) {
    let request = from_str(&event.to_string()).unwrap_or_else(|e| panic!("{event}: {e}"));
    let router = edge::finish(routes(function, shop, context).into_router(), context);
    let response = router.oneshot(request).await.expect("a router is infallible");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (parts.status.as_u16(), String::from_utf8_lossy(&body).into_owned(), parts.headers)
}

fn routes(function: &str, shop: &Shop, context: &Context) -> Routes<()> {
    let context = context.clone();
    match function {
        "products" => products::router(products::State::new(context, shop.stack.descriptions.clone())),
        "products-admin" => products::admin_router(products::State::new(context, shop.stack.descriptions.clone())),
        "cart" => cart::router(cart::State::new(context)),
        "orders" => {
            orders::router(orders::State::new(context, shop.stack.payments.clone(), links::LinkKeys::new(&[[2; 32]])))
        }
        "search" => {
            let (table, bucket) = (shop.stack.table.clone(), shop.stack.descriptions.bucket().clone());
            let index = Index::new(table, bucket, Language::English, IndexSettings::ALWAYS);
            search_function::router(search_function::State::new(context, index))
        }
        "sessions" => sessions::router(sessions::State::new(context, links::LinkKeys::new(&[[2; 32]]))),
        other => panic!("events/{other} belongs to no function"),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events")
}
