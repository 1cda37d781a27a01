//! Search from the outside: what a change of the catalogue does to it, and what it costs.

use e2e::{Shop, usd};
use generations::Generations;
use jiff::SignedDuration;
use reqwest::Method;
use search::Language;
use serde_json::{Value, json};
use table::{SearchManifest, StoredDescription, error_chain, meter};

use crate::sales::Sale;

/// The ids that a search answers with, in order.
async fn found(shop: &Shop, query: &str) -> Vec<String> {
    let answer = shop.stranger().get(&format!("/search?{query}")).await.expect(200).json();
    ids(&answer)
}

fn ids(answer: &Value) -> Vec<String> {
    let id = |item: &Value| item["productId"].as_str().unwrap().to_owned();
    answer["items"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn without_an_index_a_search_says_that_it_is_being_built() {
    let shop = Shop::with_stream().await;
    shop.product("mug").create().await;

    let answer = shop.stranger().get("/search?q=mug").await;

    assert_eq!((answer.status(), answer.code().as_str()), (503, "search_not_ready"));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn the_first_run_indexes_the_whole_catalogue() {
    let shop = Shop::with_stream().await;
    for i in 0..30 {
        shop.product(&format!("mug-{i}")).in_category("Kitchen/Mugs").create().await;
    }

    let report = shop.index().await;

    assert_eq!((report.generation, report.poison, report.lost), (1, 0, false));
    let answer = shop.stranger().get("/search?limit=10").await.expect(200);
    assert_eq!((answer.json()["total"].as_u64(), answer.header("x-search-generation")), (Some(30), Some("1")));
}

#[tokio::test]
async fn what_happens_to_a_product_is_right_in_the_index_after_the_next_run() {
    let shop = Shop::with_stream().await;
    let admin = shop.admin().await;
    shop.index().await;
    let patch = async |change: Value| {
        let request = admin.request(Method::PATCH, "/admin/products/mug").json(&change);
        admin.send(request).await.expect(200);
        shop.index().await;
    };

    let mug = shop.product("mug").in_category("Kitchen/Mugs").priced(800).stock(1).create().await;
    let before = shop.stranger().get("/search?category=Kitchen").await.expect(200).json();
    shop.index().await;
    let created = found(&shop, "category=Kitchen").await;
    patch(json!({"name": "Teapot", "price": usd(900)})).await;
    let renamed = (found(&shop, "q=teapot&minPrice=900").await, found(&shop, "maxPrice=899").await);
    let ann = shop.customer().await;
    ann.adds(&mug, 1).await.expect(200);
    ann.checks_out().await.expect(201);
    shop.index().await;
    let sold_out = (found(&shop, "q=teapot").await, found(&shop, "q=teapot&inStock=true").await);
    let rename = json!({"from": "Kitchen/Mugs", "to": "Kitchen/Pots"});
    admin.post_once("/admin/categories/renames", "rename-of-mugs-0001", rename).await.expect(202);
    shop.sweep(None).await;
    shop.index().await;
    let moved = (found(&shop, "category=Kitchen%2FPots").await, found(&shop, "category=Kitchen%2FMugs").await);

    assert_eq!((ids(&before), created), (vec![], vec!["mug".to_owned()]));
    assert_eq!(renamed, (vec!["mug".to_owned()], vec![]));
    assert_eq!(sold_out, (vec!["mug".to_owned()], vec![]));
    assert_eq!(moved, (vec!["mug".to_owned()], vec![]));
}

#[tokio::test]
async fn a_deleted_product_is_hidden_although_the_generation_still_has_it() {
    let shop = Shop::with_stream().await;
    shop.product("mug").create().await;
    shop.product("pot").create().await;
    shop.index().await;
    let admin = shop.admin().await;

    admin.delete("/admin/products/mug").await.expect(204);
    shop.drain().await;
    let hidden = shop.stranger().get("/search?sort=price").await.expect(200);
    shop.clock.advance(SignedDuration::from_secs(1));
    shop.product("mug").create().await;
    shop.index().await;
    let again = found(&shop, "sort=price").await;

    assert_eq!((ids(&hidden.json()), hidden.header("x-search-generation")), (vec!["pot".to_owned()], Some("1")));
    assert_eq!(hidden.json()["total"], 1);
    assert_eq!(again.len(), 2, "another product with its id is found: {again:?}");
}

#[tokio::test]
async fn a_product_costs_in_the_index_what_it_costs_in_its_sale() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").priced(900).stock(100).create().await;
    shop.index().await;
    let under = async || found(&shop, "maxPrice=600").await;

    let sale = Sale::of(&shop, &mug, 10, None).await;
    shop.index().await;
    let scheduled = under().await;
    let sale = sale.starts().await;
    shop.index().await;
    let (active, card) = (under().await, shop.stranger().get("/search").await.expect(200).json());
    sale.ends().await;
    shop.index().await;
    let over = under().await;

    assert_eq!((scheduled, active, over), (vec![], vec!["mug".to_owned()], vec![]));
    assert_eq!(
        (&card["items"][0]["price"]["amount"], &card["items"][0]["sale"]["price"]["amount"]),
        (&json!(900), &json!(500))
    );
}

#[tokio::test]
async fn a_run_without_changes_publishes_nothing() {
    let shop = Shop::with_stream().await;
    shop.product("mug").create().await;
    let first = shop.index().await;

    let (second, cost) = meter::measure(shop.index()).await;

    assert_eq!((first.generation, second.generation, second.changed), (1, 1, 0));
    assert_eq!(cost.total.wru, 0.0);
}

#[tokio::test]
async fn a_page_follows_the_one_before_and_a_browser_keeps_an_answer() {
    let shop = Shop::with_stream().await;
    for i in 0..7 {
        shop.product(&format!("mug-{i}")).priced(500 + i).create().await;
    }
    shop.index().await;
    let reader = shop.stranger();

    let (mut listed, mut path) = (Vec::new(), "/search?sort=price&limit=3".to_owned());
    loop {
        let page = reader.get(&path).await.expect(200).json();
        listed.extend(ids(&page));
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/search?sort=price&limit=3&cursor={cursor}"),
            None => break,
        }
    }
    let first = reader.get("/search?limit=3").await.expect(200);
    let etag = first.header("etag").unwrap().to_owned();
    let request = reader.request(Method::GET, "/search?limit=3").header("if-none-match", etag);
    let again = reader.send(request).await;

    assert_eq!(listed, (0..7).map(|i| format!("mug-{i}")).collect::<Vec<_>>());
    assert_eq!(again.status(), 304);
}

#[tokio::test]
async fn an_index_that_is_too_large_for_memory_is_searched_in_a_folder() {
    let shop = Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        options.search_index.in_memory_bytes = 0;
    })
    .await;
    shop.product("mug").create().await;
    shop.index().await;

    let first = found(&shop, "q=mug").await;
    shop.product("another-mug").create().await;
    shop.index().await;
    let second = found(&shop, "sort=newest").await;

    assert_eq!((first, second.len()), (vec!["mug".to_owned()], 2));
}

