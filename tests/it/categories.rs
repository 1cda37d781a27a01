//! Categories: listed in pages, counted by the stream, renamed and removed by staff, however many there are.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use domain::CategoryPath;
use e2e::{Shop, Shopper, engine_counts_like_aws, usd};
use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use ops::import::ImportOptions;
use serde_json::{Value, json};

#[tokio::test]
async fn categories_are_listed_parents_before_children_with_their_products() {
    let shop = Shop::with_stream().await;
    for (id, category) in
        [("wok", "Kitchen/Pans/Iron"), ("toy", "Kitchen Toys"), ("hat", "Apparel"), ("mug", "Kitchen/Mugs")]
    {
        shop.product(id).in_category(category).create().await;
    }
    shop.drain().await;

    let answer = shop.stranger().get("/categories").await.expect(200).json();

    let category = |path, name, depth, products, below| json!({"path": path, "name": name, "depth": depth, "products": products, "productsBelow": below});
    let expected = json!([
        category("Apparel", "Apparel", 1, 1, 0),
        category("Kitchen", "Kitchen", 1, 2, 2),
        category("Kitchen/Mugs", "Mugs", 2, 1, 0),
        category("Kitchen/Pans", "Pans", 2, 1, 1),
        category("Kitchen/Pans/Iron", "Iron", 3, 1, 0),
        category("Kitchen Toys", "Kitchen Toys", 1, 1, 0),
    ]);
    assert_eq!(answer, json!({"items": expected, "nextCursor": null}));
}

#[tokio::test]
async fn the_categories_right_below_one_are_a_list_of_their_own() {
    let shop = Shop::with_stream().await;
    for (id, category) in [("a", "Kitchen/Mugs/Blue"), ("b", "Kitchen/Pans"), ("c", "Kitchen Toys/Pans")] {
        shop.product(id).in_category(category).create().await;
    }
    shop.drain().await;
    let reader = shop.stranger();

    let children = async |parent: &str| paths(&reader.get(&format!("/categories?parent={parent}")).await.json());

    assert_eq!(children("").await, ["Kitchen", "Kitchen Toys"]);
    assert_eq!(children("Kitchen").await, ["Kitchen/Mugs", "Kitchen/Pans"]);
    assert_eq!(children("Kitchen/Mugs").await, ["Kitchen/Mugs/Blue"]);
    assert!(children("Kitchen/Pans").await.is_empty());
    assert!(children("Nowhere").await.is_empty());
    assert!(children("1/2/3/4").await.is_empty());
    let refused = reader.get("/categories?parent=Kitchen//Mugs").await;
    assert_eq!(refused.expect(422).code(), "category_invalid");
}

#[tokio::test]
async fn every_page_of_categories_follows_the_one_before_and_none_is_empty() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    for i in 0..12 {
        let category = match i % 4 {
            0 => format!("Shelf {i:02}"),
            1 => format!("Shelf/{i:02}"),
            2 => format!("Shelf/{i:02}/Left"),
            _ => format!("Shelf/{i:02}/Left/Top"),
        };
        shop.product(&format!("p{i}")).in_category(&category).create().await;
    }
    shop.drain().await;

    for (list, count) in [("?", 22), ("?parent=Shelf&", 9), ("?parent=&", 4)] {
        let whole = walk(&admin, &format!("/categories{list}limit=100")).await;
        assert_eq!(whole.iter().map(Vec::len).sum::<usize>(), count, "{list}");
        let expected = whole.concat();
        for limit in [1, 2, 3, 5, count] {
            for route in ["/categories", "/admin/categories"] {
                let pages = walk(&admin, &format!("{route}{list}limit={limit}")).await;
                assert_eq!(pages.concat(), expected, "{route}{list} {limit}");
                assert!(pages.iter().all(|page| !page.is_empty()), "{route}{list} {limit}: {pages:?}");
            }
        }
    }
    let inside = admin.get("/categories?parent=Shelf&limit=1").await.json()["nextCursor"].clone();
    let elsewhere = format!("/categories?limit=1&cursor={}", inside.as_str().expect("there is more"));
    assert_eq!(admin.get(&elsewhere).await.expect(400).code(), "cursor_invalid");
}

