//! Flash sales: created by staff, bought in by shoppers, and what is left of them returned.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ProductId, Timestamp};
use e2e::{Answer, Shop, Shopper, contention::LotsInUse, engine_counts_like_aws, usd, with};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use table::Transport;

/// A sale of a product at 5.00 that starts in 10 seconds and lasts an hour.
pub struct Sale<'a> {
    shop: &'a Shop,
    admin: Shopper,
    pub id: String,
}

impl<'a> Sale<'a> {
    pub async fn of(shop: &'a Shop, product: &ProductId, units: i64, limit: Option<i64>) -> Self {
        Self::at_rate(shop, product, units, limit, 100).await
    }

    async fn at_rate(shop: &'a Shop, product: &ProductId, units: i64, limit: Option<i64>, rate: i64) -> Self {
        let admin = shop.admin().await;
        let body = with(request(shop, product, units), "limit", json!(limit));
        let body = with(body, "checkoutsPerSecond", json!(rate));
        let created = admin.post_once("/admin/sales", "a-sale-of-one-product", body).await.expect(201).json();
        Self { shop, admin, id: created["saleId"].as_str().unwrap().to_owned() }
    }

    /// Until it is active, and known everywhere.
    pub async fn starts(self) -> Self {
        self.shop.clock.advance(SignedDuration::from_secs(12));
        self
    }

    async fn get(&self) -> Value {
        // A session of staff that is idle for an hour ends.
        self.shop.admin().await.get(&format!("/admin/sales/{}", self.id)).await.expect(200).json()
    }

    async fn post(&self, what: &str) -> Answer {
        self.admin.post(&format!("/admin/sales/{}/{what}", self.id), Value::Null).await
    }

    /// Until its units are back in stock.
    pub async fn ends(&self) {
        self.shop.clock.advance(SignedDuration::from_mins(61));
        let swept = self.shop.sweep(None).await;
        assert_eq!((swept.sales_ended, swept.failed), (1, 0));
    }
}

fn request(shop: &Shop, product: &ProductId, units: i64) -> Value {
    let at = |seconds| (shop.clock.now() + SignedDuration::from_secs(seconds)).to_string();
    json!({
        "productId": product.as_str(), "price": usd(500), "units": units, "startsAt": at(10), "endsAt": at(3_610),
    })
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status() == status).count()
}

#[tokio::test]
async fn a_shopper_sees_a_sale_and_pays_its_price_only_while_it_is_active() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).featured(1).create().await;
    let ann = shop.customer().await;

    let sale = Sale::of(&shop, &mug, 4, Some(2)).await;
    let before = (ann.get("/products/mug").await.json(), ann.get("/sales").await.json());
    let sale = sale.starts().await;
    let during = ann.get("/products/mug").await.json();
    let card = ann.get("/products/featured").await.json()["items"][0].clone();
    let listed = ann.get("/products").await.json()["items"][0].clone();
    let cart = ann.adds(&mug, 2).await.expect(200).json();
    let order = ann.checks_out().await.expect(201).json();

    assert_eq!((&before.0["sale"], &before.0["stock"]["available"]), (&Value::Null, &json!(6)));
    assert_eq!(before.1["items"][0]["state"], "scheduled");
    assert_eq!(
        (&during["price"], &during["sale"]["price"], &during["sale"]["limit"]),
        (&usd(899), &usd(500), &json!(2))
    );
    assert_eq!((&during["stock"]["available"], &during["sale"]["saleId"]), (&json!(4), &json!(sale.id)));
    assert_eq!([&card["sale"]["price"], &listed["sale"]["price"]], [&usd(500), &usd(500)]);
    let item = &cart["items"][0];
    assert_eq!((&item["unitPrice"], &item["status"], &cart["subtotal"]), (&usd(500), &json!("available"), &usd(1_000)));
    assert_eq!((&order["total"], &order["items"][0]["unitPrice"]), (&usd(1_000), &usd(500)));
    assert_eq!((&sale.get().await["unitsLeft"], shop.stock(&mug).await), (&json!(2), 6));
}

