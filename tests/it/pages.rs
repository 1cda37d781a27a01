//! Lists in pages: a page names the next one if something follows, and only then.

use domain::{ProductId, Review, ReviewText, Stars, UserId};
use e2e::{Shop, Shopper, usd};
use serde_json::{Value, json};

/// Every page of a list: how many items it holds, and whether it names another one.
async fn pages(reader: &Shopper, list: &str) -> Vec<(usize, bool)> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = reader.get(&format!("{list}{cursor}")).await.expect(200).json();
        let next = page["nextCursor"].as_str().map(str::to_owned);
        pages.push((page["items"].as_array().map_or(0, Vec::len), next.is_some()));
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
    panic!("{list} has no last page: {pages:?}");
}

#[tokio::test]
async fn a_list_of_products_whose_last_page_is_full_ends_with_it() {
    let shop = Shop::open().await;
    for i in 0..16 {
        let path = if i < 4 { "Kitchen/Mugs" } else { "Garden" };
        shop.product(&format!("p{i}")).priced(100 + i % 3).in_category(path).create().await;
    }
    let reader = shop.stranger();

    for query in ["", "&sort=-price", "&minPrice=100&maxPrice=102"] {
        for category in ["Kitchen", "Kitchen/Mugs"] {
            let of = async |limit: usize| {
                pages(&reader, &format!("/products?category={category}{query}&limit={limit}")).await
            };
            assert_eq!(of(4).await, [(4, false)], "{category} {query}");
            assert_eq!(of(2).await, [(2, true), (2, false)], "{category} {query}");
            assert_eq!(of(3).await, [(3, true), (1, false)], "{category} {query}");
            assert_eq!(of(100).await, [(4, false)], "{category} {query}");
        }
        let of = async |limit: usize| pages(&reader, &format!("/products?limit={limit}{query}")).await;
        assert_eq!(of(16).await, [(16, false)], "{query}");
        assert_eq!(of(8).await, [(8, true), (8, false)], "{query}");
        assert_eq!(of(1).await.last(), Some(&(1, false)), "{query}");
        assert_eq!(of(1).await.len(), 16, "{query}");
    }
    assert_eq!(pages(&reader, "/products?limit=3&minPrice=500").await, [(0, false)]);
}

#[tokio::test]
async fn a_list_of_orders_whose_last_page_is_full_ends_with_it() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").create().await;
    let (ann, admin) = (shop.customer().await, shop.admin().await);
    for _ in 0..4 {
        ann.adds(&mug, 1).await.expect(200);
        ann.checks_out().await.expect(201);
    }

    for list in ["/orders?", "/admin/orders?state=confirmed&"] {
        let reader = if list.starts_with("/admin") { &admin } else { &ann };
        let of = async |limit: usize| pages(reader, &format!("{list}limit={limit}")).await;
        assert_eq!(of(1).await, [(1, true), (1, true), (1, true), (1, false)], "{list}");
        assert_eq!(of(2).await, [(2, true), (2, false)], "{list}");
        assert_eq!(of(3).await, [(3, true), (1, false)], "{list}");
        assert_eq!(of(4).await, [(4, false)], "{list}");
        assert_eq!(of(5).await, [(4, false)], "{list}");
    }
    assert_eq!(pages(&admin, "/admin/orders?state=delivered&limit=1").await, [(0, false)]);
}

#[tokio::test]
async fn a_list_of_orders_in_one_open_state_skips_those_in_others() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let mug = shop.product("mug").create().await;
    let admin = shop.admin().await;
    let mut waiting = Vec::new();
    // Three whose payment is unknown among five that wait for one, some due in the same millisecond.
    for i in 0..8 {
        let ann = shop.customer().await;
        ann.adds(&mug, 1).await.expect(200);
        if i % 3 == 1 {
            ann.pays_with("tok_timeout_unpaid", "an-answer-that-was-lost").await.expect(202);
        } else {
            crate::orders::hold(&shop, &ann, "tok_visa", "held-and-never-paid").await;
        }
        waiting.push(ann);
    }

    let of =
        async |state: &str, limit: usize| pages(&admin, &format!("/admin/orders?state={state}&limit={limit}")).await;

    assert_eq!(of("payment_unknown", 3).await, [(3, false)]);
    assert_eq!(of("payment_unknown", 1).await, [(1, true), (1, true), (1, false)]);
    assert_eq!(of("payment_unknown", 2).await, [(2, true), (1, false)]);
    assert_eq!(of("pending_payment", 5).await, [(5, false)]);
    assert_eq!(of("pending_payment", 2).await, [(2, true), (2, true), (1, false)]);
    assert_eq!(of("refund_owed", 1).await, [(0, false)]);
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("/admin/orders?state=pending_payment&limit=1{cursor}")).await.expect(200).json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|o| o["orderId"].to_string()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let listed = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((listed, ids.len()), (5, 5), "each once");
}

#[tokio::test]
async fn a_list_of_renames_whose_last_page_is_full_ends_with_it() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    for name in ["A", "B"] {
        shop.product(&name.to_lowercase()).in_category(name).create().await;
        let rename = json!({"from": name, "to": format!("{name} and more")});
        admin.post("/admin/categories/renames", rename).await.expect(202);
    }

    let of = async |limit: usize| pages(&admin, &format!("/admin/categories/renames?limit={limit}")).await;

    assert_eq!(of(1).await, [(1, true), (1, false)]);
    assert_eq!(of(2).await, [(2, false)]);
    assert_eq!(of(3).await, [(2, false)]);
}

#[tokio::test]
async fn a_list_of_reviews_whose_last_page_is_full_ends_with_it() {
    let shop = Shop::open().await;
    let mug: ProductId = shop.product("mug").create().await;
    let table = &shop.stack.table;
    for name in ["ann", "bob", "cid", "dan"] {
        let customer: UserId = name.parse().unwrap();
        let (stars, text) = (Stars::new(4).unwrap(), ReviewText::parse("Holds tea.").unwrap());
        table.review_put(&Review { product: mug.clone(), customer, stars, text, at: shop.clock.now() }).await.unwrap();
    }

    let first = table.review_list(&mug, 2, None).await.unwrap();
    let second = table.review_list(&mug, 2, first.next.as_ref()).await.unwrap();
    let all = table.review_list(&mug, 4, None).await.unwrap();

    let names = |page: &table::Page<Review, _>| page.items.iter().map(|r| r.customer.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (names(&first), names(&second)),
        (vec!["ann".to_owned(), "bob".into()], vec!["cid".into(), "dan".into()])
    );
    assert!(first.next.is_some() && second.next.is_none() && all.next.is_none());
}

#[tokio::test]
async fn lists_without_pages_have_no_cursor() {
    let shop = Shop::open().await;
    let ann = shop.registered().await;
    let address = json!({"recipient": "Ann", "line1": "1 Harbour Street", "city": "Bristol", "country": "GB"});
    ann.post("/users/me/addresses", address).await.expect(201);
    shop.product("mug").featured(1).priced(100).create().await;

    for list in ["/users/me/addresses", "/sessions", "/products/featured"] {
        let page = ann.get(list).await.expect(200).json();
        assert_eq!((page["items"].as_array().map(Vec::len), &page["nextCursor"]), (Some(1), &Value::Null), "{list}");
    }
    assert_eq!(ann.get("/products?limit=1").await.expect(200).json()["items"][0]["price"], usd(100));
}