#[tokio::test]
async fn a_category_counts_products_that_come_go_and_move() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    for (id, category) in [("mug", "Kitchen/Mugs"), ("cup", "Kitchen/Mugs"), ("pan", "Kitchen")] {
        shop.product(id).in_category(category).create().await;
    }
    shop.drain().await;
    assert_eq!(counts(&admin).await, [("Kitchen", 3), ("Kitchen/Mugs", 2)].map(named));

    admin.patch("/admin/products/mug", json!({"category": ["Home", "Table"]})).await.expect(200);
    admin.patch("/admin/products/pan", json!({"category": []})).await.expect(200);
    admin.patch("/admin/products/cup", json!({"price": usd(5)})).await.expect(200);
    shop.drain().await;
    let moved = [("Home", 1), ("Home/Table", 1), ("Kitchen", 1), ("Kitchen/Mugs", 1)];
    assert_eq!(counts(&admin).await, moved.map(named));

    admin.delete("/admin/products/cup").await.expect(204);
    shop.drain().await;
    let gone = [("Home", 1), ("Home/Table", 1), ("Kitchen", 0), ("Kitchen/Mugs", 0)];
    assert_eq!(counts(&admin).await, gone.map(named));
}

#[tokio::test]
async fn shoppers_see_no_empty_category_and_staff_see_every_one() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    shop.product("mug").in_category("Kitchen/Mugs").create().await;
    shop.product("wok").in_category("Kitchen/Misspelt/Pans").create().await;
    shop.drain().await;

    admin.patch("/admin/products/wok", json!({"category": ["Kitchen", "Pans"]})).await.expect(200);
    shop.drain().await;

    let all = ["Kitchen", "Kitchen/Misspelt", "Kitchen/Misspelt/Pans", "Kitchen/Mugs", "Kitchen/Pans"];
    assert_eq!(paths(&admin.get("/admin/categories").await.expect(200).json()), all);
    let filled = ["Kitchen", "Kitchen/Mugs", "Kitchen/Pans"];
    assert_eq!(paths(&shop.stranger().get("/categories").await.json()), filled);
    let below = shop.stranger().get("/categories?parent=Kitchen&limit=2").await.json();
    assert_eq!(
        (paths(&below), &below["nextCursor"]),
        (filled[1..].iter().map(|p| (*p).to_owned()).collect(), &Value::Null)
    );
}

#[tokio::test]
async fn only_an_empty_category_can_be_removed() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    shop.product("mug").in_category("Kitchen/Mugs").create().await;
    shop.drain().await;
    let remove = async |path: &str| admin.delete(&format!("/admin/categories?category={path}")).await;

    for path in ["Kitchen", "Kitchen/Mugs"] {
        assert_eq!(remove(path).await.expect(409).code(), "category_not_empty", "{path}");
    }
    assert_eq!(remove("Nowhere").await.expect(404).code(), "not_found");

    admin.delete("/admin/products/mug").await.expect(204);
    shop.drain().await;
    assert_eq!(remove("Kitchen").await.expect(409).code(), "category_not_empty", "a category is below it");
    remove("Kitchen/Mugs").await.expect(204);
    remove("Kitchen").await.expect(204);
    assert_eq!(remove("Kitchen").await.expect(404).code(), "not_found");
    assert!(paths(&admin.get("/admin/categories").await.json()).is_empty());

    // A removed category is back as soon as a product is in it.
    shop.product("cup").in_category("Kitchen/Mugs").create().await;
    shop.drain().await;
    assert_eq!(counts(&admin).await, [("Kitchen", 1), ("Kitchen/Mugs", 1)].map(named));
}

