//! Folders that were created before there was a manifest.

use std::{fs, path::Path};

use reqwest::Client;
use rusqlite::Connection;
use rustix::process::Signal;

use crate::run::{Run, buy, call, serves};

/// A folder as an older version would have left it.
fn made_before(data: &Path) {
    serves(data).unwrap();
    fs::remove_file(data.join("manifest.json")).unwrap();
    let ledger = fs::read_to_string(data.join("payments.jsonl")).unwrap();
    let (first, entries) = ledger.split_once('\n').unwrap();
    assert!(first.contains("bytes"), "{first}");
    fs::write(data.join("payments.jsonl"), entries).unwrap();
}

#[test]
fn an_old_data_folder_continues_to_work() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    made_before(&data);

    let (run, url) = Run::begin(&data).opens().unwrap();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mug = runtime.block_on(async {
        let http = Client::new();
        buy(&http, &url).await.unwrap();
        call(http.get(format!("{url}/products/mug-blue"))).await.unwrap()
    });
    assert_eq!(mug["stock"]["available"], 34, "two orders of three: it was not created again");
    assert!(run.stop(Signal::TERM).success());
    assert_eq!(fs::read_to_string(data.join("payments.jsonl")).unwrap().lines().count(), 2);
    // From now on its content is checked.
    fs::remove_file(data.join("payments.jsonl")).unwrap();
    let refused = Run::begin(&data).opens().err().unwrap();
    assert!(refused.contains("payments.jsonl is missing"), "{refused}");
}

#[test]
fn an_old_data_folder_with_an_incomplete_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    made_before(&data);
    let database = Connection::open(data.join("table.db")).unwrap();
    let index = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'EcommerceApp::gsi::%'";
    let index: String = database.query_row(index, [], |row| row.get(0)).unwrap();
    database.execute_batch(&format!("DROP TABLE \"{index}\"")).unwrap();
    drop(database);

    let refused = Run::begin(&data).opens().err().unwrap();

    assert!(refused.contains("table.db holds a table that was not created completely"), "{refused}");
    assert!(refused.contains(&index) && refused.contains("remove the folder"), "{refused}");
}
