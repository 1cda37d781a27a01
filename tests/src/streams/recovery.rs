//! What is repaired without the stream: after it was lost (T6), and around objects that a product points to (O1, O2).
//!
//! Each comes with a planted bug: without the step that the product relies on, the same check has to fail.

use std::time::Duration;

use api::{Context, Cursors, Policy, edge};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::{body::Body, extract::Request};
use domain::{ProductId, Timestamp};
use jiff::SignedDuration;
use ops::reconcile::{self, Check, Options, Report};
use serde_json::Value;
use table::{Endpoints, Place, StoredDescription, TableConfig, Timeouts, keys};
use tower::ServiceExt;

use crate::{
    Shop, Shopper,
    faults::{
        plan::{Fault, Plan},
        wire::FaultyHttp,
    },
};

/// The result of one recovery.
#[derive(Debug)]
pub struct Verdict {
    /// The id in `reliability.md`, and what was tried.
    pub what: String,
    pub violations: Vec<String>,
    /// The planted bug, and whether it was noticed.
    pub bug: &'static str,
    pub bug_noticed: bool,
}

/// Every recovery, one after another.
pub async fn all() -> [Verdict; 3] {
    [lost_stream().await, crashes_around_a_pointer().await, collector_and_writer().await]
}

/// T6: the stream is not read before its records expire, and the requests died before they wrote their projections.
pub async fn lost_stream() -> Verdict {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(50).create().await;
    let (ann, bob) = (shop.registered().await, shop.customer().await);
    let mut orders = Vec::new();
    for (shopper, token) in [(&ann, "tok_visa"), (&bob, "tok_visa"), (&bob, "tok_timeout_paid")] {
        shopper.adds(&mug, 1).await.expect(200);
        let answer = shopper.pays_with(token, &format!("an-order-number-{}", orders.len())).await.json();
        orders.push((shopper, answer["orderId"].as_str().expect("an order").to_owned()));
    }
    for (shopper, order) in &orders {
        forget_projections(&shop, shopper, order).await;
    }

    // Planted: a reconcile that repairs nothing.
    run(&shop, &[Check::Orders], false, shop.clock.now()).await;
    let bug_noticed = unlisted(&orders).await.len() == orders.len();
    run(&shop, &[Check::Orders], true, shop.clock.now()).await;
    let mut violations = unlisted(&orders).await;
    let again = run(&shop, &[Check::Orders], false, shop.clock.now()).await;
    violations.extend(again.findings.iter().map(|finding| format!("still found: {finding}")));
    let what = format!("T6: {} orders of a stream that was lost are listed after `reconcile --repair`", orders.len());
    Verdict { what, violations, bug: "reconcile-mends-nothing", bug_noticed }
}

/// O1: each call of a change of a long description fails in turn.
pub async fn crashes_around_a_pointer() -> Verdict {
    let shop = Shop::open().await;
    let mug = shop.product("mug").described(&long("first")).await.create().await;
    let admin = shop.admin().await;
    let (mut suffered, mut violations) = (0, Vec::new());
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::DropBefore, Fault::LoseAnswer, Fault::ServerErrorAfter]
    {
        for k in 0.. {
            let plan = Plan::at(k, fault);
            describe_through(&shop, &admin, plan.clone(), &long(&format!("{} at {k}", fault.name()))).await;
            violations.extend(dangling(&shop, &mug).await.map(|key| format!("{} at call {k}: {key}", fault.name())));
            if plan.calls() <= k {
                break;
            }
            suffered += plan.injected().len();
        }
    }

    let orphans = shop.stack.descriptions.objects(None).await.expect("S3 answers").objects.len() - 1;
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(25);
    let collected = run(&shop, &[Check::Objects], true, tomorrow).await.findings.len();
    if collected != orphans || orphans == 0 {
        violations.push(format!("{collected} of {orphans} orphans were collected"));
    }
    violations.extend(dangling(&shop, &mug).await.map(|key| format!("collected: {key}")));
    if suffered < 15 {
        violations.push(format!("only {suffered} calls failed"));
    }
    // Planted: a pointer whose object was never written.
    let last = shop.stack.descriptions.objects(None).await.expect("S3 answers").objects.pop();
    let last = last.expect("the one that is pointed to").key;
    shop.stack.descriptions.bucket().delete(&last).await.expect("S3 answers");
    let bug_noticed = dangling(&shop, &mug).await == Some(last);
    let what = format!("O1: {suffered} crashes and lost answers left {orphans} orphans and no pointer to nothing");
    Verdict { what, violations, bug: "pointer-without-object", bug_noticed }
}

