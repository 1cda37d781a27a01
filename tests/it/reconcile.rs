//! What an operator's `reconcile` finds and mends, and what no moment of a crash leaves behind.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use api::{Context, Cursors, Policy, edge};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::{body::Body, extract::Request};
use domain::{ProductId, Timestamp};
use e2e::{
    Shop, Shopper,
    faults::{
        plan::{Fault, Plan},
        wire::FaultyHttp,
    },
};
use jiff::SignedDuration;
use ops::reconcile::{self, Check, Options, Outcome, Problem, Report, Why};
use table::{Descriptions, Endpoints, TableConfig, Timeouts, keys};
use tower::ServiceExt;

#[tokio::test]
async fn projections_of_a_stream_that_was_lost_are_found_and_written_anew() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(50).create().await;
    let (ann, bob) = (shop.registered().await, shop.customer().await);
    let mut orders = Vec::new();
    for (shopper, token) in [(&ann, "tok_visa"), (&bob, "tok_visa"), (&bob, "tok_timeout_paid")] {
        shopper.adds(&mug, 1).await.expect(200);
        let answer = shopper.pays_with(token, &format!("an-order-number-{}", orders.len())).await.json();
        orders.push(answer["orderId"].as_str().expect("an order").to_owned());
    }
    // Nobody read the stream for a day, and what the requests had written is gone as if they had died.
    for (shopper, order) in [(&ann, &orders[0]), (&bob, &orders[1]), (&bob, &orders[2])] {
        forget_projections(&shop, shopper, order).await;
    }
    let lists = async || (listed(&ann).await, listed(&bob).await);
    let lost = lists().await;

    let found = run(&shop, &[Check::Orders], false, shop.clock.now()).await;
    let after_looking = lists().await;
    let mended = run(&shop, &[Check::Orders], true, shop.clock.now()).await;
    let again = run(&shop, &[Check::Orders], false, shop.clock.now()).await;

    assert_eq!((lost, after_looking), ((vec![], vec![]), (vec![], vec![])), "looking mends nothing");
    assert_eq!((found.looked_at.orders, found.findings.len()), (3, 3), "{found:?}");
    assert!(found.findings.iter().all(|f| matches!(f.problem, Problem::OrderBehind { listed_version: None, .. })));
    assert!(mended.is_clean() && mended.findings.len() == 3, "{mended:?}");
    assert!(again.findings.is_empty(), "{again:?}");
    let (anns, bobs) = lists().await;
    assert_eq!(BTreeSet::from_iter(anns.into_iter().chain(bobs)), BTreeSet::from_iter(orders));
}

#[tokio::test]
async fn stock_that_contradicts_orders_and_ledger_is_found_and_corrected() {
    let shop = Shop::open().await;
    let (mug, pan) = (shop.product("mug").stock(10).create().await, shop.product("pan").stock(7).create().await);
    let ann = shop.customer().await;
    ann.adds(&mug, 3).await.expect(200);
    ann.adds(&pan, 1).await.expect(200);
    ann.checks_out().await.expect(201);
    ann.adds(&mug, 2).await.expect(200);
    ann.pays_with("tok_declined", "a-card-that-fails-1").await.expect(402);
    put_available(&shop, &mug, 9).await;

    let moving = run(&shop, &[Check::Stock], true, shop.clock.now()).await;
    shop.clock.advance(SignedDuration::from_mins(2));
    let found = run(&shop, &[Check::Stock], false, shop.clock.now()).await;
    let stock_then = shop.stock(&mug).await;
    let mended = run(&shop, &[Check::Stock], true, shop.clock.now()).await;
    shop.clock.advance(SignedDuration::from_mins(2));
    let again = run(&shop, &[Check::Stock], true, shop.clock.now()).await;

    assert!(moving.findings.is_empty() && moving.not_judged[0].why == Why::Moving, "{moving:?}");
    let [finding] = &found.findings[..] else { panic!("{found:?}") };
    assert!(
        matches!(finding.problem, Problem::StockWrong { available: 9, expected: 7, supplied: 10, in_orders: 3, .. }),
        "{finding:?}"
    );
    assert_eq!((stock_then, shop.stock(&mug).await, shop.stock(&pan).await), (9, 7, 6));
    assert!(mended.is_clean() && mended.findings.len() == 1, "{mended:?}");
    assert!(again.findings.is_empty() && again.not_judged.is_empty(), "{again:?}");
}

#[tokio::test]
async fn lists_that_say_the_contrary_of_what_is_so_are_found_and_set_right() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").in_category("Kitchen").stock(1).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    // The last unit goes, and nobody reads the stream for a day.
    ann.checks_out().await.expect(201);
    shop.clock.advance(SignedDuration::from_mins(2));
    let says = async || {
        let list = shop.stranger().get("/products?category=Kitchen").await.expect(200).json();
        list["items"][0]["soldOut"] == true
    };

    let found = run(&shop, &[Check::Stock], false, shop.clock.now()).await;
    let before = says().await;
    let mended = run(&shop, &[Check::Stock], true, shop.clock.now()).await;
    let after = says().await;
    let again = run(&shop, &[Check::Stock], false, shop.clock.now()).await;

    assert!(
        matches!(&found.findings[..], [f] if matches!(f.problem, Problem::SignWrong { sold_out: true, .. })),
        "{found:?}"
    );
    assert!(mended.is_clean() && again.findings.is_empty(), "{mended:?} {again:?}");
    assert_eq!((before, after), (false, true));
}

