//! Lists of products.

use std::collections::BTreeSet;

use e2e::{Shop, Shopper, usd};
use jiff::SignedDuration;
use serde_json::json;

use super::{cards, listed, mug};

#[tokio::test]
async fn a_category_lists_its_own_products_and_those_below_by_price() {
    let shop = Shop::open().await;
    for (id, cents, category) in [
        ("mug", 899, "Kitchen/Mugs"),
        ("cup", 500, "Kitchen/Mugs"),
        ("wok", 2_500, "Kitchen/Pans/Iron"),
        ("lamp", 1_000, "Home"),
        ("toy", 700, "Kitchen Toys"),
        ("stove", 9_000, "Garden/Camping/Cooking/Stoves"),
    ] {
        shop.product(id).priced(cents).in_category(category).create().await;
    }

    let expected: [(&str, &[&str]); 11] = [
        ("?category=Kitchen", &["cup", "mug", "wok"]),
        ("?category=Kitchen&sort=price", &["cup", "mug", "wok"]),
        ("?category=Kitchen&sort=-price", &["wok", "mug", "cup"]),
        ("?category=Kitchen/Pans", &["wok"]),
        ("?category=Kitchen/Pans/Iron", &["wok"]),
        ("?category=Garden/Camping/Cooking/Stoves", &["stove"]),
        ("?category=Pans", &[]),
        ("?category=Kitchen&minPrice=500&maxPrice=899", &["cup", "mug"]),
        ("?category=Kitchen&minPrice=501&maxPrice=898", &[]),
        ("?minPrice=700&maxPrice=1000", &["toy", "mug", "lamp"]),
        ("?minPrice=700&maxPrice=1000&sort=-price", &["lamp", "mug", "toy"]),
    ];
    for (query, ids) in expected {
        assert_eq!(listed(&shop, query).await, ids, "{query}");
    }
}

#[tokio::test]
async fn every_page_of_a_list_follows_the_one_before_without_gap_or_repetition() {
    let shop = Shop::open().await;
    for i in 0..50 {
        let category = if i % 2 == 0 { "Shelf/Upper" } else { "Shelf/Lower" };
        // Three prices for fifty products: most neighbours cost the same.
        shop.product(&format!("p{i:02}")).priced(500 + i % 3 * 100).in_category(category).create().await;
    }

    for list in ["", "&category=Shelf", "&minPrice=500&maxPrice=700", "&category=Shelf&minPrice=500&maxPrice=700"] {
        for (sort, sign) in [("price", 1_i64), ("-price", -1)] {
            for limit in [7, 25, 100] {
                let query = format!("limit={limit}&sort={sort}{list}");
                let found = walk(&shop.stranger(), &query, limit).await;
                let ids: BTreeSet<_> = found.iter().map(|(_, id)| id).collect();
                assert_eq!((found.len(), ids.len()), (50, 50), "{query}");
                assert!(found.is_sorted_by_key(|(cents, _)| sign * *cents), "{query}: {found:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_with_the_longest_ids_and_highest_prices_is_accepted() {
    let shop = Shop::open().await;
    for i in 0..60 {
        shop.product(&format!("{i:0>64}")).priced(9_999_999_000 + i).create().await;
    }

    let found = walk(&shop.stranger(), "limit=40", 40).await;

    assert_eq!(found.len(), 60);
}

#[tokio::test]
async fn lists_follow_a_product_that_moves_or_changes_its_price() {
    let shop = Shop::open().await;
    shop.product("mug").priced(899).in_category("Kitchen/Mugs").create().await;
    shop.product("cup").priced(500).in_category("Kitchen/Mugs").create().await;
    let admin = shop.admin().await;

    admin.patch("/admin/products/mug", json!({"price": usd(100)})).await.expect(200);
    assert_eq!(listed(&shop, "?category=Kitchen/Mugs").await, ["mug", "cup"]);
    assert_eq!(listed(&shop, "").await, ["mug", "cup"]);

    admin.patch("/admin/products/mug", json!({"category": ["Home"]})).await.expect(200);
    for (category, ids) in [("Kitchen", ["cup"]), ("Kitchen/Mugs", ["cup"]), ("Home", ["mug"])] {
        assert_eq!(listed(&shop, &format!("?category={category}")).await, ids, "{category}");
    }

    admin.patch("/admin/products/mug", json!({"category": []})).await.expect(200);
    assert!(listed(&shop, "?category=Home").await.is_empty());
    assert_eq!(listed(&shop, "").await, ["mug", "cup"]);
}

#[tokio::test]
async fn featured_products_are_listed_by_rank() {
    let shop = Shop::open().await;
    for (id, rank) in [("third", 30), ("first", 1), ("second", 2)] {
        shop.product(id).featured(rank).create().await;
    }
    shop.product("plain").create().await;
    let (reader, admin) = (shop.stranger(), shop.admin().await);
    let rru = async || reader.get("/products/featured").await.expect(200).cost().rru;

    assert_eq!((rru().await, rru().await), (0.5, 0.0));
    assert_eq!(listed(&shop, "/featured").await, ["first", "second", "third"]);

    admin.patch("/admin/products/second", json!({"featuredRank": null})).await.expect(200);
    assert_eq!(listed(&shop, "/featured").await, ["first", "third"]);

    // Written by another environment: this one shows it when its cached list expires.
    shop.product("zeroth").featured(0).create().await;
    assert_eq!(listed(&shop, "/featured").await, ["first", "third"]);
    shop.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(listed(&shop, "/featured").await, ["zeroth", "first", "third"]);
}

#[tokio::test]
async fn a_category_may_have_a_slash_or_a_percent_sign_in_its_name() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    let mut wrap = mug();
    wrap["category"] = json!(["sandwiches/wraps", "100% rye"]);

    admin.post("/admin/products", wrap.clone()).await.expect(201);
    shop.drain().await;

    assert_eq!(shop.stranger().get("/products/mug").await.json()["category"], wrap["category"]);
    let categories = shop.stranger().get("/categories").await.json();
    assert_eq!(categories["items"][0]["path"], "sandwiches%2Fwraps");
    assert_eq!(categories["items"][1]["path"], "sandwiches%2Fwraps/100%25 rye");
    assert_eq!(listed(&shop, "?category=sandwiches%252Fwraps").await, ["mug"]);
    assert_eq!(listed(&shop, "?category=sandwiches%252Fwraps%2F100%2525%20rye").await, ["mug"]);
    assert!(listed(&shop, "?category=sandwiches%2Fwraps").await.is_empty());
    assert!(listed(&shop, "?category=sandwiches").await.is_empty());
}

/// Price and id of every product of a list, page by page.
async fn walk(reader: &Shopper, query: &str, limit: usize) -> Vec<(i64, String)> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = reader.get(&format!("/products?{query}{cursor}")).await.expect(200).json();
        let cards = cards(&page);
        assert!(cards.len() <= limit, "a page of {} for limit {limit}", cards.len());
        found.extend(cards);
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
    panic!("{query} has no last page");
}