/// O2: the collector of orphans comes between an object and the pointer to it.
pub async fn collector_and_writer() -> Verdict {
    let shop = Shop::open().await;
    let mug = shop.product("mug").create().await;
    let (table, descriptions) = (&shop.stack.table, &shop.stack.descriptions);
    let write = async |text: &str| descriptions.store(&mug, long(text), shop.clock.now()).await.expect("S3 answers");
    let point = async |to| {
        let page = table.product_get_consistent(&mug).await.expect("the table answers").expect("a product");
        let mut record = page.record.changed(shop.clock.now());
        record.description = Some(to);
        table.product_put(&record, page.available, &"ann".parse().expect("an id")).await.expect("no concurrent change");
    };
    let collect = async |hours| {
        let now = Timestamp::now() + SignedDuration::from_hours(hours);
        run(&shop, &[Check::Objects], true, now).await.findings.len()
    };

    let written = write("first").await;
    let young = collect(23).await;
    point(written).await;
    let pointed_to = collect(25).await;
    point(write("second").await).await;
    let orphaned = collect(25).await;
    let mut violations: Vec<_> = dangling(&shop, &mug).await.into_iter().collect();
    if (young, pointed_to, orphaned) != (0, 0, 1) {
        violations.push(format!("{young} young, {pointed_to} referenced and {orphaned} orphans were collected"));
    }
    // Planted: a collector that ignores the age, like one whose clock is a day ahead.
    let unlucky = write("third").await;
    collect(25).await;
    point(unlucky).await;
    let bug_noticed = dangling(&shop, &mug).await.is_some();
    let what = "O2: an object that a product points to, or is about to, is not collected".to_owned();
    Verdict { what, violations, bug: "orphan-of-any-age", bug_noticed }
}

/// Runs `reconcile` without a pause before its second look.
pub async fn run(shop: &Shop, only: &[Check], repair: bool, now: Timestamp) -> Report {
    let options = Options { from: None, to: None, only: only.to_vec(), repair, now, second_look: Duration::ZERO };
    let report = reconcile::run(&shop.stack.table, &shop.stack.descriptions, &options, |_| {}).await;
    report.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)))
}

/// Deletes the projections of an order of mugs, without the `table` crate.
pub async fn forget_projections(shop: &Shop, shopper: &Shopper, order: &str) {
    let (id, mug) = (order.parse().expect("an id"), "mug".parse().expect("an id"));
    for key in [keys::customer_order(&shopper.uid.parse().expect("an id"), id), keys::order_line(id, &mug)] {
        let delete = shop.raw_client().delete_item().table_name(shop.table_of(&key.pk));
        let delete = delete.key("PK", AttributeValue::S(key.pk)).key("SK", AttributeValue::S(key.sk));
        delete.send().await.expect("the engine answers");
    }
}

/// The ids of a customer's orders, as the list has them.
pub async fn listed(shopper: &Shopper) -> Vec<String> {
    let orders = shopper.get("/orders").await.expect(200).json();
    let id = |order: &Value| order["orderId"].as_str().expect("an id").to_owned();
    orders["items"].as_array().expect("a list").iter().map(id).collect()
}

async fn unlisted(orders: &[(&Shopper, String)]) -> Vec<String> {
    let mut unlisted = Vec::new();
    for (shopper, order) in orders {
        if !listed(shopper).await.contains(order) {
            unlisted.push(format!("order {order} is in no list"));
        }
    }
    unlisted
}

/// Longer than a product's row takes.
fn long(text: &str) -> String {
    format!("<p>{text}</p>{}", "x".repeat(2_000))
}

/// `PUT /admin/products/mug/description` in an environment with this plan, until it dies.
async fn describe_through(shop: &Shop, admin: &Shopper, plan: Plan, text: &str) {
    let config = TableConfig {
        tables: shop.stack.table.names().clone(),
        bucket: local::BUCKET.to_owned(),
        place: Place::Local(Endpoints {
            dynamodb: shop.stack.dynamodb.clone(),
            s3: format!("http://{}", shop.stack.s3),
        }),
        timeouts: Timeouts::LOCAL,
        transport: FaultyHttp::new(table::http_client(), plan.clone()).into_shared().into(),
    };
    let (table, descriptions) = config.connect();
    let context =
        Context::new(table, shop.clock.clone(), Cursors::new(&[[1; 32]]), Policy { rates: None, ..Policy::default() });
    let routes = products::admin_router::<()>(products::State::new(context.clone(), descriptions));
    let router = edge::finish(routes.into_router(), &context);
    let token = admin.token.as_deref().expect("staff are logged in");
    let request = Request::builder().method("PUT").uri("/admin/products/mug/description");
    let request = request.header("authorization", format!("Bearer {token}")).header("content-type", "text/html");
    let request = request.body(Body::from(text.to_owned())).expect("a request");
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
        (Err(_), StoredDescription::Offloaded { s3_key, .. }) => Some(s3_key),
        _ => None,
    }
}
