//! Importing a catalogue: bad lines are rejected, and a second import changes nothing.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read},
};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Product, ProductId};
use e2e::{Shop, usd};
use jiff::SignedDuration;
use local::Seed;
use ops::import::{self, ImportError, ImportOptions, ImportReport, Reject};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// What the local stack is seeded with.
const SAMPLE: &str = include_str!("../../infra/local/assets/catalog.jsonl");

/// Two lines, a mug and a cup, compressed by gzip.
const GZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\x56\xca\x4c\x51\xb2\x52\xca\x2d\x4d\x57\xd2\x51\
    \xca\x4b\xcc\x4d\x05\x72\x7c\xc1\x9c\x82\xa2\xcc\x64\x10\xcf\x42\xcf\xd2\x12\xc8\x4d\x2e\x2d\x2a\x4a\xcd\x4b\xae\
    \x04\x8a\x84\x06\xbb\x28\xd5\x72\x55\x43\x74\x26\x97\x16\x90\xaa\x13\x00\xe4\xde\xb5\x09\x74\x00\x00\x00";

#[tokio::test]
async fn the_sample_shop_can_be_browsed_from_end_to_end() {
    let shop = Shop::open_with(|options| options.seed = Seed::Sample).await;
    let reader = shop.stranger();

    let products = listed(&shop, "").await;
    let categories = reader.get("/categories").await.expect(200).json();
    let featured = reader.get("/products/featured").await.expect(200).json();

    assert_eq!((products.len(), SAMPLE.lines().count()), (60, 60));
    let mut below_the_outermost = 0;
    for category in items(&categories) {
        let path = category["path"].as_str().expect("a path");
        let inside = listed(&shop, &format!("&category={path}")).await;
        assert!(!inside.is_empty() && inside.is_subset(&products), "{path}");
        below_the_outermost += if category["depth"] == 1 { inside.len() } else { 0 };
    }
    assert_eq!(below_the_outermost, 60);
    assert_eq!((items(&featured).len(), &featured["items"][0]["productId"]), (8, &json!("mug-blue")));
    for id in &products {
        let product = reader.get(&format!("/products/{id}")).await.expect(200).json();
        let thumbnail = product["thumbnail"].as_str().expect("a picture");
        assert_eq!(reader.get(&format!("/{thumbnail}")).await.header("content-type"), Some("image/svg+xml"));
        assert!(!reader.get(&format!("/products/{id}/description")).await.expect(200).text().is_empty(), "{id}");
    }
}

#[tokio::test]
async fn bad_lines_are_reported_and_the_rest_is_imported() {
    let shop = Shop::open().await;
    let no_price = json!({"id": "jug", "name": "Jug", "price": null, "currency": "USD"}).to_string();
    let id_rule = "id: must be 1 to 64 characters of A-Z a-z 0-9 . _ -";
    let lines = [
        line("mug", "8.99"),
        r#"{"id": "jug", "name""#.to_owned(),
        no_price,
        line("a#b", "8.99"),
        String::new(),
        line("mug", "1.00"),
        line("jug", "-1.00"),
        line("cup", "5.00"),
    ];

    let (report, rejects) = load(&shop, text(&lines).as_bytes()).await;

    let report = report.expect("bad lines do not stop an import");
    assert_eq!(counts(&report), (2, 0, 0, 5));
    let expected = [
        (2, "line: is not a JSON object"),
        (3, "price: is missing"),
        (4, id_rule),
        (6, "id: was on line 1 already"),
        (7, "price: \"-1.00\" is not an amount of USD"),
    ];
    assert_eq!(rejects.iter().map(|r| r.line).collect::<Vec<_>>(), expected.map(|(line, _)| line));
    for (reject, (line, reason)) in rejects.iter().zip(expected) {
        assert!(reject.reason.starts_with(reason), "{reject:?}");
        assert_eq!(reject.text, lines[line - 1]);
    }
    assert_eq!(listed(&shop, "").await, ids(["cup", "mug"]));
    assert_eq!(shop.stranger().get("/products/mug").await.json()["price"], usd(899));
}

