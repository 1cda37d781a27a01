//! Every file of `events/`, as Lambda would hand it to the function, through `lambda_http`'s own event types.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use api::{Context, Cursors, Policy, edge};
use e2e::Shop;
use http_body_util::BodyExt;
use lambda_http::request::from_str;
use local::Seed;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

/// What each event is answered with.
const EXPECTED: &[(&str, u16)] = &[
    ("cart/add-with-cookie-of-another-site", 403),
    ("cart/add-with-malformed-token", 401),
    ("cart/get-without-session", 401),
    ("cart/wrong-method", 405),
    ("orders/admin-list-without-session", 401),
    ("orders/cancel-without-session", 401),
    ("orders/list-with-expired-token", 401),
    ("orders/place-without-session", 401),
    ("orders/refund-without-session", 401),
    ("orders/webhook-forged", 400),
    ("orders/webhook-of-another-provider", 404),
    ("products/categories", 200),
    ("products/create-without-session", 401),
    ("products/description", 200),
    ("products/featured", 200),
    ("products/get", 200),
    ("products/get-unknown", 404),
    ("products/healthz", 200),
    ("products/list", 200),
    ("products/list-category", 200),
    ("products/tampered-cursor", 400),
    ("sessions/guest", 201),
    ("sessions/login-base64", 401),
    ("sessions/login-broken-json", 400),
    ("sessions/login-unknown", 401),
    ("sessions/me-without-session", 401),
    ("sessions/register-common-password", 422),
    ("sessions/register-unknown-field", 400),
];

/// What a schedule sends; the answer says what was done.
const SCHEDULED: [&str; 1] = ["sweeper/schedule"];

/// What an event source mapping sends, and how many of its records can never be handled. Nothing is to come again.
const STREAMED: [(&str, usize); 12] = [
    ("notifications/insert", 0),
    ("notifications/mixed-batch", 0),
    ("notifications/modify", 0),
    ("notifications/poison", 2),
    ("notifications/remove-by-ttl", 0),
    ("notifications/remove-by-user", 0),
    ("projections/insert", 0),
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
    let expected: BTreeSet<_> = asked.chain(SCHEDULED).chain(streamed).map(str::to_owned).collect();
    assert_eq!(files, expected, "add the event to EXPECTED in tests/it/events.rs");
}

#[tokio::test]
async fn each_event_is_answered_by_its_function() {
    let shop = Shop::open_with(|o| o.seed = Seed::Sample).await;
    let context = Context {
        table: shop.stack.table.clone(),
        clock: shop.clock.clone(),
        cursors: Arc::new(Cursors::new(&[[1; 32]])),
        policy: Arc::new(Policy::default()),
    };
    for (name, status) in EXPECTED {
        let event = fs::read_to_string(folder().join(format!("{name}.json"))).expect("the event is there");
        let request = from_str(&event).unwrap_or_else(|e| panic!("{name}: {e}"));
        let function = name.split('/').next().unwrap_or_default();
        let (router, _) = edge::finish(routes(function, &shop, &context), &context);

        let response = router.oneshot(request).await.expect("a router is infallible");

        let found = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(found, *status, "{name}: {}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn each_batch_of_the_stream_is_handled_but_for_its_poison() {
    for (name, poison) in STREAMED {
        let shop = Shop::open().await;
        let event = fs::read_to_string(folder().join(format!("{name}.json"))).expect("the event is there");
        let batch: stream::Batch = serde_json::from_str(&event).unwrap_or_else(|e| panic!("{name}: {e}"));
        let function = name.split('/').next().unwrap_or_default();
        let consumer = shop.stack.consumers.iter().find(|c| c.mapping.function == function);

        let answer = (consumer.unwrap_or_else(|| panic!("{name} belongs to no consumer")).handler)(batch).await;

        assert_eq!(answer, stream::Answer::default(), "{name}");
        let letters = shop.stack.dead_letters.list(None).await.expect("S3 answers").objects;
        assert_eq!(letters.len(), poison, "{name}");
        for letter in letters {
            let kept = shop.stack.dead_letters.get(&letter.key).await.expect("a letter");
            assert!(kept.payload.contains("\"SequenceNumber\"") && kept.request_context.error.is_some(), "{name}");
        }
    }
}

fn routes(function: &str, shop: &Shop, context: &Context) -> OpenApiRouter {
    let context = context.clone();
    match function {
        "products" => products::router(products::State::new(context, shop.stack.descriptions.clone())),
        "cart" => cart::router(cart::State::new(context)),
        "orders" => orders::router(orders::State::new(context, shop.stack.payments.clone())),
        "sessions" => sessions::router(sessions::State::new(context)),
        other => panic!("events/{other} belongs to no function"),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events")
}
