//! How long a product is cached, by its function and by a browser.

use e2e::Shop;
use futures::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;

use super::{knows_the_sales, restock};

#[tokio::test]
async fn a_product_is_read_once_in_two_seconds() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let reader = shop.stranger();
    let rru = async |path| {
        knows_the_sales(&reader).await;
        reader.get(path).await.cost().rru
    };

    let first = (rru("/products/mug").await, rru("/products/gone").await);
    shop.clock.advance(SignedDuration::from_millis(1_999));
    let second = (rru("/products/mug").await, rru("/products/gone").await);
    shop.clock.advance(SignedDuration::from_millis(1));
    let third = (rru("/products/mug").await, rru("/products/gone").await);

    // A missing product is read twice, the second time consistently; not every engine counts that.
    let nothing = if e2e::engine_counts_like_aws() { 1.5 } else { 0.0 };
    assert_eq!([first, second, third], [(0.5, nothing), (0.0, 0.0), (0.5, nothing)]);
}

#[tokio::test]
async fn a_hundred_concurrent_requests_for_a_product_cost_one_read() {
    let shop = Shop::open().await;
    shop.product("mug").create().await;
    let reader = shop.stranger();
    knows_the_sales(&reader).await;

    let answers = join_all((0..100).map(|_| reader.get("/products/mug"))).await;

    let costs = answers.into_iter().map(|answer| answer.expect(200).cost().rru);
    assert_eq!(costs.sum::<f64>(), 0.5);
}

#[tokio::test]
async fn stock_after_a_sale_shows_after_two_seconds() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(3).create().await;
    let (reader, ann) = (shop.stranger(), shop.customer().await);
    reader.get("/products/mug").await.expect(200);

    ann.adds(&mug, 2).await.expect(200);
    ann.checks_out().await.expect(201);
    shop.clock.advance(SignedDuration::from_secs(2));

    assert_eq!(reader.get("/products/mug").await.json()["stock"]["available"], 1);
}

#[tokio::test]
async fn a_browser_that_has_the_current_product_is_answered_304() {
    let shop = Shop::open().await;
    shop.product("mug").described(&"x".repeat(2_000)).await.create().await;
    let (reader, admin) = (shop.stranger(), shop.admin().await);

    for (path, kept) in [("/products/mug", "public, max-age=2"), ("/products/mug/description", "public, max-age=60")] {
        let first = reader.get(path).await.expect(200);
        let tag = first.header("etag").expect("a tag");
        let second = reader.send(reader.request(Method::GET, path).header("if-none-match", tag)).await.expect(304);
        assert_eq!((second.text(), second.header("etag"), second.cost().s3), ("", Some(tag), 0.0), "{path}");
        assert_eq!([&first, &second].map(|answer| answer.header("cache-control")), [Some(kept); 2], "{path}");
    }

    restock(&admin, "mug", "restock-number-0001", 1).await.expect(201);
    let changed = reader.send(reader.request(Method::GET, "/products/mug").header("if-none-match", "\"1-100\"")).await;
    assert_eq!(changed.expect(200).header("etag"), Some("\"1-101-0-0\""));
}

#[tokio::test]
async fn lists_of_all_products_cost_less_than_a_read_unit_on_average() {
    let shop = Shop::open().await;
    for i in 0..240 {
        shop.product(&format!("p{i:03}")).priced(100 + i % 60 * 50).create().await;
    }
    let reader = shop.stranger();

    // A minute of shoppers: 60 first pages in either order, 25 second and 10 third ones, and 5 of a price range each.
    let (mut second, mut third) = ([String::new(), String::new()], [String::new(), String::new()]);
    let (mut rru, mut read) = (0.0, 0);
    for i in 0..100 {
        shop.clock.advance(SignedDuration::from_millis(600));
        let order = i % 2;
        let list = ["/products?sort=price", "/products?sort=-price"][order];
        let page = match i % 20 {
            0..12 => reader.get(list).await,
            12..17 => reader.get(&format!("{list}&cursor={}", second[order])).await,
            17..19 => reader.get(&format!("{list}&cursor={}", third[order])).await,
            _ => reader.get(&format!("{list}&minPrice={}&maxPrice=2000", 100 + i)).await,
        };
        let page = page.expect(200);
        let cost = page.cost().rru;
        let next = page.json()["nextCursor"].as_str().unwrap_or_default().to_owned();
        match i % 20 {
            0..12 => second[order] = next,
            12..17 => third[order] = next,
            _ => {}
        }
        rru += cost;
        read += usize::from(cost >= 4.0);
    }

    println!("100 lists of all products: {rru} RRU, {read} of them read the table");
    if e2e::engine_counts_like_aws() {
        assert!(rru <= 100.0, "{rru} RRU");
    }
}

#[tokio::test]
async fn a_list_of_all_products_is_read_once_in_thirty_seconds_with_the_pages_after_it() {
    let shop = Shop::open().await;
    for i in 0..60 {
        shop.product(&format!("p{i:02}")).priced(100 + i).create().await;
    }
    let reader = shop.stranger();
    let read = async |page: &str| {
        knows_the_sales(&reader).await;
        let page = reader.get(&format!("/products?limit=10{page}")).await.expect(200);
        (page.cost().rru, format!("&cursor={}", page.json()["nextCursor"].as_str().unwrap_or_default()))
    };

    let (first, cursor) = read("").await;
    let (second, cursor_of_third) = read(&cursor).await;
    let (third, _) = read(&cursor_of_third).await;
    shop.clock.advance(SignedDuration::from_millis(29_999));
    let (late, _) = read("").await;
    shop.clock.advance(SignedDuration::from_millis(1));
    let (expired, _) = read("").await;

    if e2e::engine_counts_like_aws() {
        assert_eq!([first, second, third, late, expired], [4.0, 0.0, 0.0, 0.0, 4.0]);
    }
}
