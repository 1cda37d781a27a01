//! Every access pattern once, on a shop of any size: what each costs, and how long it takes.
//!
//! `docs/access-patterns.md` has the costs in a small shop. In one with more products and orders than a page shows, they
//! are the same whatever its size; [`filled`] fills such shops.

#![expect(clippy::unwrap_used, reason = "a call that fails ends the measurement")]

pub mod carts;
pub mod filled;
pub mod served;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    AccountAction, AccountLink, Address, AddressId, CartLine, CategoryPath, CategoryRename, CategoryRenameId,
    CountryCode, Currency, Email, HoldLength, Language, Money, OpenSales, Order, OrderId, OrderState, PaymentEventId,
    Placement, Product, ProductDetails, ProductId, Quantity, RefundRequest, Review, ReviewText, Role, Sale,
    SaleProgress, SaleRequest, SaleTerms, SessionKind, SessionLifetime, Stars, StockDelta, Timestamp, UserId,
};
use jiff::SignedDuration;
use table::{
    CartWrite, Cause, Claim, Credential, Existing, GivenUp, GoneProduct, Idempotency, ImportRecord, Moving, NewSession,
    OrderLookup, OrderSearch, PriceRange, RateLimit, Says, SearchManifest, SearchRebuild, SearchRulesAt,
    SessionWithCart, Shown, SortOrder, Table, keys,
    meter::{self, Cost},
};

use crate::Shop;

/// One call of a pattern.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub cost: Cost,
    pub time: Duration,
}

/// Calls by the numbers of their patterns.
pub type Patterns = BTreeMap<&'static str, Measured>;

