//! Orders as staff look for them.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Order, OrderId, OrderNumber, Payment};
use e2e::{Shop, with};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{hold, pages};

fn ids(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|order| order["orderId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn staff_find_an_order_by_number_email_payment_and_customer() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(9).create().await;
    let (guest, ann, admin) = (shop.customer().await, shop.registered().await, shop.admin().await);
    guest.adds(&mug, 1).await.expect(200);
    ann.adds(&mug, 1).await.expect(200);
    let of_guest = guest.checks_out().await.expect(201).json();
    let of_ann = ann.checks_out().await.expect(201).json();
    shop.drain().await;

    let mut found = Vec::new();
    for (order, email, customer) in
        [(&of_guest, guest.contact().unwrap(), &guest.uid), (&of_ann, "SHOPPER0@example.com".to_owned(), &ann.uid)]
    {
        let id = order["orderId"].as_str().unwrap();
        let number = order["number"].as_str().unwrap();
        let seen = admin.get(&format!("/admin/orders/{id}")).await.expect(200).json();
        let reference = seen["payment"]["reference"].as_str().unwrap().to_owned();
        for query in [
            format!("number={number}"),
            format!("number={}", number.to_lowercase().replace('-', "")),
            format!("email={email}"),
            format!("reference={reference}"),
            format!("customer={customer}"),
            format!("customer={customer}&state=confirmed"),
        ] {
            let answer = admin.get(&format!("/admin/orders?{query}")).await.expect(200).json();
            found.push((query, ids(&answer), vec![id.to_owned()]));
        }
    }
    let by_guest = guest.get(&format!("/admin/orders?email={}", guest.contact().unwrap())).await;
    let by_customer = ann.get(&format!("/admin/orders?customer={}", ann.uid)).await;
    let nothing = admin.get("/admin/orders?email=stranger@example.com").await.expect(200).json();
    let other_state = admin.get(&format!("/admin/orders?customer={}&state=shipped", ann.uid)).await.expect(200).json();

    for (query, found, wanted) in found {
        assert_eq!(found, wanted, "{query}");
    }
    assert_eq!((&nothing["items"], &nothing["nextCursor"]), (&json!([]), &Value::Null));
    assert_eq!(other_state["items"], json!([]));
    for refused in [by_guest, by_customer] {
        assert_eq!(refused.expect(403).code(), "admin_required");
    }
    // A customer does not see what only staff need.
    assert_eq!(of_ann["payment"].get("reference"), None);
}

#[tokio::test]
async fn orders_of_one_email_are_paged_newest_first_and_narrowed_by_state() {
    let shop = Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        options.policy.rates = None;
    })
    .await;
    let mug = shop.product("mug").stock(50).create().await;
    let (ann, bob) = (shop.customer().await, shop.customer().await);
    let mut placed = Vec::new();
    for number in 0..7 {
        // Two guests who leave the same address.
        let who = if number % 2 == 0 { &ann } else { &bob };
        who.adds(&mug, 1).await.expect(200);
        let body = with(who.checkout("tok_visa"), "contact", json!({"email": "ann@example.com"}));
        let order = who.post_once("/orders", &format!("an-order-number-{number}"), body).await.expect(201).json();
        placed.insert(0, order["orderId"].as_str().unwrap().to_owned());
        shop.clock.advance(SignedDuration::from_hours(9));
    }
    let admin = shop.admin().await;
    let ship = format!("/admin/orders/{}/ship", placed[3]);
    admin.post_once(&ship, "one-of-them-is-sent", Value::Null).await.expect(200);
    shop.drain().await;

    let all = pages(&admin, "/admin/orders?email=ann@example.com&limit=3").await;
    let shipped = pages(&admin, "/admin/orders?email=ann@example.com&state=shipped&limit=3").await;
    let of_ann = pages(&admin, &format!("/admin/orders?customer={}&limit=2", ann.uid)).await;
    let first = admin.get("/admin/orders?email=ann@example.com&limit=3").await.expect(200).json();
    let cursor = first["nextCursor"].as_str().unwrap();
    let of_another = admin.get(&format!("/admin/orders?email=bob@example.com&limit=3&cursor={cursor}")).await;

    let listed = |orders: &[Value]| ids(&json!({"items": orders}));
    assert_eq!(listed(&all), placed);
    assert_eq!(listed(&shipped), [placed[3].clone()]);
    assert_eq!(listed(&of_ann), [0, 2, 4, 6].map(|at| placed[at].clone()));
    assert_eq!(of_another.expect(400).code(), "cursor_invalid");
}

