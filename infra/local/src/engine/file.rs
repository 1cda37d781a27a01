//! Checks the engine's file from outside: SQLite's own check shows whether it can be read, and the engine's layout
//! whether a table in it was created completely.

use std::{fs::File, io::Read, path::Path};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, config::DbConfig};
use serde_json::Value;

use table::{TableNames, keys::DataKind};

use crate::mapping::Checkpoint;

/// What is wrong with the file, as the end of a sentence that begins with its name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(String);

impl From<rusqlite::Error> for Damage {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("is damaged ({error})"))
    }
}

/// An object that an item points to.
#[derive(Debug, PartialEq, Eq)]
pub struct Pointer {
    pub s3_key: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Checks that the file can be read, has the complete tables, and is not older than what was delivered of their streams.
/// Returns the objects that products point to. The engine must not have it open yet: closing it here would drop the
/// engine's locks.
pub fn check(file: &Path, tables: &TableNames, delivered: &[Checkpoint]) -> Result<Vec<Pointer>, Damage> {
    let mut header = [0; 16];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut header));
    if read.is_err() || header != *b"SQLite format 3\0" {
        return Err(Damage("is damaged (it is not a SQLite database)".to_owned()));
    }
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A refused file is left unchanged, with the files beside it.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let verdict: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Damage(format!("is damaged ({verdict})")));
    }
    for (table, _) in tables.tables() {
        is_whole(&database, table)?;
        is_as_new(&database, table, delivered)?;
    }
    pointers(&database, tables.of(DataKind::Catalogue))
}

/// The engine records a table first, and then creates its parts, step by step.
fn is_whole(database: &Connection, table: &str) -> Result<(), Damage> {
    if !exists(database, "_tables")? {
        return Err(Damage("holds no table".to_owned()));
    }
    let indexes = "SELECT gsi_definitions FROM _tables WHERE table_name = ?1";
    let indexes = database.query_row(indexes, [table], |row| row.get::<_, Option<String>>(0)).optional()?;
    let Some(indexes) = indexes else {
        let mut others = database.prepare("SELECT table_name FROM _tables ORDER BY table_name")?;
        let others: Vec<String> = others.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        return Err(Damage(match others.is_empty() {
            true => "holds no table".to_owned(),
            false => format!("holds no table {table}, but {}; --table names one", others.join(" and ")),
        }));
    };
    let indexes: Value = serde_json::from_str(indexes.as_deref().unwrap_or("[]"))
        .map_err(|e| Damage(format!("is damaged (the indexes of {table}: {e})")))?;
    let indexes = indexes.as_array().into_iter().flatten().filter_map(|index| index["IndexName"].as_str());
    let places = indexes.map(|index| format!("{table}::gsi::{index}"));
    for place in [table.to_owned()].into_iter().chain(places) {
        if !exists(database, &place)? {
            return Err(Damage(format!("holds a table that was not created completely ({place} is missing)")));
        }
    }
    Ok(())
}

fn exists(database: &Connection, name: &str) -> Result<bool, Damage> {
    let found = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
    Ok(database.query_row(found, [name], |row| row.get(0))?)
}

/// Records that were delivered from the stream were in the table. If they are missing now, the file is an old copy, or
/// the last writes are missing: SQLite keeps those in a separate file until the engine ends, and starts without it if
/// it is removed.
fn is_as_new(database: &Connection, table: &str, delivered: &[Checkpoint]) -> Result<(), Damage> {
    let label = "SELECT stream_label FROM _tables WHERE table_name = ?1";
    let label: Option<String> = database.query_row(label, [table], |row| row.get(0))?;
    let last = "SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = ?1";
    let last: Option<i64> = database.query_row(last, [table], |row| row.get(0))?;
    let (Some(label), Some(last)) = (label, last) else { return Ok(()) };
    let stream = format!(":table/{table}/stream/{label}");
    let newer = delivered.iter().filter(|checkpoint| checkpoint.stream.ends_with(&stream));
    match newer.filter_map(|checkpoint| stored(&checkpoint.done)).any(|done| done > last.into()) {
        true => Err(Damage(
            "is older than the folder \"streams\": what was written last is missing, which is in table.db-wal as long \
             as the stack runs, and after it was killed"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

/// A sequence number as stored in the file. Consumers of the stream treat it as opaque; this is the engine's format: it
/// adds 10^20, to have as many digits as on AWS (dynoxide-rs 3.2, `format_sequence_number`).
fn stored(sequence_number: &str) -> Option<i128> {
    const ADDED: i128 = 10_i128.pow(20);
    let number: i128 = sequence_number.parse().ok()?;
    Some(if number >= ADDED { number - ADDED } else { number })
}

fn pointers(database: &Connection, table: &str) -> Result<Vec<Pointer>, Damage> {
    let name = table.replace('"', "\"\"");
    let query = format!(r#"SELECT item_json FROM "{name}" WHERE item_json LIKE '%"descriptionS3Key"%'"#);
    let mut query = database.prepare(&query)?;
    let items = query.query_map([], |row| row.get::<_, String>(0))?;
    let mut pointers = Vec::new();
    for item in items {
        let item: Value = serde_json::from_str(&item?).map_err(|e| Damage(format!("is damaged (an item: {e})")))?;
        let text = |name: &str, kind: &str| item[name][kind].as_str().map(str::to_owned);
        let bytes = text("descriptionBytes", "N").and_then(|bytes| bytes.parse().ok());
        if let (Some(s3_key), Some(bytes), Some(sha256)) =
            (text("descriptionS3Key", "S"), bytes, text("descriptionSha256", "S"))
        {
            pointers.push(Pointer { s3_key, bytes, sha256 });
        }
    }
    Ok(pointers)
}

/// Moves the write-ahead log into the file, and flushes it to the disk.
pub fn write_out(file: &Path) -> Result<(), rusqlite::Error> {
    Connection::open(file)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
