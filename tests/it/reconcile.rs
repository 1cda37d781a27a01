//! What an operator's `reconcile` finds and repairs, and what a crash at any moment must not leave behind.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ProductId, SaleId};
use e2e::{
    Shop,
    streams::recovery::{self, Verdict, forget_projections, listed, run},
};
use jiff::SignedDuration;
use ops::reconcile::{Check, Outcome, Problem, Why};
use serde_json::json;
use table::keys;

use crate::sales::Sale;

#[tokio::test]
async fn projections_missing_after_a_lost_stream_are_found_and_written() {
    holds(&recovery::lost_stream().await);
}

#[tokio::test]
async fn no_crash_while_a_description_changes_leaves_a_product_without_its_object() {
    holds(&recovery::crashes_around_a_pointer().await);
}

#[tokio::test]
async fn an_object_whose_writer_is_about_to_point_to_it_is_never_collected() {
    holds(&recovery::collector_and_writer().await);
}

fn holds(verdict: &Verdict) {
    println!("{}", verdict.what);
    assert!(verdict.violations.is_empty(), "{verdict:#?}");
    assert!(verdict.bug_noticed, "{verdict:#?}");
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
async fn units_of_a_sale_that_no_lot_and_no_order_has_are_found() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(30).create().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    let sale = Sale::of(&shop, &mug, 20, None).await.starts().await;
    ann.adds(&mug, 3).await.expect(200);
    let order = ann.checks_out().await.expect(201).json()["orderId"].as_str().unwrap().to_owned();
    bob.adds(&mug, 2).await.expect(200);
    bob.checks_out().await.expect(201);
    let look = async || {
        shop.clock.advance(SignedDuration::from_mins(2));
        run(&shop, &[Check::Stock], true, shop.clock.now()).await
    };

    let during = look().await;
    let id: SaleId = sale.id.parse().unwrap();
    let (lot, left) = shop.stack.table.sale_lots_get_consistent(id, 0).await.unwrap().iter().next().unwrap();
    let set_left =
        async |left: u32| set(&shop, keys::sale_lot(id, lot), "unitsLeft", AttributeValue::N(left.to_string())).await;
    set_left(left + 4).await;
    let wrong = look().await;
    set_left(left).await;
    sale.ends().await;
    ann.post_once(&format!("/orders/{order}/cancel"), "after-the-sale-is-over", json!(null)).await.expect(200);
    let ended = look().await;

    for report in [&during, &ended] {
        assert!(report.findings.is_empty() && report.not_judged.is_empty(), "{report:?}");
    }
    let [finding] = &wrong.findings[..] else { panic!("{wrong:?}") };
    assert!(
        matches!(finding.problem, Problem::SaleUnitsWrong { set_aside: 20, in_lots: 19, in_orders: 5, .. }),
        "{finding:?}"
    );
    assert!(!wrong.is_clean() && shop.stock(&mug).await == 28);
}

#[tokio::test]
async fn a_wrong_sold_out_flag_in_lists_is_found_and_corrected() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").in_category("Kitchen").stock(1).create().await;
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    // The last unit is sold, and the stream is not read.
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
async fn stock_is_consistent_after_every_kind_of_change() {
    let shop = Shop::with_stream().await;
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
    // Deleted and created again: what was left is written off, so that the ledger of both products is consistent.
    admin.delete("/admin/products/mug").await.expect(204);
    shop.product("mug").stock(4).create().await;
    shop.drain().await;
    shop.clock.advance(SignedDuration::from_mins(5));

    let report = run(&shop, &[], false, shop.clock.now()).await;

    assert!(report.looked_at.products == 1 && report.looked_at.orders >= 3, "{report:?}");
    assert!(report.findings.is_empty() && report.not_judged.is_empty(), "{report:?}");
}

#[tokio::test]
async fn no_reason_that_staff_write_prevents_the_check_of_stock() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let admin = shop.admin().await;
    for (number, reason) in ["initial", "deleted", "reconciled"].iter().enumerate() {
        let adjust = serde_json::json!({"delta": 2, "reason": reason});
        admin.post_once("/admin/products/mug/stock", &format!("adjustment-number-{number}"), adjust).await.expect(201);
    }
    shop.clock.advance(SignedDuration::from_mins(2));
    let right = run(&shop, &[Check::Stock], false, shop.clock.now()).await;
    put_available(&shop, &mug, 11).await;

    let wrong = run(&shop, &[Check::Stock], true, shop.clock.now()).await;

    assert!(right.findings.is_empty() && right.not_judged.is_empty(), "{right:?}");
    let [finding] = &wrong.findings[..] else { panic!("{wrong:?}") };
    assert!(matches!(finding.problem, Problem::StockWrong { available: 11, expected: 16, .. }), "{finding:?}");
    assert_eq!((&finding.outcome, shop.stock(&mug).await), (&Outcome::Mended, 16));
}