#[tokio::test]
async fn stock_is_right_after_everything_that_can_happen_to_it() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(30).create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    for (number, token) in ["tok_visa", "tok_declined", "tok_timeout_unpaid", "tok_visa"].iter().enumerate() {
        ann.adds(&mug, 3).await.expect(200);
        ann.pays_with(token, &format!("an-order-number-{number}")).await;
    }
    let orders = listed(&ann).await;
    let refund = json(r#"{"lines":[{"productId":"mug","quantity":1,"restock":true}]}"#);
    admin.post_once(&format!("/admin/orders/{}/refund", orders[0]), "a-mug-comes-back-1", refund).await;
    let restock = json(r#"{"delta":5,"reason":"restock"}"#);
    admin.post_once("/admin/products/mug/stock", "restock-number-0001", restock).await.expect(201);
    // Deleted and made anew: what was left is written off, so the ledger of both adds up.
    admin.delete("/admin/products/mug").await.expect(204);
    shop.product("mug").stock(4).create().await;
    shop.clock.advance(SignedDuration::from_mins(5));

    let report = run(&shop, &[], false, shop.clock.now()).await;

    assert!(report.looked_at.products == 1 && report.looked_at.orders >= 3, "{report:?}");
    assert!(report.findings.is_empty() && report.not_judged.is_empty(), "{report:?}");
}

#[tokio::test]
async fn an_order_that_does_not_read_back_is_named_and_the_rest_goes_on() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(50).create().await;
    let ann = shop.customer().await;
    for number in 0..2 {
        ann.adds(&mug, 1).await.expect(200);
        ann.pays_with("tok_visa", &format!("an-order-number-{number}")).await.expect(201);
    }
    let orders = listed(&ann).await;
    let damaged = keys::order(orders[0].parse().unwrap());
    set(&shop, damaged.clone(), "version", AttributeValue::S("two".to_owned())).await;
    forget_projections(&shop, &ann, &orders[1]).await;

    let report = run(&shop, &[Check::Orders], true, shop.clock.now()).await;

    assert!(!report.is_clean() && report.findings.len() == 2, "{report:?}");
    let of = |problem: fn(&Problem) -> bool| report.findings.iter().find(|f| problem(&f.problem)).expect("a finding");
    let unread = of(|p| matches!(p, Problem::Damaged { .. }));
    assert!(unread.to_string().contains(&damaged.pk) && matches!(unread.outcome, Outcome::Unmended { .. }));
    assert_eq!(of(|p| matches!(p, Problem::OrderBehind { .. })).outcome, Outcome::Mended);
}

#[tokio::test]
async fn no_crash_of_a_change_of_description_leaves_a_product_pointing_nowhere() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").described(&long("first")).await.create().await;
    let admin = shop.admin().await;
    let mut suffered = 0;
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::DropBefore, Fault::LoseAnswer, Fault::ServerErrorAfter]
    {
        for k in 0.. {
            let plan = Plan::at(k, fault);
            let text = long(&format!("{} at {k}", fault.name()));

            describe_through(&shop, &admin, plan.clone(), &text).await;

            assert_eq!(dangling(&shop, &mug).await, None, "{} at call {k}", fault.name());
            if plan.calls() <= k {
                break;
            }
            suffered += plan.injected().len();
        }
    }

    let objects = shop.stack.descriptions.objects(None).await.unwrap().objects.len();
    println!("{suffered} crashes and lost answers left {} orphans and no pointer to nothing", objects - 1);
    assert!(suffered >= 15 && objects > 1, "{suffered} {objects}");
    // The collector takes exactly the orphans, and the judge notices what is missing.
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(25);
    let collected = run(&shop, &[Check::Objects], true, tomorrow).await;
    assert_eq!(collected.findings.len(), objects - 1, "{collected:?}");
    assert_eq!(dangling(&shop, &mug).await, None);
    let last = shop.stack.descriptions.objects(None).await.unwrap().objects.pop().expect("the one that is pointed to");
    shop.stack.descriptions.bucket().delete(&last.key).await.unwrap();
    assert_eq!(dangling(&shop, &mug).await, Some(last.key));
}