#[tokio::test]
async fn importing_the_same_again_writes_nothing() {
    let shop = Shop::open_with(|options| options.seed = Seed::Sample).await;
    let before = shop.dump().await;
    shop.clock.advance(SignedDuration::from_hours(1));

    let (report, rejects) = load(&shop, SAMPLE.as_bytes()).await;

    let report = report.expect("the sample is good");
    assert_eq!((counts(&report), rejects.len()), ((0, 0, 60, 0), 0));
    assert_eq!(report.cost.wru, 0.0);
    assert_eq!(shop.dump().await, before);
}

#[tokio::test]
async fn a_changed_price_updates_that_product_and_keeps_its_stock() {
    let shop = Shop::open().await;
    let others = [line("cup", "5.00"), line("jug", "7.50")];
    load(&shop, (line("mug", "8.99") + "\n" + &text(&others)).as_bytes()).await.0.expect("good lines");
    let mug = mug();
    let ann = shop.customer().await;
    ann.adds(&mug, 2).await.expect(200);
    ann.checks_out().await.expect(201);

    let (report, _) = load(&shop, (line("mug", "9.99") + "\n" + &text(&others)).as_bytes()).await;

    assert_eq!(counts(&report.expect("good lines")), (0, 1, 2, 0));
    let read = shop.stranger().get("/products/mug").await.expect(200).json();
    assert_eq!((&read["price"], &read["version"], &read["stock"]["available"]), (&usd(999), &json!(2), &json!(3)));
    assert_eq!(listed(&shop, "&minPrice=999").await, ids(["mug"]));
}

#[tokio::test]
async fn a_missing_field_keeps_its_value_and_null_clears_it() {
    let shop = Shop::open().await;
    let described = format!("<p>{}</p>", "Blue. ".repeat(300));
    let whole = json!({
        "id": "mug", "name": "Mug", "price": "8.99", "currency": "USD", "category": ["Kitchen", "Mugs"],
        "thumbnail": "images/mug.svg", "manufacturer": "Potter", "attrs": {"colour": "blue", "volume": 300},
        "source": "supplier", "license": "MIT", "featuredRank": 3, "description": described, "stock": 7,
    });
    load(&shop, whole.to_string().as_bytes()).await.0.expect("a good line");
    let read = async || {
        // Reads are cached for a moment.
        shop.clock.advance(SignedDuration::from_mins(1));
        let mut product = shop.stranger().get("/products/mug").await.expect(200).json();
        product.as_object_mut().expect("an object").remove("updatedAt");
        product
    };
    let (before, mut line) = (read().await, json!({"id": "mug", "name": "Mug", "price": "9.99", "currency": "USD"}));

    load(&shop, line.to_string().as_bytes()).await.0.expect("a good line");
    let repriced = read().await;
    (line["attrs"], line["license"], line["manufacturer"]) = (json!({"colour": "red"}), Value::Null, Value::Null);
    load(&shop, line.to_string().as_bytes()).await.0.expect("a good line");
    let changed = read().await;
    for part in ["category", "thumbnail", "attrs", "source", "featuredRank", "description"] {
        line[part] = Value::Null;
    }
    load(&shop, line.to_string().as_bytes()).await.0.expect("a good line");
    let cleared = read().await;

    let mut expected = before.clone();
    (expected["price"], expected["version"]) = (usd(999), json!(2));
    assert_eq!(repriced, expected);
    assert_eq!(changed["attributes"], json!({"colour": "red", "source": "supplier"}));
    assert_eq!((changed.get("manufacturer"), &changed["thumbnail"]), (None, &before["thumbnail"]));
    assert_eq!((&cleared["category"], &cleared["attributes"]), (&json!([]), &json!({})));
    assert_eq!((cleared.get("thumbnail"), cleared.get("featuredRank")), (None, None));
    assert_eq!((&cleared["hasDescription"], &cleared["stock"]["available"]), (&json!(false), &json!(7)));
}