#[tokio::test]
async fn a_reader_keeps_its_generation_if_another_version_of_the_program_has_published_one() {
    let shop = Shop::with_stream().await;
    shop.product("mug").create().await;
    shop.product("pot").create().await;
    shop.index().await;
    let reader = shop.stranger();
    reader.get("/search").await.expect(200);
    let table = &shop.stack.table;
    let ours = table.search_state_get_consistent().await.unwrap().manifest.unwrap();
    let theirs = SearchManifest { generation: 2, schema: "another".to_owned(), ..ours };
    table.search_publish(&theirs).await.unwrap();

    let kept = reader.get("/search").await.expect(200);
    shop.admin().await.delete("/admin/products/pot").await.expect(204);
    shop.drain().await;
    let hidden = reader.get("/search").await.expect(200);
    let report = shop.index().await;
    let rebuilt = reader.get("/search").await.expect(200);

    assert_eq!((kept.header("x-search-generation"), kept.json()["total"].as_u64()), (Some("1"), Some(2)));
    assert_eq!((hidden.header("x-search-generation"), ids(&hidden.json())), (Some("1"), vec!["mug".to_owned()]));
    assert_eq!((report.generation, rebuilt.header("x-search-generation")), (3, Some("3")));
}

#[tokio::test]
async fn a_product_that_cannot_be_read_is_a_dead_letter_and_the_rest_is_indexed() {
    let shop = Shop::with_stream().await;
    shop.product("mug").create().await;
    shop.product("pot").described(&"<p>long</p>".repeat(500)).await.create().await;
    shop.index().await;
    let page = shop.stack.table.product_get(&"pot".parse().unwrap()).await.unwrap().unwrap();
    let Some(StoredDescription::Offloaded { s3_key, .. }) = page.record.description else { panic!("it is long") };
    shop.stack.descriptions.bucket().delete(&s3_key).await.unwrap();
    for id in ["mug", "pot"] {
        let id = id.parse().unwrap();
        shop.stack.table.search_change_note(&id, shop.clock.uuid_v7(), shop.clock.now()).await.unwrap();
    }

    let report = shop.index().await;

    assert_eq!((report.poison, report.changed), (1, 2));
    assert_eq!(found(&shop, "").await, ["mug"]);
    let letters = shop.stack.dead_letters.list(None).await.unwrap().objects;
    assert!(letters.len() == 1 && letters[0].key.starts_with("indexer/"), "{letters:?}");
    assert_eq!(shop.index().await.poison, 0, "it is not tried again by itself");
}