#[tokio::test]
async fn what_is_left_of_a_sale_returns_to_the_stock_by_one_line_of_the_ledger() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.customer().await;
    let sale = Sale::of(&shop, &mug, 7, None).await.starts().await;
    ann.adds(&mug, 3).await.expect(200);
    ann.checks_out().await.expect(201);

    sale.ends().await;

    let ended = sale.get().await;
    assert_eq!(
        (&ended["state"], &ended["unitsReturned"], &ended["unitsLeft"]),
        (&json!("ended"), &json!(4), &json!(0))
    );
    assert_eq!(shop.stock(&mug).await, 7);
    let moves = shop.stack.table.stock_moves(&mug).await.unwrap();
    let mut deltas: Vec<_> = moves.iter().map(|line| line.delta).collect();
    deltas.sort_unstable();
    assert_eq!(deltas, [-7, 4, 10]);
    let keys: BTreeSet<_> = shop.dump().await.iter().map(|item| item["PK"].as_str().unwrap().to_owned()).collect();
    assert!(keys.iter().all(|pk| !pk.starts_with("SALE#")), "{keys:?}");
}

#[tokio::test]
async fn a_sale_whose_units_do_not_return_is_counted_until_they_do() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let _sale = Sale::of(&shop, &mug, 7, None).await.starts().await;
    // Too little for a step of a sale.
    let no_time = || Some(shop.clock.now() + SignedDuration::from_secs(4));
    shop.clock.advance(SignedDuration::from_mins(61));

    let at_once = shop.sweep(no_time()).await;
    shop.clock.advance(SignedDuration::from_mins(5));
    let late = shop.sweep(no_time()).await;
    let ended = shop.sweep(None).await;
    let after = shop.sweep(None).await;

    assert_eq!((at_once.sales_stuck, late.sales_stuck, late.sales_ended), (0, 1, 0));
    assert_eq!((ended.sales_stuck, ended.sales_ended, after.sales_stuck), (0, 1, 0));
    assert_eq!(shop.stock(&mug).await, 10);
}

#[tokio::test]
async fn a_cancelled_order_returns_its_units_to_the_sale_and_after_it_to_the_stock() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    let sale = Sale::of(&shop, &mug, 6, Some(3)).await.starts().await;
    let buy = async |shopper: &Shopper| {
        shopper.adds(&mug, 3).await.expect(200);
        shopper.checks_out().await.expect(201).json()["orderId"].as_str().unwrap().to_owned()
    };
    let (first, second) = (buy(&ann).await, buy(&bob).await);
    let sold_out = sale.get().await["unitsLeft"].clone();

    ann.post_once(&format!("/orders/{first}/cancel"), "not-wanted-after-all", Value::Null).await.expect(200);
    let returned = sale.get().await["unitsLeft"].clone();
    // What was returned does not count against the limit.
    let again = buy(&ann).await;
    sale.ends().await;
    bob.post_once(&format!("/orders/{second}/cancel"), "not-wanted-after-all", Value::Null).await.expect(200);
    ann.post_once(&format!("/orders/{again}/cancel"), "not-wanted-once-more", Value::Null).await.expect(200);

    assert_eq!((sold_out, returned), (json!(0), json!(3)));
    assert_eq!(shop.stock(&mug).await, 10);
    let moves = shop.stack.table.stock_moves(&mug).await.unwrap();
    assert_eq!(moves.iter().map(|line| line.delta).sum::<i64>(), 10);
}