#[tokio::test]
async fn a_renamed_category_takes_its_products_and_those_below_along() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    for (id, category) in [("mug", "Kitchen/Mugz"), ("cup", "Kitchen/Mugz/Blue"), ("pan", "Kitchen/Pans")] {
        shop.product(id).in_category(category).create().await;
    }
    shop.drain().await;

    let asked =
        admin.post("/admin/categories/renames", json!({"from": "Kitchen/Mugz", "to": "Table/Mugs"})).await.expect(202);
    let at = asked.header("location").expect("a place to look").to_owned();
    let begun = asked.json();
    assert_eq!((&begun["state"], &begun["moved"], &begun["total"]), (&json!("running"), &json!(0), &json!(2)));
    shop.sweep(None).await;
    let moved = admin.get(&at).await.expect(200).json();
    assert_eq!((&moved["state"], &moved["moved"], &moved["total"]), (&json!("running"), &json!(2), &json!(2)));

    // A product created in the old category while the rename runs.
    shop.product("jug").in_category("Kitchen/Mugz").create().await;
    shop.drain().await;
    shop.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(shop.sweep(None).await.moved, 1);
    shop.drain().await;
    shop.clock.advance(SignedDuration::from_mins(1));
    shop.sweep(None).await;

    let finished = admin.get(&at).await.expect(200).json();
    assert_eq!(
        (&finished["state"], &finished["moved"], &finished["total"]),
        (&json!("finished"), &json!(3), &json!(3))
    );
    let expected =
        [("Kitchen", 1), ("Kitchen/Pans", 1), ("Table", 3), ("Table/Mugs", 3), ("Table/Mugs/Blue", 1)].map(named);
    assert_eq!(counts(&admin).await, expected);
    let reader = shop.stranger();
    let cup = reader.get("/products/cup").await.json();
    assert_eq!((&cup["category"], &cup["version"]), (&json!(["Table", "Mugs", "Blue"]), &json!(2)));
    assert_eq!(listed(&reader, "Table").await, ["cup", "jug", "mug"].map(str::to_owned).into());
    assert!(listed(&reader, "Kitchen/Mugz").await.is_empty());
    let renames = admin.get("/admin/categories/renames").await.expect(200).json();
    assert_eq!((&renames["items"], &renames["nextCursor"]), (&json!([finished]), &Value::Null));
    // The rename can be reversed.
    admin.post("/admin/categories/renames", json!({"from": "Table/Mugs", "to": "Kitchen/Mugz"})).await.expect(202);
}

#[tokio::test]
async fn a_category_of_any_level_can_be_renamed() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    shop.product("mug").in_category("A/B/C/D").create().await;
    shop.drain().await;

    for (from, to) in [("A/B/C/D", "A/B/C/Z"), ("A/B/C", "A/B/Y"), ("A/B", "A/X"), ("A", "W")] {
        let asked = admin.post("/admin/categories/renames", json!({"from": from, "to": to})).await.expect(202);
        for _ in 0..2 {
            shop.sweep(None).await;
            shop.drain().await;
            shop.clock.advance(SignedDuration::from_mins(1));
        }
        shop.sweep(None).await;
        let rename = admin.get(asked.header("location").unwrap()).await.json();
        assert_eq!(rename["state"], "finished", "{from} to {to}");
    }

    let expected = [("W", 1), ("W/X", 1), ("W/X/Y", 1), ("W/X/Y/Z", 1)];
    assert_eq!(counts(&admin).await, expected.map(named));
}