#[tokio::test]
async fn with_replace_a_missing_field_is_cleared() {
    let shop = Shop::open().await;
    load(&shop, line("mug", "8.99").as_bytes()).await.0.expect("a good line");
    let partial = json!({"id": "mug", "name": "Mug", "price": "9.99", "currency": "USD"}).to_string();

    let whole = ImportOptions { replace: true, ..options(&shop) };
    let (report, _) = load_with(&shop, partial.as_bytes(), &whole).await;

    assert_eq!(counts(&report.expect("a good line")), (0, 1, 0, 0));
    assert_eq!(shop.stranger().get("/products/mug").await.expect(200).json()["category"], json!([]));
}

#[tokio::test]
async fn attributes_that_are_too_large_together_with_kept_ones_are_rejected() {
    let shop = Shop::open().await;
    let with = |name: &str| {
        let mut line: Value = serde_json::from_str(&line("mug", "8.99")).expect("a line");
        line[name] = if name == "attrs" { json!({"colour": "x".repeat(1_000)}) } else { json!("y".repeat(1_000)) };
        line.to_string()
    };
    load(&shop, with("attrs").as_bytes()).await.0.expect("a good line");

    let (report, rejects) = load(&shop, with("source").as_bytes()).await;

    assert_eq!(counts(&report.expect("the import went through")), (0, 0, 0, 1));
    assert!(rejects[0].reason.starts_with("attrs: together with the existing ones"), "{rejects:?}");
}

#[tokio::test]
async fn importing_the_same_again_does_not_undo_what_staff_changed() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let file = text(&[line("mug", "8.99"), line("cup", "5.00")]);
    load(&shop, file.as_bytes()).await.0.expect("good lines");
    let by_hand = json!({"name": "The best mug", "price": usd(950)});
    admin.patch("/admin/products/mug", by_hand).await.expect(200);
    let whole = json!({"name": "A cup", "price": usd(550), "category": []});
    admin.put("/admin/products/cup", whole).await.expect(200);
    let before = shop.dump().await;

    let (again, _) = load(&shop, file.as_bytes()).await;
    let after = shop.dump().await;
    let (new_price, _) = load(&shop, line("mug", "7.99").as_bytes()).await;
    let repriced = shop.stranger().get("/products/mug").await.expect(200).json();
    let forced = ImportOptions { force: true, ..options(&shop) };
    let (all, _) = load_with(&shop, file.as_bytes(), &forced).await;

    assert_eq!((counts(&again.expect("good lines")), after == before), ((0, 0, 2, 0), true));
    assert_eq!(counts(&new_price.expect("a good line")), (0, 1, 0, 0));
    assert_eq!((&repriced["price"], &repriced["name"]), (&usd(799), &json!("The mug")), "all fields are overwritten");
    assert_eq!(counts(&all.expect("good lines")), (0, 2, 0, 0));
    let cup = shop.stranger().get("/products/cup").await.expect(200).json();
    assert_eq!((&cup["name"], &cup["category"]), (&json!("The cup"), &json!(["Kitchen", "Mugs"])));
}

#[tokio::test]
async fn a_product_imported_without_a_digest_is_compared_once_and_then_has_one() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let mug = line("mug", "8.99");
    load(&shop, mug.as_bytes()).await.0.expect("a good line");
    let forget = shop.raw_client().update_item().table_name(shop.table_of("PROD#mug"));
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let forget = forget.key("PK", key("PROD#mug")).key("SK", key("META#mug"));
    forget.update_expression("REMOVE importDigest").send().await.expect("the engine answers");

    let (first, _) = load(&shop, mug.as_bytes()).await;
    let version = shop.stranger().get("/products/mug").await.json()["version"].clone();
    admin.patch("/admin/products/mug", json!({"price": usd(950)})).await.expect(200);
    let (second, _) = load(&shop, mug.as_bytes()).await;

    assert_eq!((counts(&first.expect("a good line")), version), ((0, 0, 1, 0), json!(1)));
    assert_eq!(counts(&second.expect("a good line")), (0, 0, 1, 0));
    assert_eq!(shop.stranger().get("/products/mug").await.json()["price"], usd(950));
}

