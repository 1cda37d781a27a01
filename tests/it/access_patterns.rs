//! The launch checklist: every access pattern has a row in `docs/access-patterns.md`, every row a method, and every
//! method costs what its row says and no more than its budget.

use std::{collections::BTreeMap, fs, path::PathBuf};

use e2e::{
    Shop, engine_counts_like_aws,
    patterns::{self, Measured, filled::Filled},
};
use jiff::SignedDuration;

/// A row of the checklist.
#[derive(Debug)]
struct Row {
    method: String,
    budget: (f64, f64),
    measured: (f64, f64),
}

#[test]
fn each_access_pattern_costs_what_its_row_says() {
    let rows = rows();

    let measured = patterns::run(|| async { patterns::measure_all(&patterns::open().await, 0).await });

    if !engine_counts_like_aws() {
        println!("costs are not compared: this engine does not count as AWS does");
        return;
    }
    for (pattern, measured) in &measured {
        let found = (measured.cost.rru, measured.cost.wru);
        let row = rows.get(*pattern).unwrap_or_else(|| {
            panic!("{pattern} has no row in docs/access-patterns.md; it costs {} RRU, {} WRU", found.0, found.1)
        });
        assert!(
            found.0 <= row.budget.0 && found.1 <= row.budget.1,
            "{pattern} ({}) costs {found:?} (RRU, WRU), over its budget of {:?}",
            row.method,
            row.budget
        );
        assert_eq!(found, row.measured, "{pattern} ({}): docs/access-patterns.md says another cost", row.method);
    }
    for pattern in rows.keys() {
        assert!(measured.contains_key(pattern.as_str()), "{pattern} is measured nowhere: add it to `measure_all`");
    }
}

#[test]
fn each_access_pattern_costs_the_same_in_a_shop_twice_as_large() {
    let measured = [1_000, 2_000].map(|size| {
        patterns::run(move || async move {
            let filled = Filled::open(size, |_| {}).await;
            patterns::measure_all(&filled.shop, 0).await
        })
    });

    let [small, large] = measured.map(|patterns| {
        let units = |measured: Measured| (measured.cost.rru, measured.cost.wru);
        patterns.into_iter().map(|(pattern, measured)| (pattern, units(measured))).collect::<BTreeMap<_, _>>()
    });
    assert_eq!(small, large);
}

#[tokio::test]
async fn a_checkout_of_n_lines_costs_3n_and_12_wru_with_its_payment() {
    let shop = Shop::open().await;
    for lines in [1, 2, 4] {
        let ann = shop.customer().await;
        for i in 0..lines {
            let product = shop.product(&format!("p{lines}-{i}")).create().await;
            ann.adds(&product, 1).await.expect(200);
        }

        let cost = ann.checks_out().await.expect(201).cost();

        let n = f64::from(lines);
        if !engine_counts_like_aws() {
            return println!("costs are not compared: this engine does not count as AWS does");
        }
        println!("a checkout of {lines} lines with its payment: {} RRU, {} WRU", cost.rru, cost.wru);
        assert_eq!((cost.rru, cost.wru), (2.0 * n + 2.5, 3.0 * n + 12.0), "{lines} lines");
    }
}

#[tokio::test]
async fn a_line_of_a_sale_reads_no_product_and_costs_the_same_and_four_wru_for_a_limit() {
    let shop = Shop::open().await;
    for (number, limit) in [None, Some(3)].into_iter().enumerate() {
        let mug = shop.product(&format!("mug-{number}")).stock(9).create().await;
        let at = |seconds| (shop.clock.now() + SignedDuration::from_secs(seconds)).to_string();
        let sale = serde_json::json!({
            "productId": mug.as_str(), "price": e2e::usd(500), "units": 5, "limit": limit,
            "startsAt": at(10), "endsAt": at(3_600),
        });
        let key = format!("a-sale-of-mugs-number-{number}");
        shop.admin().await.post_once("/admin/sales", &key, sale).await.expect(201);
        shop.clock.advance(SignedDuration::from_secs(12));
        let ann = shop.customer().await;
        ann.adds(&mug, 1).await.expect(200);

        let first = ann.checks_out().await.expect(201).cost();
        ann.adds(&mug, 1).await.expect(200);
        let second = ann.pays_with("tok_visa", "from-lots-in-memory").await.expect(201).cost();

        if !engine_counts_like_aws() {
            return println!("costs are not compared: this engine does not count as AWS does");
        }
        let counted = if limit.is_some() { 4.0 } else { 0.0 };
        // Session, cart, key and, the first time, the lots of one key.
        assert_eq!((first.rru, first.wru), (3.0, 15.0 + counted));
        assert_eq!((second.rru, second.wru), (2.5, 15.0 + counted));
    }
}