/// Runs a measurement. In a debug build, fifty of the SDK's futures side by side need more stack than a thread has.
///
/// # Panics
/// The measurement did.
pub fn run<F: Future<Output: Send + 'static>>(measurement: impl FnOnce() -> F + Send + 'static) -> F::Output {
    let run = || tokio::runtime::Runtime::new().expect("a runtime").block_on(measurement());
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A shop without limits of rates.
pub async fn open() -> Shop {
    Shop::open_with(|o| o.policy.rates = None).await
}

/// Makes a call, and remembers its cost and time as those of the pattern.
macro_rules! measured {
    ($patterns:ident, $name:literal, $call:expr) => {{
        let began = Instant::now();
        let (result, cost) = meter::measure($call).await;
        let time = began.elapsed();
        // Metrics show the cost under the number of the pattern that the method counts for.
        let counted: Vec<_> = cost.by_pattern.into_keys().collect();
        let named: String = $name.chars().take_while(|c| !c.is_ascii_lowercase()).collect();
        assert!(counted.is_empty() || counted == [named.as_str()], "{} is counted as {counted:?}", $name);
        $patterns.insert($name, Measured { cost: cost.total, time });
        result.unwrap()
    }};
}

/// Makes every call once, with products whose cards have some 200 bytes, and a cart of three lines. The shop may have
/// other data, and limits no rates. Rounds of one shop have different numbers, at most nine.
pub async fn measure_all(shop: &Shop, round: u8) -> Patterns {
    let (table, now) = (&shop.stack.table, shop.clock.now());
    // As long in each round.
    let name = |name: &str| match round {
        0 => name.to_owned(),
        round => format!("{}{round}", &name[..name.len() - 1]),
    };
    let shopper = |number: u8| format!("shopper{}@example.com", 2 * round + number);
    for i in 0..48 {
        let product = shop.product(&format!("{}-{i}", name("mug-number"))).priced(500 + i).in_category("Kitchen/Mugs");
        let product = if i < 12 { product.featured(u32::try_from(i).unwrap()) } else { product };
        product.create().await;
    }
    let ids: Vec<ProductId> = (1..=3).map(|i| format!("{}-{i}", name("mug-number")).parse().unwrap()).collect();
    let mug = ids[0].clone();
    let ann = shop.registered().await;
    let uid: UserId = ann.uid.parse().unwrap();
    let mut patterns = Patterns::new();
    macro_rules! pattern {
        ($name:literal, $call:expr) => {
            measured!(patterns, $name, $call)
        };
    }

    // Products.
    let page = pattern!("AP-01", table.product_get(&mug)).unwrap();
    let long = "x".repeat(5_000);
    let stored = shop.stack.descriptions.store(&mug, long, shop.clock.now()).await.unwrap();
    pattern!("AP-02", shop.stack.descriptions.load(&stored));
    let (kitchen, all) = (CategoryPath::parse("Kitchen").unwrap(), PriceRange { min: 0, max: 10_000 });
    pattern!("AP-03", table.product_list_by_category(&kitchen, all, SortOrder::DearestFirst, 24, None));
    pattern!("AP-04", table.product_list_featured(24));
    let pages = pattern!("AP-05", table.product_list_by_price(all, SortOrder::CheapestFirst, 24, None));
    assert_eq!(pages[0].items.len(), 24);
    pattern!("AP-14", table.product_get_consistent(&mug));
    pattern!("AP-99a", table.product_probe());
    pattern!("AP-99b", table.session_probe());
    let path = |path: &str| CategoryPath::parse(path).unwrap();
    pattern!("AP-15b", table.categories_add(&[path("Garden/Tents")].into()));
    let counted = pattern!("AP-65a", table.product_category_count(&mug));
    assert!(counted.changed);
    pattern!("AP-65b", table.categories_settle(counted.touched));
    assert!(pattern!("AP-65c", table.category_counts_by_level(2, None)).items.len() >= 2);
    let children = pattern!("AP-15a", table.category_list_children(&path("Kitchen"), Shown::Filled, 100, None));
    let tree = pattern!("AP-64", table.category_list_tree(Shown::All, 100, None));
    assert!(!children.items.is_empty() && tree.items.len() >= 4);
    assert!(pattern!("AP-66a", table.category_get(&path("Kitchen"))).is_some());
    assert!(pattern!("AP-66b", table.category_has_level(&path("Kitchen"), 2)));
    pattern!("AP-66c", table.category_delete(&path("Garden/Tents")));
    let id = CategoryRenameId::from(shop.clock.uuid_v7());
    let rename = CategoryRename::new(id, path("Kitchen/Mugs"), path("Table"), uid.clone(), 1, now).unwrap();
    pattern!("AP-67a", table.category_rename_put(&rename));
    assert!(pattern!("AP-67b", table.category_rename_get(id)).is_some());
    assert!(!pattern!("AP-67c", table.category_rename_list(24, None)).items.is_empty());
    assert!(pattern!("AP-67d", table.category_rename_first_open()).is_some());
    pattern!("AP-67e", table.category_rename_advance(id, 1, now));
    pattern!("AP-67f", table.category_rename_finish(id, 0, now));
    assert!(pattern!("AP-68a", table.product_ids_by_category(&rename.from, None)).items.len() >= 48);
    let back = CategoryRename { from: rename.to.clone(), to: rename.from.clone(), ..rename.clone() };
    assert_eq!(pattern!("AP-68b", table.product_category_move(&mug, &rename, now)), Moving::Moved);
    table.product_category_move(&mug, &back, now).await.unwrap();
    let before = keys::categories_before();
    let put =
        shop.raw_client().put_item().table_name(shop.table_of(&before.pk)).item("PK", AttributeValue::S(before.pk));
    let put = put.item("SK", AttributeValue::S(before.sk));
    put.item("paths", AttributeValue::Ss(vec!["Kitchen".to_owned()])).send().await.unwrap();
    assert!(pattern!("AP-69a", table.categories_before_get()).is_some());
    pattern!("AP-69b", table.categories_before_migrated());
    pattern!("AP-19a", table.products_get(&ids));
    pattern!("AP-19b", table.products_get_consistent(&ids));
    let pan = renamed(&page.record.product, &name("pan"));
    pattern!("AP-20", table.product_create(&record(pan.clone()), 5, &uid, shop.clock.uuid_v7()));
    let (pot, request) =
        (record(renamed(&pan, &name("pot"))), idempotency(&uid, "a-pot-is-created", "POST /admin/products"));
    let answer = "x".repeat(500);
    let create = table.product_create_once(&pot, 5, &uid, shop.clock.uuid_v7(), &request, &answer, now);
    pattern!("AP-70", create);
    pattern!("AP-21", table.product_put(&record(repriced(&pan)).changed(now), 5, &uid));
    let pan = table.product_get_consistent(&pan.id).await.unwrap().unwrap();
    pattern!("AP-22", table.product_delete(&pan, &uid, shop.clock.uuid_v7()));
    let import = |i| ImportRecord {
        record: record(renamed(&page.record.product, &format!("{}-{i}", name("bulk-number")))),
        stock: 0,
        says: Says::Everything,
    };
    pattern!("AP-13", table.products_import(&[import(1)], Existing::Change, "import", now));
    let orphan = import(2);
    table.products_import(std::slice::from_ref(&orphan), Existing::Change, "import", now).await.unwrap();
    let lost = keys::product(&orphan.record.product.id);
    let delete = shop.raw_client().delete_item().table_name(shop.table_of(&lost.pk));
    delete.key("PK", AttributeValue::S(lost.pk)).key("SK", AttributeValue::S(lost.sk)).send().await.unwrap();
    assert!(pattern!("AP-63", table.product_complete(&orphan.record, 3, "import")).is_some());
    let delta = StockDelta::new(5).unwrap();
    let request = idempotency(&uid, "a-stock-adjustment", "POST /stock");
    let adjust = table.stock_adjust(&mug, delta, "restock", &uid, shop.clock.uuid_v7(), "{}", &request, now);
    pattern!("AP-16", adjust);
    let back = shop.product(&name("mug-that-comes-back")).in_category("Kitchen/Mugs").stock(0).create().await;
    let request = idempotency(&uid, "a-mug-comes-back", "POST /stock");
    let adjust = table.stock_adjust(&back, delta, "restock", &uid, shop.clock.uuid_v7(), "{}", &request, now);
    adjust.await.unwrap();
    assert!(pattern!("AP-53", table.sold_out_flag_set(&back, false)));
    pattern!("AP-17a", table.idempotency_get(&request));
    assert!(pattern!("AP-17b", table.idempotency_seen(&request)).is_some());

    assert!(!pattern!("AP-50", table.stock_moves(&back)).is_empty());
    assert!(pattern!("AP-51", table.stock_correct(&back, 5, -1, shop.clock.uuid_v7())));
    let review = Review {
        product: mug.clone(),
        customer: uid.clone(),
        stars: Stars::new(4).unwrap(),
        text: ReviewText::parse("Holds coffee. Has a handle.").unwrap(),
        at: now,
    };
    pattern!("AP-54", table.review_put(&review));
    pattern!("AP-56", table.review_list(&mug, 24, None));
    assert!(pattern!("AP-57", table.review_count(&mug, &uid)));
    pattern!("AP-55", table.review_delete(&mug, &uid));

    assert!(!pattern!("AP-52", table.sold_out_flag_get(&mug)).unwrap().is_wrong());

    // Sessions and customers.
    let limit = RateLimit { scope: "test".to_owned(), most: 5, window: SignedDuration::from_mins(1) };
    pattern!("AP-18a", table.rate_count(&limit, now));
    pattern!("AP-18b", table.rate_reset(&limit, now));
    pattern!("AP-18c", table.rate_tally(&limit, now));
    let guest: UserId = name("guest-a").parse().unwrap();
    let other_guest: UserId = name("guest-b").parse().unwrap();
    let (token, new) = session(&guest, SessionKind::Guest, now);
    pattern!("AP-25", table.session_open_guest(&new));
    pattern!("AP-23", table.session_get(&guest, &new.id));
    pattern!("AP-24", table.session_touch(&new.id, now + SignedDuration::from_hours(1)));
    let mut read = table.session_and_cart_get(&guest, &new.id).await.unwrap().unwrap();
    for id in &ids {
        read.cart = add(table, &read, id, now).await;
    }
    pattern!("AP-07", table.cart_line_set(writing(&read, now), &mug, &line(2)));
    let with_cart = pattern!("AP-06", table.session_and_cart_get(&guest, &new.id)).unwrap();
    let (_, login) = session(&uid, SessionKind::Customer, now);
    let email = Email::parse(&shopper(0)).unwrap();
    let credential = pattern!("AP-32", table.credential_get(&email)).unwrap();
    assert!(pattern!("AP-58", table.customer_role_set(&uid, Role::Customer)));
    pattern!("AP-26", table.session_login(&login, (&email, &credential), Some(&with_cart)));
    let (_, refreshed) = session(&uid, SessionKind::Customer, now);
    pattern!("AP-27", table.session_replace(&refreshed, &login.id));
    pattern!("AP-28", table.session_list(&uid, now));
    pattern!("AP-29", table.session_revoke(&uid, &refreshed.id));
    drop(token);
    pattern!("AP-31a", table.customer_get(&uid));
    assert!(pattern!("AP-31b", table.customer_contact(&uid)).is_some());
    let (_, renewed) = session(&uid, SessionKind::Customer, now);
    let credential = table.credential_get(&email).await.unwrap().unwrap();
    pattern!("AP-62", table.password_change(&renewed, (&email, &credential), "$argon2id$changed"));
    let credential = table.credential_get(&email).await.unwrap().unwrap();
    let bob: UserId = name("bob").parse().unwrap();
    let (_, opened) = session(&bob, SessionKind::Customer, now);
    let customer = domain::Customer {
        id: bob.clone(),
        name: domain::CustomerName::parse("Bob").unwrap(),
        email: Email::parse(&format!("{bob}@example.com")).unwrap(),
        email_verified: false,
        email_owned: false,
        role: domain::Role::Customer,
        created_at: now,
    };
    pattern!("AP-33", table.customer_register(&customer, "$argon2id$", Some(&opened), None, None));
    pattern!("AP-34", table.customer_rename(&bob, &domain::CustomerName::parse("Robert").unwrap()));
    pattern!("AP-35", table.credential_replace(&email, &credential, "$argon2id$new"));
    let carl = shop.registered().await;
    let (carl, carls): (UserId, _) = (carl.uid.parse().unwrap(), Email::parse(&shopper(1)).unwrap());
    let link = |action, email: &Email, credential: &Credential| {
        let asked_under = Some(credential.digest());
        AccountLink::request(shop.clock.uuid_v7().into(), carl.clone(), action, email.clone(), asked_under, now)
    };
    let credential = table.credential_get(&carls).await.unwrap().unwrap();
    let verification = link(AccountAction::VerifyEmail, &carls, &credential);
    pattern!("AP-85a", table.account_link_put(&verification));
    assert!(pattern!("AP-85b", table.account_link_get(&carl, AccountAction::VerifyEmail)).is_some());
    pattern!("AP-85c", table.email_verify(&verification, true));
    let customer = table.customer_get(&carl).await.unwrap().unwrap();
    let reset = link(AccountAction::ResetPassword, &carls, &credential);
    table.account_link_put(&reset).await.unwrap();
    pattern!("AP-86", table.password_reset(&reset, &customer, &credential, "$argon2id$reset", &customer.name, now));
    let other = Email::parse(&format!("{}@elsewhere.example", name("carl"))).unwrap();
    let credential = table.credential_get(&carls).await.unwrap().unwrap();
    let change = link(AccountAction::ChangeEmail, &other, &credential);
    table.account_link_put(&change).await.unwrap();
    pattern!("AP-87", table.email_change(&change, &customer, &credential, true));
    let address = address("home");
    pattern!("AP-38", table.address_put(&bob, &address, true));
    pattern!("AP-36", table.address_list(&bob));
    pattern!("AP-37", table.address_get(&bob, &address.id));
    pattern!("AP-39", table.address_delete(&bob, &address.id));
    pattern!("AP-30", table.session_revoke_all(&bob, now));

    // Orders: three lines.
    let ann_session = table.session_and_cart_get(&uid, &renewed.id).await.unwrap().unwrap();
    let request = idempotency(&uid, "an-order-of-three", "POST /orders");
    let contact = Email::parse(&format!("{}@example.com", name("ann.smith"))).unwrap();
    let order = order(shop, &ann_session, &ids, &uid, &contact).await;
    pattern!("AP-08", table.order_place(&order, &BTreeMap::new(), &request, now));
    pattern!("AP-12", table.order_list_due(Timestamp::UNIX_EPOCH, Timestamp::MAX, 24));
    pattern!("AP-45", table.order_postpone(&order, now));
    pattern!("AP-46", table.order_get_consistent(&uid, order.id));
    let confirmed = order.paid(&name("local_payment"), now).unwrap();
    pattern!("AP-40a", table.order_transition(&confirmed, Cause::Answer, now));
    pattern!("AP-41a", table.order_project(&confirmed.order));
    pattern!("AP-75", table.order_found_put(&confirmed.order, None));
    for search in [
        OrderSearch::Number(order.number()),
        OrderSearch::Email(contact.clone()),
        OrderSearch::Reference(name("local_payment").parse().unwrap()),
        OrderSearch::Customer(uid.clone()),
    ] {
        assert_eq!(pattern!("AP-76", table.order_search(&search, 24, None)).items.len(), 1, "{search:?}");
    }
    assert!(pattern!("AP-77", table.order_found_missing(&confirmed.order)).is_empty());
    let lookup = OrderLookup::request(shop.clock.uuid_v7().into(), order.number(), &contact, Language::En, now);
    pattern!("AP-88", table.order_lookup_put(&lookup));
    let of_guest = Order { customer: other_guest.clone(), guest: true, ..order.clone() };
    assert_eq!(pattern!("AP-89", table.orders_of_guests(vec![of_guest])).len(), 1);
    let claimed = confirmed.order.claim(&uid, &bob, now).unwrap().order;
    assert!(!table.order_claim(&claimed, &uid).await.unwrap(), "an account belongs to the user who placed it");
    assert!(pattern!("AP-90", table.order_claim(&claimed, &other_guest)));
    let back = claimed.claim(&bob, &uid, now).unwrap();
    table.order_transition(&back, Cause::Answer, now).await.unwrap();
    let confirmed = back;
    let event: PaymentEventId = "evt_1".parse().unwrap();
    assert!(pattern!("AP-44", table.payment_event_put(order.id, &event, now)));
    let nothing = idempotency(&uid, "a-request-without-effect", "POST /orders/{orderId}/cancel");
    pattern!("AP-43", table.idempotency_put(&nothing, "an outcome", now));
    let refunding = confirmed.order.refund(&RefundRequest::default(), now).unwrap();
    let request = idempotency(&uid, "a-refund-of-all-of-it", "POST /admin/orders/{orderId}/refund");
    pattern!("AP-40b", table.order_transition(&refunding, Cause::Request(&request, "an outcome"), now));
    pattern!("AP-41b", table.order_list_entry_put(&refunding.order));
    let projection = pattern!("AP-49", table.order_projection_get(&uid, order.id));
    assert!(!projection.is_behind(&refunding.order) && projection.lines == 3);
    assert_eq!(pattern!("AP-47", table.notification_claim(order.id, 2, "a-record", now)), Claim::First);
    pattern!("AP-48a", table.notification_sent(order.id, 2, now));
    pattern!("AP-48b", table.notification_give_up(order.id, 3, GivenUp::ForGood, now));
    let refunded = refunding.order.refund_paid(1, now).unwrap();
    table.order_transition(&refunded, Cause::Answer, now).await.unwrap();
    pattern!("AP-09", table.order_list_by_customer(&uid, 24, None));
    pattern!("AP-10", table.order_get(&uid, order.id));
    let (customer, orders) = pattern!("AP-11", table.customer_get_with_orders(&uid, 5));
    assert!(customer.is_some() && orders.len() == 1);
    let day = now.to_string()[..10].to_owned();
    assert!(!pattern!("AP-42b", table.order_list_by_day(&day, 24, None)).items.is_empty());
    let listed = pattern!("AP-42a", table.order_list_by_state(OrderState::Cancelled, &day, 24, None));
    assert!(!listed.items.is_empty());
    let mut refilled = table.session_and_cart_get(&uid, &renewed.id).await.unwrap().unwrap();
    for id in &ids {
        refilled.cart = add(table, &refilled, id, now).await;
    }
    let held = self::order(shop, &refilled, &ids, &uid, &contact).await;
    let given_up = idempotency(&uid, "an-order-given-up", "POST /orders");
    table.order_place(&held, &BTreeMap::new(), &given_up, now).await.unwrap();
    pattern!("AP-40c", table.order_transition(&held.declined(now).unwrap(), Cause::Answer, now));
    table.order_project(&held).await.unwrap();
    assert!(pattern!("AP-60", table.guest_order_ids(&uid)).contains(&held.id));
    pattern!("AP-61", table.order_list_entry_delete(&uid, held.id));
    assert_eq!(pattern!("AP-59", table.guest_account_get(&guest)), None);
    measure_sales(shop, &mug, &uid, &mut patterns).await;
    measure_search(shop, &ids, &uid, &mut patterns).await;
    patterns
}

/// What the search and its indexer call; the index itself is in S3.
async fn measure_search(shop: &Shop, ids: &[ProductId], uid: &UserId, patterns: &mut Patterns) {
    let (table, now) = (&shop.stack.table, shop.clock.now());
    macro_rules! pattern {
        ($name:literal, $call:expr) => {
            measured!(patterns, $name, $call)
        };
    }
    let before = pattern!("AP-94b", table.search_state_get_consistent());
    let manifest = SearchManifest {
        generation: before.manifest.map_or(0, |manifest| manifest.generation) + 1,
        lists: vec![format!("search/lists/{}.json", shop.clock.uuid_v7()); 3],
        schema: "0".repeat(32),
        documents: 48,
        bytes: 1_000_000,
        as_of: now,
    };
    pattern!("AP-94c", table.search_publish(&manifest));
    assert_eq!(pattern!("AP-94a", table.search_state_get()).manifest, Some(manifest.clone()));
    let rebuild = SearchRebuild {
        requested_at: now,
        by: uid.to_string(),
        list: Some(manifest.lists[0].clone()),
        schema: manifest.schema.clone(),
        shard: 0,
        after: None,
        products: 0,
        version: 1,
    };
    pattern!("AP-94d", table.search_rebuild_write(&rebuild));
    let next = SearchManifest { generation: manifest.generation + 1, ..manifest };
    pattern!("AP-94e", table.search_rebuild_end(&next, &rebuild));
    let rules = SearchRulesAt {
        version: before.rules.map_or(0, |rules| rules.version) + 1,
        s3_key: format!("search/rules/{}.json", shop.clock.uuid_v7()),
        updated_at: now,
        by: uid.clone(),
    };
    pattern!("AP-95a", table.search_rules_put(&rules));
    let gone = GoneProduct { id: ids[2].clone(), created_at: now, at: now };
    pattern!("AP-95b", table.search_gone_put(&gone));
    pattern!("AP-95c", table.search_gone_delete(&gone));
    let change = shop.clock.uuid_v7();
    pattern!("AP-96a", table.search_change_note(&ids[0], change, now));
    let shard: u8 = keys::search_changed(&ids[0]).pk.rsplit('#').next().unwrap().parse().unwrap();
    let waiting = pattern!("AP-96b", table.search_changes_get(shard, 2_000));
    let noted = waiting.into_iter().find(|waiting| waiting.change == change).unwrap();
    pattern!("AP-96c", table.search_change_done(&noted, now));
    assert_eq!(pattern!("AP-97", table.search_products_get(ids)).len(), ids.len());
}

/// A sale of ten units in ten lots under one key.
async fn measure_sales(shop: &Shop, id: &ProductId, uid: &UserId, patterns: &mut Patterns) {
    let (table, now) = (&shop.stack.table, shop.clock.now());
    macro_rules! pattern {
        ($name:literal, $call:expr) => {
            measured!(patterns, $name, $call)
        };
    }
    let page = table.product_get_consistent(id).await.unwrap().unwrap();
    let terms = SaleTerms {
        price: Money::price(500, Currency::USD).unwrap(),
        starts_at: now + SignedDuration::from_secs(10),
        ends_at: now + SignedDuration::from_secs(20),
        limit: Quantity::new(2).ok(),
    };
    let request = SaleRequest::parse(id.clone(), terms, 10, 10, now).unwrap();
    let name = page.record.product.details.name.as_str().to_owned();
    let sale = Sale::new(shop.clock.uuid_v7().into(), request, name, page.incarnation, uid.clone(), now);
    let once = idempotency(uid, "a-sale-of-ten-units", "POST /admin/sales");
    pattern!("AP-91a", table.sale_create(&sale, &once, "an outcome"));
    let open = pattern!("AP-91b", table.sale_prepare(&sale)).unwrap();
    assert_eq!(open.progress, SaleProgress::Open);
    let stopped = open.stop(now).unwrap();
    assert!(pattern!("AP-91c", table.sale_write(&stopped, "staff")));
    assert_eq!(pattern!("AP-92a", table.sale_get(sale.id)), Some(stopped.clone()));
    assert!(!pattern!("AP-92b", table.sale_list(24, None)).items.is_empty());
    assert_eq!(pattern!("AP-92c", table.sales_open(3)).get(id), Some(&stopped));
    assert_eq!(pattern!("AP-93a", table.sale_lots_get(sale.id, 0)).units(), 10);
    let lots: Vec<_> = pattern!("AP-93b", table.sale_lots_get_consistent(sale.id, 0)).iter().collect();
    let version = stopped.version;
    let closing = Sale { progress: SaleProgress::Closing { keys: 1, units: 10 }, version: version + 1, ..stopped };
    assert!(pattern!("AP-91d", table.sale_lots_remove(&closing, &lots)));
    let ended = Sale { progress: SaleProgress::Ended { units: 10 }, version: version + 2, ..closing };
    assert!(pattern!("AP-91e", table.sale_end(&ended, 10, shop.clock.uuid_v7())));
}

async fn order(shop: &Shop, read: &SessionWithCart, ids: &[ProductId], uid: &UserId, contact: &Email) -> Order {
    let pages = shop.stack.table.products_get(ids).await.unwrap();
    let incarnations = pages.iter().map(|p| (p.record.product.id.clone(), p.incarnation.unwrap())).collect();
    let products: Vec<Product> = pages.into_iter().map(|p| p.record.product).collect();
    let placement = Placement {
        id: OrderId::try_from(shop.clock.uuid_v7()).unwrap(),
        customer: uid,
        guest: false,
        cart: &read.cart,
        products: &products,
        incarnations: &incarnations,
        sales: &OpenSales::default(),
        currency: Currency::USD,
        adjustments: &[],
        expected_total: None,
        contact: Some(domain::Contact {
            email: contact.clone(),
            name: Some(domain::CustomerName::parse("Ann Smith").unwrap()),
            phone: None,
        }),
        language: domain::Language::En,
        ship_to: Some(address("home")),
        bill_to: None,
        hold: HoldLength::default(),
        now: shop.clock.now(),
    };
    Order::place(placement).unwrap()
}

async fn add(table: &Table, read: &SessionWithCart, id: &ProductId, now: Timestamp) -> domain::Cart {
    table.cart_line_add(writing(read, now), id, line(1).quantity, &line(1), None).await.unwrap()
}

fn writing(read: &SessionWithCart, now: Timestamp) -> CartWrite<'_> {
    CartWrite { uid: &read.session.uid, kind: read.session.kind, read: &read.cart, must_match: false, now }
}