#[tokio::test]
async fn an_import_never_writes_over_what_staff_change_at_the_same_time() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    load(&shop, line("mug", "8.99").as_bytes()).await.0.expect("a good line");

    for round in 0..10_i64 {
        let before = product(&shop).await.version;
        let renames = admin.patch("/admin/products/mug", json!({"name": format!("The mug of round {round}")}));
        let file = line("mug", &format!("9.{round:02}"));
        let ((report, rejects), renamed) = tokio::join!(load(&shop, file.as_bytes()), renames);

        let (report, after) = (report.expect("a good line"), product(&shop).await);
        assert_eq!(
            (report.updated, rejects.len(), after.details.price.amount_minor()),
            (1, 0, 900 + round),
            "{report}"
        );
        // Staff who write second get a 412; no change is lost silently.
        let changes = 1 + u64::from(renamed.status() == 200);
        assert!(matches!(renamed.status(), 200 | 412), "{}", renamed.status());
        assert_eq!(after.version, before + changes, "round {round}");
    }
}

#[tokio::test]
async fn a_file_of_another_format_is_one_error_and_writes_nothing() {
    let shop = Shop::open().await;
    let before = shop.dump().await;
    let array = format!("[{}]", line("mug", "8.99"));

    for (file, named) in
        [("id,name,price\nmug,Mug,8.99\ncup,Cup,5.00\n", "CSV"), (array.as_str(), "array"), ("{}\r{}\r", "(CR)")]
    {
        let (stopped, rejects) = load(&shop, file.as_bytes()).await;

        let error = stopped.expect_err("it is no JSON Lines").to_string();
        assert!(error.contains("not JSON Lines") && error.contains(named), "{error}");
        assert_eq!(rejects, []);
    }
    assert_eq!(shop.dump().await, before);
}

#[tokio::test]
async fn an_import_whose_file_ends_in_a_read_error_completes_when_it_is_run_again() {
    let shop = Shop::open().await;
    let lines: Vec<_> = (0..250).map(|i| line(&format!("p{i:03}"), "8.99")).collect();
    let (whole, readable) = (text(&lines), text(&lines[..230]));

    let (cut, _) = load(&shop, readable.as_bytes().chain(BufReader::new(Unreadable))).await;
    let there = listed(&shop, "").await.len();
    let (again, _) = load(&shop, whole.as_bytes()).await;

    assert!(matches!(cut, Err(ImportError::Read { line: 231, .. })), "{cut:?}");
    assert!((1..250).contains(&there), "{there} products went in");
    is_complete(&shop, again, &whole).await;
}

#[tokio::test]
async fn an_import_that_was_killed_completes_when_it_is_run_again() {
    let shop = Shop::open().await;
    let lines: Vec<_> = (0..250).map(|i| line(&format!("p{i:03}"), "8.99")).collect();
    let (whole, one_batch_in) = (text(&lines), Notify::new());
    let (stack, options) = (&shop.stack, options(&shop));

    let (reject, progress) = (|_: Reject| Ok(()), |_| one_batch_in.notify_one());
    tokio::select! {
        biased;
        () = one_batch_in.notified() => {}
        _ = import::import(&stack.table, &stack.descriptions, whole.as_bytes(), &options, reject, progress) => {
            panic!("the import ended before it was killed");
        }
    }
    let (again, _) = load(&shop, whole.as_bytes()).await;

    is_complete(&shop, again, &whole).await;
}

#[tokio::test]
async fn importing_again_restores_whichever_item_of_a_product_is_missing() {
    for missing in [&["product"][..], &["stock", "ledger"], &["product", "stock", "ledger"]] {
        after_losing(missing).await;
    }
}