#[tokio::test]
async fn a_sale_is_sold_to_the_last_unit_and_not_one_more() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").stock(150).create().await;
    let sale = Sale::at_rate(&shop, &mug, 100, None, 1_000).await.starts().await;
    let buyers = shop.buyers(250, &mug, 1).await;

    let answers = join_all(buyers.iter().map(Shopper::checks_out)).await;

    let (placed, refused) = (count(&answers, 201), count(&answers, 409));
    for answer in answers.iter().filter(|answer| answer.status() == 409) {
        assert_eq!(answer.code(), "out_of_stock");
    }
    let seen = sale.get().await;
    if engine_counts_like_aws() {
        assert_eq!((placed, refused, &seen["unitsLeft"]), (100, 150, &json!(0)));
    }
    assert!(placed <= 100 && seen["lotKeys"].as_u64().unwrap() > 1);
    assert_eq!(shop.stock(&mug).await, 50);
}

#[tokio::test]
async fn a_lot_that_another_checkout_is_writing_does_not_make_a_sale_sold_out() {
    let in_use = LotsInUse::default();
    let shop = Shop::open_with(|options| {
        let in_use = in_use.clone();
        options.transport = Transport::new(move |_| in_use.before(table::http_client()), Timestamp::now);
    })
    .await;
    let mug = shop.product("mug").stock(1).create().await;
    let sale = Sale::of(&shop, &mug, 1, None).await.starts().await;
    let (ann, bob, carol) = (shop.customer().await, shop.customer().await, shop.customer().await);
    ann.adds(&mug, 2).await.expect(200);
    bob.adds(&mug, 1).await.expect(200);
    carol.adds(&mug, 1).await.expect(200);

    // Too many for the sale, so every key is read consistently.
    let too_many = ann.checks_out().await.expect(409).json();
    in_use.for_the_next(1);
    bob.checks_out().await.expect(201);
    let sold_out = carol.checks_out().await.expect(409).json();

    let short = |available| json!([{"productId": "mug", "available": available}]);
    assert_eq!((&too_many["products"], &sold_out["products"]), (&short(1), &short(0)));
    assert_eq!((in_use.left(), &sale.get().await["unitsLeft"]), (0, &json!(0)));
}

#[tokio::test]
async fn units_that_no_lot_has_alone_are_taken_from_several() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(40).create().await;
    // 16 lots of one or two units.
    let sale = Sale::of(&shop, &mug, 20, None).await.starts().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    ann.adds(&mug, 13).await.expect(200);
    bob.adds(&mug, 8).await.expect(200);

    let placed = ann.checks_out().await.expect(201).json();
    let short = bob.checks_out().await.expect(409);
    let left = sale.get().await["unitsLeft"].clone();
    ann.post_once(
        &format!("/orders/{}/cancel", placed["orderId"].as_str().unwrap()),
        "all-of-the-lots-are-back",
        Value::Null,
    )
    .await
    .expect(200);

    assert_eq!(short.code(), "out_of_stock");
    assert_eq!(short.json()["products"], json!([{"productId": "mug", "available": 7}]));
    assert_eq!((left, sale.get().await["unitsLeft"].clone()), (json!(7), json!(20)));
}

#[tokio::test]
async fn nobody_buys_more_than_the_limit_in_one_order_or_several_or_as_a_guest_with_the_same_e_mail() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(40).create().await;
    let sale = Sale::of(&shop, &mug, 20, Some(2)).await.starts().await;
    let (ann, mut guest) = (shop.registered().await, shop.stranger());
    guest.becomes_guest().await;
    let email = ann.get("/users/me").await.json()["email"].clone();

    ann.adds(&mug, 3).await.expect(200);
    let too_many = ann.checks_out().await.expect(409);
    ann.put("/cart/items/mug", json!({"quantity": 2})).await.expect(200);
    ann.checks_out().await.expect(201);
    ann.adds(&mug, 1).await.expect(200);
    let once_more = ann.pays_with("tok_visa", "one-more-of-them").await.expect(409);
    guest.adds(&mug, 1).await.expect(200);
    let same_mail = with(guest.checkout("tok_visa"), "contact", json!({"email": email}));
    let as_guest = guest.post_once("/orders", "with-the-same-e-mail", same_mail).await.expect(409);
    let other_mail = guest.pays_with("tok_visa", "with-another-e-mail").await;

    for refused in [too_many, once_more, as_guest] {
        let problem = refused.json();
        assert_eq!((refused.code().as_str(), &problem["limit"]), ("sale_limit_reached", &json!(2)));
    }
    other_mail.expect(201);
    assert_eq!(sale.get().await["unitsLeft"], json!(17));
}

