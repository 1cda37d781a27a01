//! The position of a function in each shard.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::durable;

/// Checkpoints, a file for each function and shard: `<folder>/<function>/<shard>.json`, or, of a kind of data's own table,
/// `<folder>/<function>@<table>/<shard>.json`.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    table: Option<String>,
}

/// Everything up to here is handled, given up, or filtered out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// ARN of the stream: a table that was created again has a new stream, which is read from its beginning.
    pub stream: String,
    /// Sequence number of the last record that is done.
    pub done: String,
}

/// The file: a checkpoint with its checksum, so that a damaged one is detected. Files that are older than the checksum
/// have none.
#[derive(Serialize, Deserialize)]
struct Checked {
    #[serde(flatten)]
    checkpoint: Checkpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc32: Option<u32>,
}

impl Checkpoint {
    pub fn read(file: &Path) -> io::Result<Self> {
        let Checked { checkpoint, crc32 } = serde_json::from_slice(&fs::read(file)?)?;
        match crc32.is_none_or(|crc32| crc32 == checkpoint.checksum()) {
            true => Ok(checkpoint),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "it does not have the checksum it names")),
        }
    }

    fn text(self) -> serde_json::Result<Vec<u8>> {
        let crc32 = Some(self.checksum());
        serde_json::to_vec(&Checked { checkpoint: self, crc32 })
    }

    fn checksum(&self) -> u32 {
        crc32fast::hash(format!("{} {}", self.stream, self.done).as_bytes())
    }
}

impl Checkpoints {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), table: None }
    }

    /// Those in the stream of another table, whose shards may have the same names.
    pub fn of_table(&self, table: &str) -> Self {
        Self { folder: self.folder.clone(), table: Some(table.to_owned()) }
    }

    /// The checkpoint in a shard, if there is one. An unreadable one counts as none: then records are delivered again,
    /// which every function must handle anyway. (A data folder with a damaged one is not even opened.)
    pub async fn get(&self, function: &str, shard: &str) -> Option<Checkpoint> {
        let file = self.file(function, shard);
        on_a_thread(move || match Checkpoint::read(&file) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
        .unwrap_or_else(|error| {
            tracing::warn!(function, shard, %error, "the checkpoint cannot be read; the shard is read from its beginning");
            None
        })
    }

    /// Stores the checkpoint. Once this returns, it survives kill -9 and power cuts; until then the previous one does.
    pub async fn put(&self, function: &str, shard: &str, checkpoint: Checkpoint) -> io::Result<()> {
        let file = self.file(function, shard);
        on_a_thread(move || {
            fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
            durable::write(&file, &checkpoint.text()?)
        })
        .await
    }

    /// Shards, functions and tables have names of letters, digits, `-`, `_` and `.`, so they are valid file names.
    fn file(&self, function: &str, shard: &str) -> PathBuf {
        let reader = self.table.as_ref().map_or_else(|| function.to_owned(), |table| format!("{function}@{table}"));
        self.folder.join(reader).join(format!("{shard}.json"))
    }
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(done: &str) -> Checkpoint {
        Checkpoint { stream: "arn".to_owned(), done: done.to_owned() }
    }

    #[tokio::test]
    async fn each_function_has_its_own_checkpoint_in_each_shard_and_keeps_it() {
        let data = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(data.path().join("streams"));

        checkpoints.put("mail", "shard-1", at("100")).await.unwrap();
        checkpoints.put("mail", "shard-1", at("200")).await.unwrap();
        checkpoints.put("audit", "shard-1", at("150")).await.unwrap();

        let again = Checkpoints::new(data.path().join("streams"));
        assert_eq!(again.get("mail", "shard-1").await, Some(at("200")));
        assert_eq!(again.get("audit", "shard-1").await, Some(at("150")));
        assert_eq!(again.get("mail", "shard-2").await, None);
        let files = fs::read_dir(data.path().join("streams/mail")).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside the checkpoint");
    }

    #[test]
    fn an_old_checkpoint_has_no_checksum_and_a_new_one_has_to_have_the_right_one() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("shard-1.json");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            Checkpoint::read(&file).ok()
        };
        let now = String::from_utf8(at("100").text().unwrap()).unwrap();

        assert_eq!(read(r#"{"stream":"arn","done":"100"}"#), Some(at("100")));
        assert_eq!(read(&now), Some(at("100")));
        assert_eq!(read(&now.replace("100", "109")), None);
    }

    #[tokio::test]
    async fn a_damaged_checkpoint_counts_as_none() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("mail")).unwrap();
        fs::write(data.path().join("mail/shard-1.json"), "{\"stream").unwrap();

        assert_eq!(Checkpoints::new(data.path()).get("mail", "shard-1").await, None);
    }
}
