use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use rustix::process::Signal;

use crate::run::{Run, buy, command};

#[test]
fn only_the_owner_may_read_what_is_in_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let (run, url) = Run::begin(&data).opens().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(buy(&reqwest::Client::new(), &url)).unwrap();
    while !data.join("streams").exists() {}

    assert_eq!(open_to_others(&data), [""; 0]);

    run.stop(Signal::TERM);
    // As an older version, with a usual umask, left it.
    for path in all(&data) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    let (run, _) = Run::begin(&data).opens().unwrap();
    assert_eq!(open_to_others(&data), [""; 0]);
    run.stop(Signal::TERM);
}

#[test]
fn a_data_folder_without_a_name_is_refused() {
    let refused = command(&["--data", ""]).output().unwrap();

    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--data") && said.contains("it is empty: name a folder, or `memory`"), "{said}");
}

#[test]
fn a_folder_with_other_things_in_it_stays_open_and_payments_may_move_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shared");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    fs::write(data.join("notes.txt"), "of somebody else").unwrap();
    let (run, url) = Run::begin(&data).opens().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(buy(&reqwest::Client::new(), &url)).unwrap();
    run.stop(Signal::TERM);
    let ledger = folder.path().join("payments.jsonl");
    fs::rename(data.join("payments.jsonl"), &ledger).unwrap();

    let elsewhere = Run::begin_with(&data, &["--ledger", ledger.to_str().unwrap()]).opens();

    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o755);
    elsewhere.unwrap().0.stop(Signal::TERM);
}

fn all(data: &Path) -> Vec<std::path::PathBuf> {
    let mut paths = vec![data.to_owned()];
    let mut at = 0;
    while at < paths.len() {
        if paths[at].is_dir() {
            let entries = fs::read_dir(&paths[at]).unwrap().map(|entry| entry.unwrap().path());
            paths.extend(entries.collect::<Vec<_>>());
        }
        at += 1;
    }
    paths
}

fn open_to_others(data: &Path) -> Vec<String> {
    // A file that is removed meanwhile does not count.
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o077);
    all(data).iter().filter(|path| mode(path) != 0).map(|path| path.display().to_string()).collect()
}
