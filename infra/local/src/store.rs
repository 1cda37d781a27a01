mod condition;
mod manifest;

use std::{
    fs::{self, File, Permissions, TryLockError},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use manifest::Manifest;
use payments::LocalPayments;
use table::TableNames;
use tempfile::TempDir;

use crate::{StackError, durable, engine};

/// What a folder contains of ours. Mail is not part of it: it was sent, and may be removed.
const TABLE: &str = "table.db";
const LEDGER: &str = "payments.jsonl";
const CURSOR_KEY: &str = "cursor.key";
const S3: &str = "s3";
const STREAMS: &str = "streams";
const SEEDED: &str = "seeded";
const MAIL: &str = "mail";

/// All of it, with SQLite's own files beside the table.
const OURS: [&str; 10] =
    [TABLE, "table.db-wal", "table.db-shm", "table.db-journal", LEDGER, CURSOR_KEY, S3, STREAMS, SEEDED, MAIL];

/// Where a stack keeps its persistent data: the table, objects, payments, mail, the positions in the stream, and the
/// key of its cursors.
///
/// It is complete once [`DataFolder::complete`] returned for the first time, and its manifest says so. A folder that
/// was never completed is removed by the next start and created again; one that was complete and is damaged is refused.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// In memory only S3 objects, mail and checkpoints are files, which are removed with the stack.
    temporary: Option<TempDir>,
    /// It is created by this start.
    is_new: bool,
    /// Held while the stack runs, so that two stacks never write to one folder.
    _lock: Option<File>,
}

