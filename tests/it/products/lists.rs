//! Lists of products.

use std::collections::BTreeSet;

use domain::UserId;
use e2e::{Shop, Shopper, usd};
use jiff::SignedDuration;
use serde_json::json;
use table::{PriceRange, SortOrder};
use uuid::Uuid;

use super::{cards, knows_the_sales, listed, mug};

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
async fn pages_from_memory_are_those_that_the_table_has() {
    let shop = Shop::open().await;
    for i in 0..150 {
        // Eleven prices: more products of one price than a page shows, in every shard.
        shop.product(&format!("p{i:03}")).priced(500 + i * 7 % 11 * 100).create().await;
    }
    let range = PriceRange { min: 500, max: 1_200 };

    for (sort, order) in [("price", SortOrder::CheapestFirst), ("-price", SortOrder::DearestFirst)] {
        for limit in [2, 5, 7, 24, 36, 100] {
            let query = format!("limit={limit}&sort={sort}&minPrice=500&maxPrice=1200");
            let (mut expected, mut after) = (Vec::new(), None);
            loop {
                // Of each answer only the first page, so that no other is cut from a window.
                let pages = shop.stack.table.product_list_by_price(range, order, limit, after).await.unwrap();
                let page = pages.into_iter().next().unwrap();
                expected.extend(page.items.into_iter().map(|card| (card.price.amount_minor(), card.id.to_string())));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }

            let found = walk(&shop.stranger(), &query, usize::try_from(limit).unwrap()).await;

            assert_eq!(found, expected, "{query}");
            assert_eq!(found.len(), 109, "{query}");
        }
    }
}

#[tokio::test]
async fn a_shopper_who_turns_pages_while_products_come_and_go_sees_each_that_stays_once() {
    let shop = Shop::open().await;
    for i in 0..90 {
        shop.product(&format!("p{i:02}")).priced(500 + i % 5 * 100).create().await;
    }
    let (reader, admin, actor) = (shop.stranger(), shop.admin().await, "staff".parse::<UserId>().unwrap());

    let mut gone = BTreeSet::new();
    for (round, (sort, limit)) in [("price", 7), ("-price", 10), ("price", 3), ("-price", 24)].into_iter().enumerate() {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for turn in 0..100 {
            let page = reader.get(&format!("/products?sort={sort}&limit={limit}{cursor}")).await.expect(200).json();
            found.extend(cards(&page));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");

            // Here and in another environment, whose changes this one sees later.
            let (number, wait) = (round * 100 + turn, i64::try_from(turn % 4 * 8).unwrap());
            shop.clock.advance(SignedDuration::from_secs(wait));
            let cents = i64::try_from(500 + number * 3 % 5 * 100).unwrap();
            shop.product(&format!("new-{number}")).priced(cents).create().await;
            let removed = format!("p{:02}", number * 37 % 90);
            if turn % 3 == 0 && gone.insert(removed.clone()) {
                let page = shop.stack.table.product_get(&removed.parse().unwrap()).await.unwrap().unwrap();
                if turn % 2 == 0 {
                    shop.stack.table.product_delete(&page, &actor, Uuid::now_v7()).await.unwrap();
                } else {
                    admin.delete(&format!("/admin/products/{removed}")).await.expect(204);
                }
            }
        }

        let ids: BTreeSet<_> = found.iter().map(|(_, id)| id.clone()).collect();
        assert_eq!(ids.len(), found.len(), "{sort} {limit}: each once");
        let stayed = (0..90).map(|i| format!("p{i:02}")).filter(|id| !gone.contains(id));
        assert_eq!(stayed.filter(|id| !ids.contains(id)).collect::<Vec<_>>(), Vec::<String>::new(), "{sort} {limit}");
        // One that came may be of a shard that the list has not passed yet.
        let sign = if sort == "price" { 1 } else { -1 };
        found.retain(|(_, id)| id.starts_with('p'));
        assert!(found.is_sorted_by_key(|(cents, _)| sign * *cents), "{sort} {limit}: {found:?}");
    }
    assert!(gone.len() > 10, "{gone:?}");
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
    let rru = async || {
        knows_the_sales(&reader).await;
        reader.get("/products/featured").await.expect(200).cost().rru
    };

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
