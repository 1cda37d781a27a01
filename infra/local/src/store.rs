use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use payments::LocalPayments;
use tempfile::TempDir;

use crate::StackError;

/// Where a stack keeps what must survive it: the table, objects, payments, mail, how far the stream was delivered, and the
/// key of its cursors.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// In memory only S3 objects, mail and checkpoints are files, and go with the stack.
    temporary: Option<TempDir>,
    /// Held while the stack runs, so that two of them never write to one folder.
    _lock: Option<File>,
}

impl DataFolder {
    pub fn open(folder: Option<&Path>) -> Result<Self, StackError> {
        let Some(folder) = folder else {
            let temporary = TempDir::with_prefix("onetill-").map_err(|e| StackError::start("temporary folder", e))?;
            return Ok(Self { path: temporary.path().to_owned(), temporary: Some(temporary), _lock: None });
        };
        let unusable = |reason: String| StackError::Data { folder: folder.to_owned(), reason };
        fs::create_dir_all(folder).map_err(|e| unusable(e.to_string()))?;
        let lock = File::create(folder.join("lock")).map_err(|e| unusable(e.to_string()))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => unusable("another stack is running on it".to_owned()),
            TryLockError::Error(e) => unusable(e.to_string()),
        })?;
        Ok(Self { path: folder.to_owned(), temporary: None, _lock: Some(lock) })
    }

    pub fn engine_file(&self) -> Option<PathBuf> {
        self.temporary.is_none().then(|| self.path.join("table.db"))
    }

    pub fn s3_folder(&self) -> Result<PathBuf, StackError> {
        let folder = self.path.join("s3");
        fs::create_dir_all(&folder).map_err(|e| self.unusable(e))?;
        Ok(folder)
    }

    /// The local payment provider, with its ledger in the folder, or in a file of its own.
    pub fn payments(&self, ledger: Option<&Path>) -> Result<LocalPayments, StackError> {
        let own = || self.temporary.is_none().then(|| self.path.join("payments.jsonl"));
        match ledger.map(Path::to_owned).or_else(own) {
            None => Ok(LocalPayments::default()),
            Some(file) => LocalPayments::open(&file)
                .map_err(|e| StackError::Data { folder: file, reason: format!("the ledger of payments: {e}") }),
        }
    }

    /// How far each function is in the stream.
    pub fn streams_folder(&self) -> PathBuf {
        self.path.join("streams")
    }

    /// Where mail goes that no other folder was named for.
    pub fn mail_folder(&self) -> PathBuf {
        self.path.join("mail")
    }

    /// The key that seals cursors, made on first use.
    pub fn cursor_key(&self) -> Result<[u8; 32], StackError> {
        let file = self.path.join("cursor.key");
        if let Ok(bytes) = fs::read(&file) {
            return bytes.try_into().map_err(|_| self.unusable("cursor.key is not 32 bytes; remove it"));
        }
        let key = api::clock::random();
        fs::write(&file, key).map_err(|e| self.unusable(e))?;
        Ok(key)
    }

    /// Whether something was done to this folder before, to the end.
    pub fn is_marked(&self, what: &str) -> bool {
        self.path.join(what).exists()
    }

    pub fn mark(&self, what: &str) -> Result<(), StackError> {
        fs::write(self.path.join(what), "").map_err(|e| self.unusable(e))
    }

    fn unusable(&self, reason: impl ToString) -> StackError {
        StackError::Data { folder: self.path.clone(), reason: reason.to_string() }
    }
}