#[tokio::test]
async fn the_stream_writes_three_entries_of_an_order_for_the_search_and_reads_the_profile_only_without_a_contact() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(9).create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);
    let profile = ann.checks_out().await.expect(201).cost();
    ann.adds(&mug, 1).await.expect(200);
    let body = e2e::with(ann.checkout("tok_visa"), "contact", serde_json::json!({"email": "ann@example.com"}));
    let sent = ann.post_once("/orders", "with-a-contact-sent", body).await.expect(201).cost();

    shop.drain().await;

    let entries = shop.dump().await.into_iter().filter(|item| {
        let pk = item["PK"].as_str().unwrap_or_default();
        ["ORDERNO#", "CONTACT#", "PAYREF#"].iter().any(|prefix| pk.starts_with(prefix))
    });
    assert_eq!(entries.count(), 2 * 3);
    if engine_counts_like_aws() {
        assert_eq!((profile.rru, sent.rru), (5.0, 4.5));
        assert_eq!((profile.wru, sent.wru), (15.0, 15.0));
    }
}

#[test]
fn each_method_names_its_pattern_and_each_pattern_its_method() {
    let rows = rows();
    let source = table_source();

    for (pattern, row) in &rows {
        let base: String = pattern.chars().take_while(|c| !c.is_ascii_lowercase()).collect();
        for method in row.method.split(", ") {
            let at = source.find(&format!("pub async fn {method}("));
            let at = at.unwrap_or_else(|| panic!("{pattern}: there is no method {method} in shared/table"));
            let doc = source[..at].rsplit("\n\n").next().unwrap_or_default();
            assert!(doc.contains(&base), "{method}: its doc does not name {base}");
        }
    }
    let named = source.match_indices("/// AP-").map(|(at, _)| source[at + 4..at + 9].to_owned());
    for pattern in named {
        let has_row = rows.keys().any(|row| row.starts_with(&pattern));
        assert!(has_row, "{pattern} is named in shared/table but has no row in docs/access-patterns.md");
    }
}

#[test]
fn there_is_no_scan_in_what_the_table_offers() {
    let source = table_source();

    for call in [".scan()", "scan_index", "execute_statement", "execute_transaction"] {
        let uses = source.matches(call).count()
            - source.matches(".scan_index_forward(").count() * usize::from(call == "scan_index");
        assert_eq!(uses, 0, "{call} reads a table without a key");
    }
}

/// The checklist, by pattern.
fn rows() -> BTreeMap<String, Row> {
    let checklist = fs::read_to_string(root().join("docs/access-patterns.md")).expect("the checklist is there");
    let cells = |line: &str| line.split('|').map(|c| c.trim().replace('`', "")).collect::<Vec<_>>();
    let rows = checklist.lines().filter(|line| line.starts_with("| AP-")).map(|line| {
        let cells = cells(line);
        let [_, pattern, _, method, _, _, _, _, budget, measured, ..] = &cells[..] else {
            panic!("a row has too few columns: {line}");
        };
        let row = Row { method: method.clone(), budget: units(budget), measured: units(measured) };
        (pattern.clone(), row)
    });
    rows.collect()
}

/// Parses `0.5 RRU`, `9 WRU` or `1 RRU, 2 WRU`; text in brackets after it is ignored.
fn units(cell: &str) -> (f64, f64) {
    let plain = cell.split('(').next().unwrap_or_default();
    let of = |unit: &str| {
        let part = plain.split(',').find_map(|part| part.trim().strip_suffix(unit)).unwrap_or("0");
        part.trim().parse().unwrap_or_else(|_| panic!("{cell:?} is not a number of {unit}"))
    };
    (of("RRU"), of("WRU"))
}

fn table_source() -> String {
    let folder = root().join("shared/table/src");
    let files = fs::read_dir(folder).expect("the sources are there").map(|file| file.expect("a file").path());
    files.filter(|file| file.is_file()).map(|file| fs::read_to_string(file).expect("a source file")).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