#[tokio::test]
async fn a_customer_is_asked_again_once_if_the_sale_ended_while_they_shopped() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).create().await;
    let ann = shop.customer().await;
    let sale = Sale::of(&shop, &mug, 5, None).await.starts().await;
    ann.adds(&mug, 1).await.expect(200);
    sale.post("stop").await.expect(200);
    shop.clock.advance(SignedDuration::from_secs(6));

    let ended = ann.checks_out().await.expect(409);
    let cart = ann.get("/cart").await.json();
    let bought = ann.pays_with("tok_visa", "at-the-usual-price").await.expect(201).json();

    assert_eq!((ended.code().as_str(), &ended.json()["products"]), ("sale_ended", &json!(["mug"])));
    assert_eq!(cart["subtotal"], usd(899));
    assert_eq!((&bought["total"], shop.stock(&mug).await), (&usd(899), 4));
}

#[tokio::test]
async fn staff_change_start_and_stop_a_sale_and_every_change_takes_five_seconds() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").priced(899).stock(10).create().await;
    let ann = shop.customer().await;
    let sale = Sale::of(&shop, &mug, 5, None).await;
    let price = async || ann.get("/products/mug").await.json()["sale"]["price"].clone();
    let wait = |seconds| shop.clock.advance(SignedDuration::from_secs(seconds));

    sale.post("start").await.expect(200);
    wait(4);
    let before_start = price().await;
    wait(3);
    let started = price().await;
    let patch = json!({"price": usd(450), "limit": 3});
    sale.admin.patch(&format!("/admin/sales/{}", sale.id), patch).await.expect(200);
    wait(2);
    let before_change = price().await;
    wait(4);
    let changed = price().await;
    let started_before =
        sale.admin.patch(&format!("/admin/sales/{}", sale.id), json!({"startsAt": "2030-01-01T00:00:00Z"})).await;
    sale.post("stop").await.expect(200);
    wait(6);
    let stopped = price().await;
    let over = sale.post("start").await;

    assert_eq!([before_start, started, before_change], [Value::Null, usd(500), usd(500)]);
    assert_eq!([changed, stopped], [usd(450), Value::Null]);
    assert_eq!(
        (started_before.expect(409).code(), over.expect(409).code()),
        ("sale_started".into(), "sale_over".into())
    );
    assert_eq!(sale.get().await["state"], "over");
}

#[tokio::test]
async fn a_sale_is_created_once_for_a_key_and_refused_where_it_cannot_be() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let admin = shop.admin().await;
    let create = async |key: &str, body: Value| admin.post_once("/admin/sales", key, body).await;
    let body = request(&shop, &mug, 6);

    let too_many = create("more-than-in-stock", with(body.clone(), "units", json!(11))).await.expect(409);
    let first = create("the-sale-of-mugs", body.clone()).await.expect(201);
    let again = create("the-sale-of-mugs", body.clone()).await.expect(201);
    let reused = create("the-sale-of-mugs", with(body.clone(), "units", json!(2))).await.expect(422);
    let second = create("a-second-sale-of-it", with(body.clone(), "units", json!(2))).await.expect(409);
    let unknown = create("a-sale-of-nothing", with(body.clone(), "productId", json!("cup"))).await.expect(404);
    let euros = json!({"amount": 500, "currency": "EUR"});
    let foreign = create("in-another-currency", with(body.clone(), "price", euros)).await.expect(422);
    let deleted = admin.delete("/admin/products/mug").await.expect(409);
    let mut invalid = Vec::new();
    for (field, value) in
        [("units", json!(0)), ("endsAt", body["startsAt"].clone()), ("startsAt", json!("now")), ("limit", json!(0))]
    {
        let refused = create("a-sale-that-is-wrong", with(body.clone(), field, value)).await.expect(422).json();
        invalid.push((field, refused["errors"][0]["field"].as_str().map(str::to_owned)));
    }

    assert_eq!((too_many.code().as_str(), &too_many.json()["available"]), ("sale_units_short", &json!(10)));
    assert_eq!(again.json()["saleId"], first.json()["saleId"]);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(reused.code(), "idempotency_key_reused");
    assert_eq!([second.code(), deleted.code()], ["product_in_sale", "product_in_sale"]);
    assert_eq!([unknown.code(), foreign.code()], ["not_found", "currency_mismatch"]);
    assert!(invalid.iter().all(|(field, named)| named.as_deref() == Some(field)), "{invalid:?}");
    assert_eq!(admin.get("/admin/sales").await.json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(shop.stock(&mug).await, 4);
}

