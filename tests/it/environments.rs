//! Lambda's execution environments: invocations that are cut off, and connections that are frozen between invocations.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use api::{Context, Cursors, Policy, edge};
use axum::{body::Body, extract::Request};
use domain::CategoryPath;
use e2e::{Shop, Shopper};
use http_body_util::BodyExt;
use jiff::SignedDuration;
use local::function::run_as;
use serde_json::Value;
use table::{Endpoints, Place, TableConfig, Timeouts, Transport};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt;

#[tokio::test]
async fn a_checkout_starts_no_payment_that_it_has_no_time_to_finish() {
    // 4,500 instead of the limit of 3,000, so that the test's own running time does not decide.
    for ms in (0..=15_000).step_by(500).map(|ms| if ms == 3_000 { 4_500 } else { ms }) {
        let shop = Shop::open_with(|o| o.policy.rates = None).await;
        let mug = shop.product("mug").stock(5).create().await;
        let ann = shop.customer().await;
        ann.adds(&mug, 1).await.expect(200);

        let (status, body) = place_with(&shop, &ann, ms, "with-little-time-left").await;

        let paid = shop.stack.payments.attempts().len();
        match status {
            503 => {
                assert!(ms < 3_000, "{ms} ms");
                assert_eq!((body["code"].as_str(), paid, shop.stock(&mug).await), (Some("busy"), 0, 5));
                let (retried, _) = place_with(&shop, &ann, 20_000, "with-little-time-left").await;
                assert_eq!(retried, 201);
            }
            201 => assert!(ms >= 3_000 && paid == 1, "{ms} ms"),
            other => panic!("{other} with {ms} ms left: {body}"),
        }
    }
}

#[tokio::test]
async fn an_order_held_without_time_to_pay_is_paid_by_the_retry() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(5).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    let held = crate::orders::hold(&shop, &ann, "tok_visa", "cut-off-after-commit").await;
    shop.clock.advance(SignedDuration::from_secs(25));

    let (short, _) = place_with(&shop, &ann, 2_999, "cut-off-after-commit").await;
    let charged = shop.stack.payments.attempts().len();
    let (retried, order) = place_with(&shop, &ann, 20_000, "cut-off-after-commit").await;

    assert_eq!((short, charged, retried), (503, 0, 201));
    assert_eq!(order["orderId"], held.id.to_string());
}

#[tokio::test]
async fn the_first_call_after_a_freeze_works_although_every_connection_was_cut() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(5).create().await;
    let line = Line::to(&shop.stack.dynamodb).await;
    let config = TableConfig {
        tables: shop.stack.table.names().clone(),
        bucket: local::BUCKET.to_owned(),
        place: Place::Local(Endpoints { dynamodb: line.url.clone(), s3: format!("http://{}", shop.stack.s3) }),
        timeouts: Timeouts::LAMBDA,
        transport: Transport::default(),
    };
    let table = config.table();
    table.product_get(&mug).await.unwrap();

    for round in 0..5 {
        line.cut();
        let started = Instant::now();
        let read = table.product_get_consistent(&mug).await;
        let took = started.elapsed();
        line.cut();
        let new = BTreeSet::from([CategoryPath::parse(&format!("Tents {round}")).unwrap()]);
        let written = table.categories_add(&new).await;

        assert!(read.is_ok() && took < Duration::from_secs(2), "round {round}: {read:?} after {took:?}");
        assert!(written.is_ok(), "round {round}: {written:?}");
    }
}

#[tokio::test]
async fn each_function_that_customers_wait_for_can_read_while_it_starts() {
    let shop = Shop::open().await;
    let table = &shop.stack.table;

    // Under their names, so that `RECORD_CALLS` notes that their roles have to allow these reads.
    let read = [
        run_as("products", products::first_read(table)).await,
        run_as("products-admin", products::admin_first_read(table)).await,
        run_as("cart", cart::first_read(table)).await,
        run_as("orders", orders::first_read(table)).await,
        run_as("sessions", sessions::first_read(table)).await,
    ];

    assert!(read.iter().all(Result::is_ok), "{read:?}");
}

/// A checkout in an invocation that is cut off after `ms` milliseconds.
async fn place_with(shop: &Shop, who: &Shopper, ms: i64, key: &str) -> (u16, Value) {
    let context = Context::new(
        shop.stack.table.clone(),
        shop.clock.clone(),
        Cursors::new(&[[1; 32]]),
        Policy { rates: None, ..Policy::default() },
    );
    let routes = orders::router::<()>(orders::State::new(
        context.clone(),
        shop.stack.payments.clone(),
        links::LinkKeys::new(&[[2; 32]]),
    ));
    let router = edge::finish(routes.into_router(), &context);
    let mut invocation = lambda_http::Context::default();
    let deadline = shop.clock.now() + SignedDuration::from_millis(ms);
    invocation.deadline = u64::try_from(deadline.as_millisecond()).unwrap();
    let request = Request::builder()
        .method("POST")
        .uri("/orders")
        .header("authorization", format!("Bearer {}", who.token.as_deref().unwrap()))
        .header("idempotency-key", key)
        .header("content-type", "application/json")
        .extension(invocation)
        .body(Body::from(who.checkout("tok_visa").to_string()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A proxy to the engine whose connections can all be cut at once.
struct Line {
    url: String,
    cuts: watch::Sender<u64>,
}

impl Line {
    async fn to(engine: &str) -> Self {
        let engine = engine.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cuts = watch::Sender::new(0);
        let sender = cuts.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (engine, mut cut) = (engine.clone(), sender.subscribe());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(engine).await.unwrap();
                    tokio::select! {
                        _ = cut.changed() => {}
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Self { url, cuts }
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