#[tokio::test]
async fn the_ledger_has_the_first_stock_once_wherever_the_import_stopped() {
    // An import writes the stock, the ledger, then the product. Earlier versions wrote the stock last.
    for missing in [&["product", "ledger"][..], &["product"], &["stock"], &["product", "stock"]] {
        after_losing(missing).await;
    }
}

#[tokio::test]
async fn an_interrupted_import_repeated_with_another_stock_has_the_new_stock() {
    for missing in [&["product", "ledger"][..], &["product"]] {
        let shop = Shop::open().await;
        load(&shop, line("mug", "8.99").as_bytes()).await.0.expect("a good line");
        lose(&shop, missing).await;

        let corrected = line("mug", "8.99").replace('{', r#"{"stock":7,"#);
        let again = load(&shop, corrected.as_bytes()).await.0.expect("a good line");

        assert_eq!(counts(&again), (1, 0, 0, 0), "without {missing:?}");
        assert_eq!(stock_and_ledger(&shop).await, (7, 7), "without {missing:?}");
        let third = load(&shop, corrected.as_bytes()).await.0.expect("a good line");
        assert_eq!(counts(&third), (0, 0, 1, 0), "without {missing:?}");
    }
}

#[tokio::test]
async fn staff_can_create_a_product_whose_import_was_interrupted() {
    let shop = Shop::open().await;
    load(&shop, line("mug", "8.99").as_bytes()).await.0.expect("a good line");
    lose(&shop, &["product", "ledger"]).await;
    let mug = json!({"productId": "mug", "name": "Mug", "price": usd(950), "category": ["Kitchen"], "stock": 2});
    let admin = shop.admin().await;

    let created = admin.post("/admin/products", mug.clone()).await.expect(201);
    let again = admin.post("/admin/products", mug).await;

    assert_eq!((created.json()["stock"]["available"].clone(), again.status()), (json!(2), 409));
    assert_eq!(stock_and_ledger(&shop).await, (2, 2));
}

#[tokio::test]
async fn a_gzip_file_is_loaded_like_a_plain_one() {
    let shop = Shop::open().await;

    let packed = load(&shop, import::open(GZIPPED).expect("the first bytes can be read")).await.0;
    let cut = load(&shop, import::open(&GZIPPED[..GZIPPED.len() - 8]).expect("the first bytes can be read")).await.0;

    assert_eq!(counts(&packed.expect("good lines")), (2, 0, 0, 0));
    assert!(matches!(cut, Err(ImportError::Read { .. })), "{cut:?}");
    assert_eq!(listed(&shop, "").await, ids(["cup", "mug"]));
}

/// A file on a disk that has failed.
struct Unreadable;

impl Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk has failed"))
    }
}

fn options(shop: &Shop) -> ImportOptions {
    ImportOptions { default_stock: 5, ..ImportOptions::new("staff", shop.clock.now()) }
}

/// Imports; the rejects are sorted by line.
async fn load(shop: &Shop, input: impl BufRead) -> (Result<ImportReport, ImportError>, Vec<Reject>) {
    load_with(shop, input, &options(shop)).await
}

async fn load_with(
    shop: &Shop,
    input: impl BufRead,
    options: &ImportOptions,
) -> (Result<ImportReport, ImportError>, Vec<Reject>) {
    let (stack, mut rejects) = (&shop.stack, Vec::new());
    let reject = |reject: Reject| {
        rejects.push(reject);
        Ok(())
    };
    let report = import::import(&stack.table, &stack.descriptions, input, options, reject, |_| {}).await;
    rejects.sort_by_key(|reject| reject.line);
    (report, rejects)
}

