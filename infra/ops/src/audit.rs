//! Reads the audit log: who changed what, one line of JSON for each change.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use table::{Bucket, BucketError};

/// Objects that are read concurrently.
const CONCURRENCY: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the audit log cannot be read")]
    Bucket(#[from] BucketError),
    #[error("{key} is not an entry of an audit log")]
    Entry { key: String, source: Option<serde_json::Error> },
}

/// The entries of one UTC day, `yyyy-mm-dd`, oldest first; those of items whose key contains `item`, if it is given.
///
/// Every entry is an object of its own, named by an id that does not sort by time: a day is read as a whole.
pub async fn entries(log: &Bucket, day: &str, item: Option<&str>) -> Result<Vec<Value>, AuditError> {
    let prefix = format!("{}/", day.replace('-', "/"));
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = log.list(&prefix, after).await?;
        let read = stream::iter(page.objects).map(|object| entry(log, object.key)).buffered(CONCURRENCY);
        entries.extend(read.try_collect::<Vec<_>>().await?);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    entries.retain(|entry| item.is_none_or(|item| text(entry, "item").contains(item)));
    entries.sort_by_cached_key(|entry| text(entry, "at"));
    Ok(entries)
}

async fn entry(log: &Bucket, key: String) -> Result<Value, AuditError> {
    let Some(line) = log.get(&key).await? else { return Err(AuditError::Entry { key, source: None }) };
    serde_json::from_slice(&line).map_err(|source| AuditError::Entry { key, source: Some(source) })
}