impl DataFolder {
    /// Opens a folder, or creates one. `tables` are those that its engine must have; `None` if the engine is
    /// elsewhere. `ledger` is the file of payments, if not in the folder.
    pub fn open(folder: Option<&Path>, tables: Option<&TableNames>, ledger: Option<&Path>) -> Result<Self, StackError> {
        let Some(folder) = folder else {
            let temporary = TempDir::with_prefix("onetill-").map_err(|e| StackError::start("temporary folder", e))?;
            let path = temporary.path().to_owned();
            return Ok(Self { path, temporary: Some(temporary), is_new: true, _lock: None });
        };
        let unusable = |reason: String| StackError::Data { folder: folder.to_owned(), reason };
        if folder.as_os_str().is_empty() {
            return Err(unusable("it has no name".to_owned()));
        }
        fs::create_dir_all(folder).map_err(|e| unusable(e.to_string()))?;
        let lock = File::create(folder.join("lock")).map_err(|e| unusable(e.to_string()))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => unusable("another stack is running on it".to_owned()),
            TryLockError::Error(e) => unusable(e.to_string()),
        })?;
        let mut data = Self { path: folder.to_owned(), temporary: None, is_new: false, _lock: Some(lock) };
        data.prepare(tables, ledger)?;
        Ok(data)
    }

    /// Leaves a folder that is complete, or new and marked as incomplete.
    fn prepare(&mut self, tables: Option<&TableNames>, ledger: Option<&Path>) -> Result<(), StackError> {
        let mut manifest = Manifest::read(&self.path).map_err(|e| self.damaged(manifest::NAME, &e))?;
        self.is_new = match &mut manifest {
            Some(Manifest::Unfinished) => true,
            Some(Manifest::Whole(whole)) => {
                whole.files.retain(|name| name != Path::new(LEDGER) || ledger.is_none());
                condition::check(self, Some(whole), tables)?;
                false
            }
            // From before there was a manifest, or without anything of ours yet.
            None if OURS.iter().any(|name| self.path.join(name).exists()) => {
                condition::check(self, None, tables)?;
                false
            }
            None => true,
        };
        if self.is_new {
            Manifest::Unfinished.write(&self.path).map_err(|e| self.unusable(e))?;
            self.remove_ours().map_err(|e| self.unusable(e))?;
        }
        self.close_to_others().map_err(|e| self.unusable(e))
    }

    fn remove_ours(&self) -> io::Result<()> {
        for name in OURS {
            let path = self.path.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        durable::sync(&self.path)
    }

    /// Password hashes and addresses are confidential: only the owner may read them, whatever the umask was. The
    /// permissions of the folder itself stay if it contains other things too: it may be shared.
    fn close_to_others(&self) -> io::Result<()> {
        let close = |path: &Path| {
            let found = match fs::symlink_metadata(path) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            let mode = found.permissions().mode();
            // A link's permissions are those of its target.
            if found.is_symlink() || mode & 0o077 == 0 {
                return Ok(());
            }
            match fs::set_permissions(path, Permissions::from_mode(mode & 0o700)) {
                // Another owner's, or a file system without permissions: access was granted on purpose.
                Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
                    tracing::warn!(path = %path.display(), %error, "others may be able to read it");
                    Ok(())
                }
                closed => closed,
            }
        };
        let ours = || OURS.iter().chain(&["lock", manifest::NAME]);
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        if names.iter().all(|name| ours().any(|own| name == own)) {
            close(&self.path)?;
        }
        for path in ours().map(|name| self.path.join(name)) {
            if !path.exists() {
                continue;
            }
            close(&path)?;
            if path.is_dir() && !path.is_symlink() {
                durable::below(&path)?.iter().try_for_each(|path| close(path))?;
            }
        }
        Ok(())
    }

    /// Ends a start: the folder is complete and flushed to the disk, and from now on never created again.
    pub fn complete(&self) -> Result<(), StackError> {
        if self.temporary.is_none() && self.is_new {
            let file = self.path.join(TABLE);
            if file.exists() {
                engine::write_out(&file).map_err(|e| self.unusable(e))?;
            }
            // Not the files that SQLite has open: closing a file drops all locks that this process has on it, the
            // engine's too. (https://www.sqlite.org/howtocorrupt.html, 2.2). The other files were flushed when they
            // were written.
            let sync = || durable::sync_below(&self.path.join(S3)).and_then(|()| durable::sync(&self.path));
            sync().map_err(|e| self.unusable(e))?;
        }
        self.note()
    }

    /// Writes the manifest for the next start.
    pub fn note(&self) -> Result<(), StackError> {
        if self.temporary.is_some() {
            return Ok(());
        }
        let whole = manifest::Whole::of(&self.path).map_err(|e| self.unusable(e))?;
        Manifest::Whole(whole).write(&self.path).map_err(|e| self.unusable(e))
    }

    pub fn engine_file(&self) -> Option<PathBuf> {
        self.temporary.is_none().then(|| self.path.join(TABLE))
    }

    pub fn s3_folder(&self) -> Result<PathBuf, StackError> {
        let folder = self.path.join(S3);
        fs::create_dir_all(&folder).map_err(|e| self.unusable(e))?;
        Ok(folder)
    }

    /// The local payment provider, with its ledger in the folder, or in a file of its own.
    pub fn payments(&self, ledger: Option<&Path>) -> Result<LocalPayments, StackError> {
        if let Some(file) = ledger {
            let unusable = |e: io::Error| StackError::Data {
                folder: file.to_owned(),
                reason: format!("the ledger of payments: {e}"),
            };
            return LocalPayments::open(file).map_err(unusable);
        }
        match self.temporary {
            Some(_) => Ok(LocalPayments::default()),
            None => LocalPayments::open(&self.path.join(LEDGER)).map_err(|e| self.damaged(LEDGER, &e)),
        }
    }

    /// The positions of the functions in the stream.
    pub fn streams_folder(&self) -> PathBuf {
        self.path.join(STREAMS)
    }

    /// The default mail folder.
    pub fn mail_folder(&self) -> PathBuf {
        self.path.join(MAIL)
    }

    /// The key that seals cursors, created on first use.
    pub fn cursor_key(&self) -> Result<[u8; 32], StackError> {
        let file = self.path.join(CURSOR_KEY);
        match fs::read(&file) {
            Ok(bytes) => bytes.try_into().map_err(|_| self.damaged(CURSOR_KEY, &"it is not 32 bytes")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = runtime::random();
                durable::write(&file, &key).map_err(|e| self.unusable(e))?;
                Ok(key)
            }
            Err(error) => Err(self.damaged(CURSOR_KEY, &error)),
        }
    }

    /// Whether the sample was loaded completely.
    pub fn is_seeded(&self) -> bool {
        self.path.join(SEEDED).exists()
    }

    pub fn mark_seeded(&self) -> Result<(), StackError> {
        durable::write(&self.path.join(SEEDED), b"").map_err(|e| self.unusable(e))
    }

    fn unusable(&self, reason: impl ToString) -> StackError {
        StackError::Data { folder: self.path.clone(), reason: reason.to_string() }
    }

    fn damaged(&self, name: &str, reason: &dyn std::fmt::Display) -> StackError {
        self.refused(name, format!("is damaged ({reason})"))
    }

    /// A file of the folder, what is wrong with it, and what to do.
    fn refused(&self, name: &str, wrong: impl std::fmt::Display) -> StackError {
        self.unusable(format!(
            "{name} {wrong}. Restore the whole folder from a copy, or remove the folder to begin with a new shop"
        ))
    }
}