#[tokio::test]
async fn an_old_ledger_without_kinds_is_read_by_its_reasons() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    for item in shop.dump().await {
        let part = |name: &str| item[name].as_str().expect("a key").to_owned();
        if part("SK").starts_with(keys::STOCK_MOVE_PREFIX) {
            remove(&shop, keys::Key { pk: part("PK"), sk: part("SK") }, "kind").await;
        }
    }
    shop.clock.advance(SignedDuration::from_mins(2));
    let right = run(&shop, &[Check::Stock], false, shop.clock.now()).await;
    put_available(&shop, &mug, 9).await;

    let wrong = run(&shop, &[Check::Stock], true, shop.clock.now()).await;

    assert!(right.findings.is_empty() && right.not_judged.is_empty(), "{right:?}");
    assert!(wrong.is_clean() && wrong.findings.len() == 1, "{wrong:?}");
    assert_eq!(shop.stock(&mug).await, 10);
}

#[tokio::test]
async fn a_damaged_order_is_reported_and_the_rest_is_checked() {
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

    assert!(!report.is_clean() && report.findings.len() == 3, "{report:?}");
    let of = |problem: fn(&Problem) -> bool| report.findings.iter().find(|f| problem(&f.problem)).expect("a finding");
    let unread = of(|p| matches!(p, Problem::Damaged { .. }));
    assert!(unread.to_string().contains(&damaged.pk) && matches!(unread.outcome, Outcome::Unmended { .. }));
    assert_eq!(of(|p| matches!(p, Problem::OrderBehind { .. })).outcome, Outcome::Mended);
    assert_eq!(of(|p| matches!(p, Problem::OrderUnfound { .. })).outcome, Outcome::Mended);
}

#[tokio::test]
async fn an_order_that_staff_do_not_find_is_reported_and_repaired() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    let order = ann.checks_out().await.expect(201).json();
    shop.drain().await;
    let search = format!("/admin/orders?email={}", ann.contact().unwrap());
    let found = async || admin.get(&search).await.expect(200).json()["items"].as_array().map(Vec::len);
    let right = run(&shop, &[Check::Orders], false, shop.clock.now()).await;
    for item in shop.dump().await.iter().filter(|item| item["SK"] == order["orderId"]) {
        let part = |name: &str| AttributeValue::S(item[name].as_str().expect("a key").to_owned());
        let table = shop.table_of(item["PK"].as_str().expect("a key"));
        let delete = shop.raw_client().delete_item().table_name(table);
        delete.key("PK", part("PK")).key("SK", part("SK")).send().await.expect("the engine answers");
    }

    let reported = run(&shop, &[Check::Orders], false, shop.clock.now()).await;
    let before = found().await;
    let mended = run(&shop, &[Check::Orders], true, shop.clock.now()).await;

    assert!(right.findings.is_empty(), "{right:?}");
    let [finding] = &reported.findings[..] else { panic!("{reported:?}") };
    assert!(matches!(&finding.problem, Problem::OrderUnfound { missing, .. } if missing.len() == 3), "{finding:?}");
    assert!(mended.is_clean() && mended.findings.len() == 1, "{mended:?}");
    assert_eq!((before, found().await), (Some(0), Some(1)));
}

#[tokio::test]
async fn orders_of_an_earlier_version_are_found_after_a_migration_and_a_second_one_changes_nothing() {
    // The stream is not read, as that of a version that wrote no such entries.
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(9).create().await;
    let ann = shop.customer().await;
    for (number, token) in ["tok_visa", "tok_timeout_paid", "tok_declined"].iter().enumerate() {
        ann.adds(&mug, 1).await.expect(200);
        ann.pays_with(token, &format!("an-order-number-{number}")).await;
        shop.clock.advance(SignedDuration::from_hours(30));
    }
    let admin = shop.admin().await;
    let since = "2040-01-14".parse().expect("a day");
    let migrate = async || {
        ops::migrate::run(&shop.stack.table, shop.clock.now(), Some(since), |_| {}).await.expect("the table answers")
    };
    let search = format!("/admin/orders?email={}", ann.contact().unwrap());
    let found = async || admin.get(&search).await.expect(200).json()["items"].as_array().map(Vec::len);
    let before = found().await;

    let first = migrate().await;
    let again = migrate().await;

    assert_eq!((before, found().await), (Some(0), Some(3)));
    assert_eq!((first.orders, first.found), (3, 3));
    assert_eq!((again.orders, again.found, again.damaged.len()), (3, 0, 0));
}

async fn put_available(shop: &Shop, product: &ProductId, units: i64) {
    set(shop, keys::stock(product, keys::ONLY_STOCK_SHARD), "available", AttributeValue::N(units.to_string())).await;
}

/// Sets an attribute without the `table` crate.
async fn set(shop: &Shop, key: keys::Key, name: &str, value: AttributeValue) {
    let update = shop.raw_client().update_item().table_name(shop.table_of(&key.pk));
    let update = update.key("PK", AttributeValue::S(key.pk)).key("SK", AttributeValue::S(key.sk));
    let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
    update.expression_attribute_values(":value", value).send().await.expect("the engine answers");
}

/// Removes an attribute from an item, which is then as an earlier version wrote it.
pub async fn remove(shop: &Shop, key: keys::Key, name: &str) {
    let update = shop.raw_client().update_item().table_name(shop.table_of(&key.pk));
    let update = update.key("PK", AttributeValue::S(key.pk)).key("SK", AttributeValue::S(key.sk));
    let update = update.update_expression("REMOVE #name").expression_attribute_names("#name", name);
    update.send().await.expect("the engine answers");
}