#[tokio::test]
async fn renames_run_one_after_another_and_an_interrupted_one_is_resumed() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    for i in 0..30 {
        shop.product(&format!("p{i:02}")).in_category("A").create().await;
    }
    shop.drain().await;
    for (from, to) in [("A", "B"), ("B", "A")] {
        shop.stack.table.categories_add(&[path("B")].into()).await.unwrap();
        admin.post("/admin/categories/renames", json!({"from": from, "to": to})).await.expect(202);
        shop.clock.advance(SignedDuration::from_secs(1));
    }

    let cut_off = shop.sweep(Some(shop.clock.now() + SignedDuration::from_secs(1))).await;
    assert_eq!(cut_off.moved, 0);
    // Two sweeps at once move each product once.
    let (one, other) = tokio::join!(shop.sweep(None), shop.sweep(None));
    assert_eq!(one.moved + other.moved, 30);
    for _ in 0..4 {
        shop.drain().await;
        shop.clock.advance(SignedDuration::from_mins(1));
        shop.sweep(None).await;
    }

    let renames = admin.get("/admin/categories/renames").await.json();
    let state = |at: usize| (renames["items"][at]["from"].clone(), renames["items"][at]["state"].clone());
    assert_eq!((state(0), state(1)), ((json!("B"), json!("finished")), (json!("A"), json!("finished"))));
    assert_eq!(counts(&admin).await, [("A", 30)].map(named));
}

#[tokio::test]
async fn a_category_cannot_be_renamed_to_where_its_products_cannot_go() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    shop.product("mug").in_category("A/B/C").create().await;
    shop.product("pan").in_category("X").create().await;

    for (from, to, status, code) in [
        ("A", "A/B", 422, "rename_invalid"),
        ("A", "A", 422, "rename_invalid"),
        ("A", "X/Y", 202, ""),
        ("A", "X/Y/Z", 422, "category_too_deep"),
        ("A/B/C", "A/B/C/D/E", 422, "category_invalid"),
        ("Nowhere", "X", 404, "not_found"),
        ("", "X", 422, "category_invalid"),
    ] {
        let answer = admin.post("/admin/categories/renames", json!({"from": from, "to": to})).await.expect(status);
        assert_eq!(if status < 400 { String::new() } else { answer.code() }, code, "{from} to {to}");
    }
}

#[tokio::test]
async fn a_product_whose_new_path_is_too_deep_stays_and_is_counted_as_left() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    shop.product("mug").in_category("A").create().await;
    shop.drain().await;
    let asked = admin.post("/admin/categories/renames", json!({"from": "A", "to": "X/Y/Z"})).await.expect(202);
    shop.product("pan").in_category("A/B/C").create().await;

    for _ in 0..3 {
        shop.sweep(None).await;
        shop.drain().await;
        shop.clock.advance(SignedDuration::from_mins(1));
    }

    let rename = admin.get(asked.header("location").unwrap()).await.json();
    assert_eq!((&rename["state"], &rename["moved"], &rename["left"]), (&json!("finished"), &json!(1), &json!(1)));
    assert_eq!(shop.stranger().get("/products/pan").await.json()["category"], json!(["A", "B", "C"]));
}

#[tokio::test]
async fn an_old_table_is_migrated_and_a_second_migration_changes_nothing() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    for (id, category) in
        [("mug", "Kitchen/Mugs"), ("cup", "Kitchen/Mugs"), ("pan", "Kitchen/Pans"), ("hat", "Apparel")]
    {
        shop.product(id).in_category(category).create().await;
    }
    shop.drain().await;
    let table = &shop.stack.table;
    assert!(!ops::migrate::is_due(table).await.unwrap());
    make_before(&shop, &["Apparel", "Emptied", "Kitchen", "Kitchen/Mugs", "Kitchen/Pans"]).await;
    assert!(ops::migrate::is_due(table).await.unwrap());
    assert!(counts(&admin).await.is_empty());

    let first = ops::migrate::run(table, shop.clock.now(), None, |_| {}).await.unwrap();
    let after = shop.dump().await;
    let again = ops::migrate::run(table, shop.clock.now(), None, |_| {}).await.unwrap();

    assert_eq!((first.categories, first.products, first.counted), (5, 4, 4));
    assert_eq!((again.categories, again.products, again.counted), (5, 4, 0));
    assert_eq!(shop.dump().await, after);
    assert!(!ops::migrate::is_due(table).await.unwrap());
    let expected = [("Apparel", 1), ("Emptied", 0), ("Kitchen", 3), ("Kitchen/Mugs", 2), ("Kitchen/Pans", 1)];
    assert_eq!(counts(&admin).await, expected.map(named));
    // Stream records from before the migration are not counted twice.
    shop.drain().await;
    assert_eq!(counts(&admin).await, expected.map(named));
}