#[tokio::test]
async fn a_sale_that_is_sold_out_is_listed_so_until_units_come_back() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(10).create().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    let sale = Sale::of(&shop, &mug, 2, None).await.starts().await;
    ann.adds(&mug, 2).await.expect(200);
    let order = ann.checks_out().await.expect(201).json();
    bob.adds(&mug, 1).await.expect(200);
    let refused = bob.checks_out().await.expect(409);
    shop.clock.advance(SignedDuration::from_secs(3));
    let sold_out = bob.get("/products/mug").await.json();

    let cancel = format!("/orders/{}/cancel", order["orderId"].as_str().unwrap());
    ann.post_once(&cancel, "somebody-else-may-have-it", Value::Null).await.expect(200);
    shop.clock.advance(SignedDuration::from_mins(1));
    shop.sweep(None).await;
    shop.clock.advance(SignedDuration::from_secs(3));
    let back = bob.get("/products/mug").await.json();
    let bought = bob.pays_with("tok_visa", "now-there-is-one-again").await;

    assert_eq!(refused.code(), "out_of_stock");
    assert_eq!((&sold_out["sale"]["soldOut"], &sold_out["stock"]["inStock"]), (&json!(true), &json!(false)));
    assert_eq!((&back["sale"]["soldOut"], &back["stock"]["inStock"]), (&json!(false), &json!(true)));
    bought.expect(201);
    assert_eq!(sale.get().await["unitsLeft"], json!(1));
}

#[tokio::test]
async fn a_lot_that_another_environment_has_emptied_is_exchanged_for_another() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(3).create().await;
    let sale = Sale::of(&shop, &mug, 3, None).await.starts().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    ann.adds(&mug, 1).await.expect(200);
    ann.checks_out().await.expect(201);
    // The environment read three lots of one unit a moment ago, and took one. Another one takes the second.
    let table = &shop.stack.table;
    let lots: Vec<_> = table.sale_lots_get_consistent(sale.id.parse().unwrap(), 0).await.unwrap().iter().collect();
    let (lot, _) = *lots.iter().find(|(_, left)| *left == 1).expect("two are left");
    let key = table::keys::sale_lot(sale.id.parse().unwrap(), lot);
    let emptied = shop
        .raw_client()
        .update_item()
        .table_name(shop.table_of(&key.pk))
        .key("PK", AttributeValue::S(key.pk))
        .key("SK", AttributeValue::S(key.sk))
        .update_expression("SET unitsLeft = :none")
        .expression_attribute_values(":none", AttributeValue::N("0".to_owned()));
    emptied.send().await.unwrap();

    bob.adds(&mug, 1).await.expect(200);
    let last = bob.checks_out().await;
    ann.adds(&mug, 1).await.expect(200);
    let none_left = ann.pays_with("tok_visa", "one-too-many-of-them").await;

    last.expect(201);
    assert_eq!(none_left.expect(409).json()["products"], json!([{"productId": "mug", "available": 0}]));
    assert_eq!(sale.get().await["unitsLeft"], json!(0));
}