#[tokio::test]
async fn an_order_that_was_never_paid_is_found_by_number_and_email() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    let held = hold(&shop, &ann, "tok_visa", "a-request-that-died").await;
    shop.drain().await;
    shop.drain().await;

    let by_number = admin.get(&format!("/admin/orders?number={}", held.number())).await.expect(200).json();
    let by_email = admin.get(&format!("/admin/orders?email={}", ann.contact().unwrap())).await.expect(200).json();
    let open = format!("/admin/orders?number={}&state=pending_payment", held.number());
    let open = admin.get(&open).await.expect(200).json();

    for answer in [by_number, by_email, open] {
        assert_eq!(ids(&answer), [held.id.to_string()]);
    }
}

#[tokio::test]
async fn two_orders_with_one_number_are_two_results() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(9).create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    let first = hold(&shop, &ann, "tok_visa", "the-first-of-two-00").await;
    // Another order, placed a second later, whose id has the same last bits.
    let (high, low) = first.id.as_uuid().as_u64_pair();
    let twin = OrderId::try_from(uuid::Uuid::from_u64_pair(high + (1_000 << 16), low)).unwrap();
    let (client, table) = (shop.raw_client(), shop.table_of("ORDER#"));
    let key = |id: OrderId| AttributeValue::S(format!("ORDER#{id}"));
    let status = AttributeValue::S("STATUS".to_owned());
    let read = client.get_item().table_name(table).key("PK", key(first.id)).key("SK", status).send().await.unwrap();
    let copy = client.put_item().table_name(table).set_item(read.item).item("PK", key(twin));
    copy.send().await.unwrap();
    shop.drain().await;

    let found = admin.get(&format!("/admin/orders?number={}", first.number())).await.expect(200).json();

    assert_eq!(OrderNumber::from(twin), first.number());
    assert_eq!(ids(&found), [twin.to_string(), first.id.to_string()]);
}

#[tokio::test]
async fn each_order_is_written_once_for_the_search_whatever_happens_to_it_later() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    ann.adds(&mug, 1).await.expect(200);
    let order = ann.checks_out().await.expect(201).json();
    let id: OrderId = order["orderId"].as_str().unwrap().parse().unwrap();
    let paid = shop.stack.table.order_get_for_shop(id).await.unwrap().unwrap();
    let held = paid.as_of(1);
    let held = Order { payment: Payment { reference: None, ..held.payment.clone() }, ..held };
    let entries = async || {
        let items = shop.dump().await;
        let is_entry = |pk: &str| ["ORDERNO#", "CONTACT#", "PAYREF#"].iter().any(|prefix| pk.starts_with(prefix));
        items.iter().filter(|item| is_entry(item["PK"].as_str().unwrap_or_default())).count()
    };

    let (_, of_placing) = table::meter::measure(shop.stack.table.order_found_put(&held, None)).await;
    let (_, of_paying) = table::meter::measure(shop.stack.table.order_found_put(&paid, Some(&held))).await;
    let (_, of_later) = table::meter::measure(shop.stack.table.order_found_put(&paid, Some(&paid))).await;
    let before = entries().await;
    admin.post_once(&format!("/admin/orders/{id}/ship"), "shipped-after-that", Value::Null).await.expect(200);
    shop.drain().await;

    assert_eq!((before, entries().await), (3, 3));
    if e2e::engine_counts_like_aws() {
        assert_eq!((of_placing.total.wru, of_paying.total.wru, of_later.total.wru), (2.0, 1.0, 0.0));
    }
}