#[tokio::test]
async fn an_object_whose_writer_is_about_to_point_to_it_is_never_collected() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (table, descriptions) = (&shop.stack.table, &shop.stack.descriptions);
    let write = async |text: &str| descriptions.store(&mug, long(text), shop.clock.now()).await.unwrap();
    let point = async |to| {
        let page = table.product_get_consistent(&mug).await.unwrap().expect("a product");
        let mut record = page.record.changed(shop.clock.now());
        record.description = Some(to);
        table.product_put(&record, page.available, &"ann".parse().unwrap()).await.unwrap();
    };
    let at = |hours| Timestamp::now() + SignedDuration::from_hours(hours);

    // The collector comes between the object and the pointer to it.
    let written = write("first").await;
    let young = run(&shop, &[Check::Objects], true, at(23)).await;
    point(written).await;
    let pointed_to = run(&shop, &[Check::Objects], true, at(25)).await;
    let after_first = dangling(&shop, &mug).await;
    point(write("second").await).await;
    let orphaned = run(&shop, &[Check::Objects], true, at(25)).await;
    let after_second = dangling(&shop, &mug).await;
    // A collector that goes by a clock of its own: this is what the age is for.
    let unlucky = write("third").await;
    let hasty = run(&shop, &[Check::Objects], true, at(25)).await;
    point(unlucky).await;

    let findings = [young, pointed_to, orphaned, hasty].map(|report| report.findings.len());
    assert_eq!(findings, [0, 0, 1, 1]);
    assert_eq!((after_first, after_second), (None, None));
    assert!(dangling(&shop, &mug).await.is_some(), "without the age a pointer would dangle, and it would be noticed");
}

async fn run(shop: &Shop, only: &[Check], repair: bool, now: Timestamp) -> Report {
    let options = Options { from: None, to: None, only: only.to_vec(), repair, now, second_look: Duration::ZERO };
    let report = reconcile::run(&shop.stack.table, &shop.stack.descriptions, &options, |_| {}).await;
    report.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)))
}

async fn listed(shopper: &Shopper) -> Vec<String> {
    let orders = shopper.get("/orders").await.expect(200).json();
    let id = |order: &serde_json::Value| order["orderId"].as_str().expect("an id").to_owned();
    orders["items"].as_array().expect("a list").iter().map(id).collect()
}

/// Takes away what follows from an order, past the repository.
async fn forget_projections(shop: &Shop, shopper: &Shopper, order: &str) {
    let id = order.parse().unwrap();
    let mug = "mug".parse().unwrap();
    for key in [keys::customer_order(&shopper.uid.parse().unwrap(), id), keys::order_line(id, &mug)] {
        let delete = shop.raw_client().delete_item().table_name(shop.stack.table.name());
        let delete = delete.key("PK", AttributeValue::S(key.pk)).key("SK", AttributeValue::S(key.sk));
        delete.send().await.expect("the engine answers");
    }
}

async fn put_available(shop: &Shop, product: &ProductId, units: i64) {
    set(shop, keys::stock(product, keys::ONLY_STOCK_SHARD), "available", AttributeValue::N(units.to_string())).await;
}

/// Sets an attribute, past the repository.
async fn set(shop: &Shop, key: keys::Key, name: &str, value: AttributeValue) {
    let update = shop.raw_client().update_item().table_name(shop.stack.table.name());
    let update = update.key("PK", AttributeValue::S(key.pk)).key("SK", AttributeValue::S(key.sk));
    let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
    update.expression_attribute_values(":value", value).send().await.expect("the engine answers");
}

/// Longer than a product's row takes.
fn long(text: &str) -> String {
    format!("<p>{text}</p>{}", "x".repeat(2_000))
}

/// `PUT /admin/products/mug/description` in an environment to which the plan happens, until it dies.
async fn describe_through(shop: &Shop, admin: &Shopper, plan: Plan, text: &str) {
    let config = TableConfig {
        table: shop.stack.table.name().to_owned(),
        bucket: local::BUCKET.to_owned(),
        endpoints: Some(Endpoints { dynamodb: shop.stack.dynamodb.clone(), s3: format!("http://{}", shop.stack.s3) }),
        timeouts: Timeouts::LOCAL,
        http: FaultyHttp::new(table::http_client(), plan.clone()).into_shared(),
    };
    let (table, descriptions): (_, Descriptions) = config.connect().await;
    let context = Context {
        table,
        clock: shop.clock.clone(),
        cursors: Arc::new(Cursors::new(&[[1; 32]])),
        policy: Arc::new(Policy { rates: None, ..Policy::default() }),
    };
    let (router, _) = edge::finish(products::router(products::State::new(context.clone(), descriptions)), &context);
    let request = Request::builder().method("PUT").uri("/admin/products/mug/description");
    let request = request.header("authorization", format!("Bearer {}", admin.token.as_deref().unwrap()));
    let request = request.header("content-type", "text/html").body(Body::from(text.to_owned())).unwrap();
    tokio::select! {
        biased;
        () = plan.crashed() => {}
        _ = router.oneshot(request) => {}
    }
}

/// The object that the product points to, if it is not there as it was stored.
async fn dangling(shop: &Shop, product: &ProductId) -> Option<String> {
    let page = shop.stack.table.product_get_consistent(product).await.expect("the table answers")?;
    let stored = page.record.description?;
    match (shop.stack.descriptions.load(&stored).await, stored) {
        (Err(_), table::StoredDescription::Offloaded { s3_key, .. }) => Some(s3_key),
        _ => None,
    }
}