/// Fails unless the second import completed the first and a third one changes nothing.
async fn is_complete(shop: &Shop, again: Result<ImportReport, ImportError>, whole: &str) {
    let again = again.expect("the lines are good");
    assert_eq!((again.products(), again.rejected), (250, 0));
    assert_eq!(listed(shop, "&category=Kitchen/Mugs").await.len(), 250);
    let stocks: Vec<_> = shop.dump().await.iter().filter_map(|item| item["available"].as_i64()).collect();
    assert_eq!(stocks, [5; 250]);
    let (third, _) = load(shop, whole.as_bytes()).await;
    assert_eq!(counts(&third.expect("the lines are good")), (0, 0, 250, 0));
}

/// Imports a mug, deletes some of its items as if the import had stopped between two writes, and fails unless importing
/// it again restores it: 5 in stock, and 5 in its ledger.
async fn after_losing(missing: &[&str]) {
    let shop = Shop::open().await;
    let mug = line("mug", "8.99");
    load(&shop, mug.as_bytes()).await.0.expect("a good line");
    lose(&shop, missing).await;

    load(&shop, mug.as_bytes()).await.0.expect("a good line");

    let read = shop.stranger().get("/products/mug").await.expect(200).json();
    assert_eq!((&read["price"], &read["stock"]["available"]), (&usd(899), &json!(5)), "without {missing:?}");
    let dump = shop.dump().await;
    let ledger: Vec<_> = dump.iter().filter(|item| kind(item) == "ledger").map(|item| &item["delta"]).collect();
    assert_eq!(ledger, [&json!(5)], "without {missing:?}");
}

async fn lose(shop: &Shop, missing: &[&str]) {
    for item in shop.dump().await.iter().filter(|item| missing.contains(&kind(item))) {
        let key = |name: &str| AttributeValue::S(item[name].as_str().expect("a key").to_owned());
        let delete = shop.raw_client().delete_item().table_name(shop.table_of("PROD#mug"));
        delete.key("PK", key("PK")).key("SK", key("SK")).send().await.expect("the engine answers");
    }
}

/// How many mugs there are, and what the ledger adds up to.
async fn stock_and_ledger(shop: &Shop) -> (i64, i64) {
    let dump = shop.dump().await;
    let sum = |of: &str, field: &str| {
        dump.iter().filter(|item| kind(item) == of).filter_map(|item| item[field].as_i64()).sum::<i64>()
    };
    (sum("stock", "available"), sum("ledger", "delta"))
}

/// Which of the three items of a product this is.
fn kind(item: &Value) -> &'static str {
    match (item["PK"].as_str().unwrap_or_default(), item["SK"].as_str().unwrap_or_default()) {
        ("PROD#mug", "META#mug") => "product",
        ("PROD#mug", "META#mug#STOCK#00") => "stock",
        ("PROD#mug", sk) if sk.starts_with("MOVE#") => "ledger",
        _ => "of something else",
    }
}

async fn product(shop: &Shop) -> Product {
    let page = shop.stack.table.product_get_consistent(&mug()).await.expect("the table answers");
    page.expect("the mug is there").record.product
}

fn mug() -> ProductId {
    "mug".parse().expect("an id")
}

fn line(id: &str, price: &str) -> String {
    let category = ["Kitchen", "Mugs"];
    json!({"id": id, "name": format!("The {id}"), "price": price, "currency": "USD", "category": category}).to_string()
}

fn text(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

/// Created, updated, unchanged and rejected.
fn counts(report: &ImportReport) -> (usize, usize, usize, usize) {
    (report.created, report.updated, report.unchanged, report.rejected)
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().expect("a list has items")
}

/// The ids of all products that a filter lets through, page by page.
async fn listed(shop: &Shop, filter: &str) -> BTreeSet<String> {
    let (reader, mut found, mut cursor) = (shop.stranger(), BTreeSet::new(), String::new());
    loop {
        let page = reader.get(&format!("/products?limit=25{filter}{cursor}")).await.expect(200).json();
        for item in items(&page) {
            let id = item["productId"].as_str().expect("an id").to_owned();
            assert!(found.insert(id), "{} was listed twice", item["productId"]);
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}