fn line(units: i64) -> CartLine {
    let price_seen = Money::price(500, Currency::USD).unwrap();
    CartLine { quantity: Quantity::new(units).unwrap(), price_seen, sale: None }
}

fn session(uid: &UserId, kind: SessionKind, now: Timestamp) -> (api::token::Token, NewSession) {
    let token = api::token::Token::issue(uid);
    let id = token.session_id();
    let (device, lifetime) = ("Mozilla/5.0".to_owned(), SessionLifetime::start(kind, now));
    (token, NewSession { id, uid: uid.clone(), kind, device, created_at: now, lifetime })
}

fn idempotency(uid: &UserId, key: &str, route: &str) -> Idempotency {
    let (key, route) = (key.parse().unwrap(), route.to_owned());
    Idempotency { customer: uid.clone(), key, route, payload_sha256: "0".repeat(64) }
}

fn address(id: &str) -> Address {
    let id: AddressId = id.parse().unwrap();
    let text = |t: &str| t.to_owned();
    Address {
        id,
        recipient: text("Ann Smith"),
        line1: text("1 Harbour Street"),
        line2: None,
        city: text("Bristol"),
        region: None,
        postal_code: Some(text("BS1 5UH")),
        country: CountryCode::parse("GB").unwrap(),
        phone: None,
    }
}

fn renamed(product: &Product, id: &str) -> Product {
    Product { id: id.parse().unwrap(), ..product.clone() }
}

fn repriced(product: &Product) -> Product {
    let details = ProductDetails { price: Money::price(777, Currency::USD).unwrap(), ..product.details.clone() };
    Product { details, ..product.clone() }
}

fn record(mut product: Product) -> table::ProductRecord {
    product.details.featured_rank = None;
    table::ProductRecord { product, description: None, imported: None }
}