#[tokio::test]
async fn more_categories_than_one_item_can_hold_are_loaded_and_counted() {
    let shop = Shop::with_stream().await;
    let name = |level: usize, i: usize| format!("{level} {i:04} {}", "x".repeat(90));
    let line = |i: usize| {
        let category: Vec<_> = (0..4).map(|level| name(level, i)).collect();
        let id = format!("p{i}");
        json!({"id": id, "name": "P", "price": "1.00", "currency": "USD", "category": category}).to_string() + "\n"
    };
    // A kilobyte of paths each: 500 KB.
    let lines: String = (0..500).map(line).collect();
    let options = ImportOptions::new("staff", shop.clock.now());
    let reject = |reject| panic!("{reject:?}");

    let (table, descriptions) = (&shop.stack.table, &shop.stack.descriptions);
    let loaded = ops::import::import(table, descriptions, lines.as_bytes(), &options, reject, |_| {}).await;
    let new = json!({"productId": "new", "name": "P", "category": ["New"], "price": usd(1)});
    shop.admin().await.post("/admin/products", new).await.expect(201);
    shop.drain().await;

    assert_eq!(loaded.unwrap().created, 500);
    let pages = walk(&shop.stranger(), "/categories?limit=100").await;
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 4 * 500 + 1);
}

#[tokio::test]
async fn many_products_of_one_category_are_counted_side_by_side() {
    let shop = Shop::with_stream().await;
    let lines: String = (0..400)
        .map(|i| {
            let category = ["Kitchen", "Mugs", ["Blue", "Red"][i % 2]];
            let line =
                json!({"id": format!("p{i}"), "name": "P", "price": "1.00", "currency": "USD", "category": category});
            line.to_string() + "\n"
        })
        .collect();
    let options = ImportOptions::new("staff", shop.clock.now());
    let reject = |reject| panic!("{reject:?}");
    let (table, descriptions) = (&shop.stack.table, &shop.stack.descriptions);
    ops::import::import(table, descriptions, lines.as_bytes(), &options, reject, |_| {}).await.unwrap();

    let started = std::time::Instant::now();
    let (delivered, cost) = table::meter::measure(shop.stack.drain_streams()).await;
    println!("400 products counted in {:?}: {cost:?}", started.elapsed());

    assert_eq!(delivered.unwrap().given_up, 0);
    let expected = [("Kitchen", 400), ("Kitchen/Mugs", 400), ("Kitchen/Mugs/Blue", 200), ("Kitchen/Mugs/Red", 200)];
    assert_eq!(counts(&shop.admin().await).await, expected.map(named));
}

#[tokio::test]
async fn lists_cost_the_same_with_10_1000_and_50000_categories() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let mut there = 0;
    for all in [10, 1_000, 50_000] {
        put_categories(&shop, there..all).await;
        there = all;
        // The cached pages of the round before expire.
        shop.clock.advance(SignedDuration::from_mins(1));

        let tree = admin.get("/categories?limit=100").await.expect(200);
        let children = admin.get("/categories?parent=Root+00&limit=100").await.expect(200);
        let everything = admin.get("/admin/categories?limit=100").await.expect(200);
        let new = json!({"productId": format!("p{all}"), "name": "P", "category": ["Root 00", "New", all.to_string()], "price": usd(1)});
        let created = admin.post("/admin/products", new).await.expect(201);

        assert_eq!(tree.json()["items"].as_array().unwrap().len(), all.min(100));
        if engine_counts_like_aws() {
            let costs = [&tree, &children, &everything].map(|answer| answer.cost().rru);
            assert!(costs[0] <= 4.0 && costs[1] <= 1.0 && costs[2] <= 4.0 + 3.0, "{all}: {costs:?}");
            // Reads: the session and three category levels. Writes: the product and the new levels.
            let cost = created.cost();
            assert!(cost.rru <= 4.0 && cost.wru <= 16.0, "{all}: {cost:?}");
        }
    }
    let pages = walk(&admin, "/admin/categories?limit=100").await;
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 50_000 + 4);
    let whole = pages.concat();
    assert!(whole.is_sorted_by_key(|joined| path(joined)));
}

