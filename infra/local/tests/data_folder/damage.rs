use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

use crate::run::{Run, buy};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Removed,
    Emptied,
    /// A third in the middle is overwritten.
    Overwritten,
    /// Its last third is missing.
    Cut,
}

const ALL: [Damage; 4] = [Damage::Removed, Damage::Emptied, Damage::Overwritten, Damage::Cut];

impl Damage {
    fn is_done_to(self, path: &Path) {
        if path.is_dir() {
            return fs::remove_dir_all(path).unwrap();
        }
        let mut content = fs::read(path).unwrap();
        // The copy shares its files with the original.
        fs::remove_file(path).unwrap();
        let third = content.len() / 3;
        match self {
            Self::Removed => return,
            Self::Emptied => content.clear(),
            Self::Overwritten => content[third..2 * third].fill(b'#'),
            Self::Cut => content.truncate(2 * third),
        }
        fs::write(path, content).unwrap();
    }
}

/// A folder in which an order was placed and delivered to every function; ended by a signal.
fn shop(data: &Path, signal: Signal) {
    let (run, url) = Run::begin(data).opens().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = Connection::open(data.join("table.db")).unwrap();
    let last = "SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records";
    let last: i64 = database.query_row(last, [], |row| row.get(0)).unwrap();
    // The last process that closes SQLite's file writes the log into it.
    drop(database);
    // In the stream's format (dynoxide-rs, `format_sequence_number`).
    let last = 10_i128.pow(20) + i128::from(last);
    runtime.block_on(buy(&reqwest::Client::new(), &url)).unwrap();
    for function in ["notifications", "projections"] {
        while done(&data.join("streams").join(function)).is_none_or(|done| done <= last) {}
    }
    run.stop(signal);
}

/// The position of a function.
fn done(checkpoints: &Path) -> Option<i128> {
    let files = fs::read_dir(checkpoints).ok()?.map(|entry| entry.unwrap().path());
    let file = files.filter(|file| file.extension().is_some_and(|e| e == "json")).last()?;
    let checkpoint: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    checkpoint["done"].as_str()?.parse().ok()
}

/// A copy by hard links, which is fast: a start that is refused writes to none of them.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-al").arg(from).arg(to).status().unwrap().success());
}

/// The files that must be unchanged, and the folders that may only be removed, relative to the folder.
fn kept(data: &Path) -> Vec<PathBuf> {
    let output = Command::new("find").arg(".").current_dir(data).output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let names = names.lines().filter_map(|name| name.strip_prefix("./")).map(PathBuf::from);
    let mut audit = 0;
    names
        .filter(|name| {
            let text = name.to_str().unwrap();
            // Recreated, sent, or only for a running stack.
            if ["lock", "streams", "s3", "table.db-shm"].contains(&text) || text.starts_with("mail") {
                return false;
            }
            // The type of an object, which is not used.
            if text.ends_with(".metadata.json") {
                return false;
            }
            // Objects that the table does not point to may come and go; of those, and of the S3's files beside them, a
            // few are enough.
            let is_beside = text.starts_with("s3/.") && !text.contains(DESCRIPTIONS);
            if text.starts_with("s3/onetill-audit/") || is_beside {
                audit += usize::from(data.join(name).is_file());
                return data.join(name).is_file() && audit <= 4;
            }
            data.join(name).is_file() || name.components().count() == 2 && name.starts_with("s3")
        })
        .collect()
}

/// Whether a start works in spite of the damage, or cannot detect it.
fn is_harmless(name: &Path, damage: Damage) -> bool {
    let text = name.to_str().unwrap();
    let (is_audit, is_beside) = (text.starts_with("s3/onetill-audit/"), text.starts_with("s3/."));
    // The index of the search is made again if it is damaged.
    if damage != Damage::Emptied && (text.starts_with(SEARCH) || text.contains(BESIDE_SEARCH)) {
        return true;
    }
    match damage {
        // Without a manifest it is an old folder.
        Damage::Removed => text == "manifest.json" || is_audit || is_beside,
        Damage::Emptied => text == "seeded",
        // The audit log is not read by the shop. The S3's files beside an object may still be JSON.
        Damage::Overwritten => text == "seeded" || is_audit || is_beside && !text.contains(DESCRIPTIONS),
        Damage::Cut => text == "seeded" || is_audit,
    }
}

/// The bucket `onetill-descriptions` in the names of the S3's files beside its objects. Their checksums are among them.
const DESCRIPTIONS: &str = "b25ldGlsbC1kZXNjcmlwdGlvbnM";

/// The search's folder of this bucket, and an object of it in the names of the files beside.
const SEARCH: &str = "s3/onetill-descriptions/search/";
const BESIDE_SEARCH: &str = ".object-c2VhcmNoL";

#[test]
fn a_damaged_data_folder_is_refused_with_the_name_of_the_damaged_file_and_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    shop(&whole, Signal::TERM);
    let names = kept(&whole);
    assert!(names.iter().any(|name| name.starts_with("s3/onetill-descriptions")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("streams")), "{names:?}");

    for name in names {
        for damage in ALL {
            let is_folder = whole.join(&name).is_dir();
            if is_harmless(&name, damage) || (is_folder && damage != Damage::Removed) {
                continue;
            }
            let data = folder.path().join("damaged");
            copy(&whole, &data);
            damage.is_done_to(&data.join(&name));

            let refused = Run::begin(&data).opens().err().unwrap_or_else(|| panic!("{name:?} {damage:?}: it starts"));

            // If a folder was removed, one of its files is missed first.
            let named = refused.contains(name.to_str().unwrap());
            assert!(named && refused.contains("Restore the whole folder"), "{name:?} {damage:?}: {refused}");
            let (is, was) = (fs::read(data.join(&name)).ok(), fs::read(whole.join(&name)).ok());
            assert!(is.is_none_or(|is| Some(is) != was), "{name:?} {damage:?}: it was created again");
            fs::remove_dir_all(&data).unwrap();
            fs::remove_file(data.with_extension("stderr")).unwrap();
        }
    }
    let (run, _) = Run::begin(&whole).opens().unwrap();
    run.stop(Signal::TERM);
}

#[test]
fn lost_last_writes_are_detected_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let killed = folder.path().join("killed");
    shop(&killed, Signal::KILL);
    let log = Path::new("table.db-wal");
    assert!(killed.join(log).exists());

    for damage in [Damage::Removed, Damage::Emptied, Damage::Overwritten] {
        let data = folder.path().join("damaged");
        copy(&killed, &data);
        damage.is_done_to(&data.join(log));

        let refused = Run::begin(&data).opens().err().unwrap_or_else(|| panic!("{damage:?}: it starts"));

        assert!(refused.contains("table.db is older") && refused.contains("table.db-wal"), "{damage:?}: {refused}");
        if damage == Damage::Overwritten {
            let left = fs::read(data.join(log)).unwrap();
            assert_eq!(left.len(), fs::metadata(killed.join(log)).unwrap().len() as usize, "it is left unchanged");
        }
        fs::remove_dir_all(&data).unwrap();
        fs::remove_file(data.with_extension("stderr")).unwrap();
    }
    let (run, _) = Run::begin(&killed).opens().unwrap();
    run.stop(Signal::TERM);
}