#[tokio::test]
async fn hostile_texts_are_searched_for_like_others() {
    let shop = Shop::with_stream().await;
    shop.product("mug").create().await;
    shop.index().await;
    let long = "a".repeat(7_000);

    for text in
        ["%00", "%22%27%28%29AND+OR", "name%3Amug%5E9", "%E2%80%AEgum", "%F0%9F%A5%A4", "%FF%FE", "*", "-mug", &long]
    {
        let answer = shop.stranger().get(&format!("/search?q={text}")).await;
        assert_eq!(answer.status(), 200, "{text}: {}", answer.text());
        let answer = shop.stranger().get(&format!("/search/suggest?q={text}")).await;
        assert_eq!(answer.status(), 200, "{text}: {}", answer.text());
    }
}

#[tokio::test]
async fn operators_see_the_index_make_it_again_and_compare_it() {
    let shop = Shop::with_stream().await;
    for i in 0..5 {
        shop.product(&format!("mug-{i}")).create().await;
    }
    shop.index().await;
    let table = &shop.stack.table;
    let generations = Generations::new(shop.stack.descriptions.bucket().clone());

    let poll = std::time::Duration::from_millis(10);
    let rebuild = ops::search::rebuild(table, &generations, "ops", false, poll, |_| {});
    let (manifest, _) = tokio::join!(rebuild, async {
        while table.search_state_get_consistent().await.unwrap().rebuild.is_none() {
            tokio::task::yield_now().await;
        }
        shop.index().await
    });
    let (status, right) =
        (ops::search::status(table).await.unwrap(), ops::search::verify(table, &generations, 100).await.unwrap());
    shop.stack
        .table
        .search_change_note(&"mug-0".parse().unwrap(), shop.clock.uuid_v7(), shop.clock.now())
        .await
        .unwrap();
    let waiting = ops::search::status(table).await.unwrap();

    assert_eq!(manifest.unwrap().generation, 2);
    assert_eq!((status.generation, status.documents, status.waiting, status.rebuilt), (2, 5, 0, None));
    assert!(right.is_right() && right.compared == 5, "{right}");
    assert_eq!(waiting.waiting, 1);
}

#[tokio::test]
async fn rules_put_a_product_first_and_are_not_replaced_unseen() {
    let shop = Shop::with_stream().await;
    for i in 0..3 {
        shop.product(&format!("mug-{i}")).create().await;
    }
    shop.index().await;
    let table = &shop.stack.table;
    let generations = Generations::new(shop.stack.descriptions.bucket().clone());
    let put = async |text: &str, replaces| {
        ops::search::put_rules(table, &generations, Language::English, text.to_owned(), replaces).await
    };
    let pinned = json!({"queries": [{"query": "mug", "pin": ["mug-2"]}]}).to_string();

    let before = found(&shop, "q=mug").await;
    let version = put(&pinned, 0).await.unwrap();
    let after = found(&shop, "q=mug").await;
    let unseen = put(&pinned, 0).await.unwrap_err().to_string();
    let wrong = put("{\"queries\": [{\"query\": \"mug\", \"pin\": [\"#\"]}]}", 1).await.unwrap_err();

    assert_eq!((before[0].as_str(), after[0].as_str(), version), ("mug-0", "mug-2", 1));
    assert!(unseen.contains("version 1 by now"), "{unseen}");
    assert!(error_chain(&wrong).contains("queries[0].pin[0]: is not a product id"), "{}", error_chain(&wrong));
    assert_eq!(ops::search::rules(table, &generations, Language::English).await.unwrap(), (1, pinned));
}

#[tokio::test]
async fn a_generation_whose_files_were_deleted_is_made_again() {
    let shop = Shop::with_stream().await;
    shop.product("mug").create().await;
    shop.index().await;
    let reader = shop.stranger();
    reader.get("/search").await.expect(200);
    let bucket = shop.stack.descriptions.bucket();
    for object in bucket.list("search/files/", None).await.unwrap().objects {
        bucket.delete(&object.key).await.unwrap();
    }
    // As another environment: it has nothing of the generation in memory.
    let table = shop.stack.table.clone();
    let letters = shop.stack.dead_letters.clone();
    let indexer =
        indexer::State::new(table, shop.stack.descriptions.clone(), letters, shop.clock.clone(), Language::English);
    shop.product("pot").create().await;
    shop.drain().await;

    let first = indexer::run(&indexer, None).await.unwrap();
    let meanwhile = reader.get("/search").await.expect(200);
    let second = indexer::run(&indexer, None).await.unwrap();

    assert_eq!((first.generation, second.generation), (1, 2));
    assert_eq!(meanwhile.json()["total"], 1);
    assert_eq!(found(&shop, "").await.len(), 2);
}