/// Categories of three levels: 100 at the top, 900 below those, and the rest below these.
async fn put_categories(shop: &Shop, range: std::ops::Range<usize>) {
    let client = shop.raw_client();
    let name = |i: usize| match i {
        0..100 => format!("Root {i:02}"),
        100..1_000 => format!("Root {:02}/Branch {i:03}", i % 100),
        _ => format!("Root {:02}/Branch {:03}/Leaf {i:05}", (100 + i % 900) % 100, 100 + i % 900),
    };
    let put = |i: usize| {
        let key = table::keys::category(&path(&name(i)));
        let item = PutRequest::builder()
            .item("PK", AttributeValue::S(key.pk))
            .item("SK", AttributeValue::S(key.sk))
            .item("own", AttributeValue::N("1".to_owned()))
            .build();
        WriteRequest::builder().put_request(item.unwrap()).build()
    };
    let all: Vec<_> = range.collect();
    let write = |some: &[usize]| {
        let requests = some.iter().map(|i| put(*i)).collect();
        let call = client.batch_write_item().request_items(shop.table_of("CAT#1"), requests).send();
        async move { call.await.unwrap() }
    };
    stream::iter(all.chunks(25)).map(write).buffer_unordered(8).collect::<Vec<_>>().await;
}

/// Turns the table into what an earlier version stored: all paths in one item, no counts.
pub async fn make_before(shop: &Shop, paths: &[&str]) {
    // Categories and products are of one kind.
    let (client, table) = (shop.raw_client(), shop.table_of("CAT#1"));
    for item in shop.dump().await {
        let (pk, sk) = (item["PK"].as_str().unwrap(), item["SK"].as_str().unwrap());
        if pk.starts_with("CAT#") || sk == "CATEGORY" {
            let key = |text: &str| AttributeValue::S(text.to_owned());
            client.delete_item().table_name(table).key("PK", key(pk)).key("SK", key(sk)).send().await.unwrap();
        }
    }
    let before = table::keys::categories_before();
    let item = client.put_item().table_name(table).item("PK", AttributeValue::S(before.pk));
    let item = item.item("SK", AttributeValue::S(before.sk));
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    item.item("paths", AttributeValue::Ss(paths)).send().await.unwrap();
}

fn path(joined: &str) -> CategoryPath {
    CategoryPath::parse(joined).unwrap()
}

fn paths(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("a list");
    items.iter().map(|item| item["path"].as_str().expect("a path").to_owned()).collect()
}

pub fn named((path, products): (&str, u64)) -> (String, u64) {
    (path.to_owned(), products)
}

/// Every category that staff see, with its number of products.
pub async fn counts(admin: &Shopper) -> Vec<(String, u64)> {
    let answer = admin.get("/admin/categories").await.expect(200).json();
    let products = answer["items"].as_array().unwrap().iter().map(|item| item["products"].as_u64().unwrap());
    paths(&answer).into_iter().zip(products).collect()
}

/// The pages of a list, from the first to the last.
async fn walk(reader: &Shopper, first: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = reader.get(&format!("{first}{cursor}")).await.expect(200).json();
        pages.push(paths(&page));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

async fn listed(reader: &Shopper, category: &str) -> BTreeSet<String> {
    let page = reader.get(&format!("/products?category={category}&limit=100")).await.expect(200).json();
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["productId"].as_str().unwrap().to_owned()).collect()
}
