//! Generations of the search index in S3.
//!
//! A file of an index is an object that is named by its content and written once. A *list* names the files of one
//! generation; the manifest in the table names the list. So a generation is complete before it answers, files that two
//! generations have in common are there once, two writers never overwrite each other, and what no kept list names can be
//! deleted.
//!
//! | key | content |
//! |---|---|
//! | `search/files/<sha256>` | a file of an index |
//! | `search/lists/<uuid>.json` | the files of one generation |
//! | `search/rules/<uuid>.json` | rules of staff |

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use domain::Timestamp;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use search::Files;
use serde::{Deserialize, Serialize};
use table::{Bucket, BucketError, keys::sha256_hex};
use uuid::Uuid;

/// All objects of search.
pub const PREFIX: &str = "search/";
const FILES: &str = "search/files/";
const LISTS: &str = "search/lists/";
const RULES: &str = "search/rules/";

/// Objects that are read or written at once.
const CONCURRENCY: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    #[error("the bucket of the search index cannot be used")]
    Unavailable(#[from] BucketError),
    #[error("the folder of the search index cannot be used")]
    Folder(#[from] std::io::Error),
    /// An object is missing, or is not what was written. Another attempt does not help.
    #[error("{key} is damaged: {reason}")]
    Damaged { key: String, reason: String },
}

fn damaged(key: &str, reason: impl ToString) -> GenerationError {
    GenerationError::Damaged { key: key.to_owned(), reason: reason.to_string() }
}

/// The files of one generation, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileList(BTreeMap<String, Written>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    bytes: u64,
    sha256: String,
}

impl Written {
    fn key(&self) -> String {
        format!("{FILES}{}", self.sha256)
    }
}

impl FileList {
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|file| file.bytes).sum()
    }

    fn keys(&self) -> impl Iterator<Item = String> {
        self.0.values().map(Written::key)
    }
}

/// A generation that was read or written: what its list names, and the files.
#[derive(Debug, Clone, Default)]
pub struct Generation {
    pub list: FileList,
    pub files: Files,
}

/// The same as files of a folder, which is removed with this. What is mapped into memory stays.
#[derive(Debug)]
pub struct GenerationFolder {
    list: FileList,
    path: PathBuf,
}

impl GenerationFolder {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for GenerationFolder {
    fn drop(&mut self) {
        // It only costs space, until the environment ends.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Where generations are.
#[derive(Debug, Clone)]
pub struct Generations(Bucket);

impl Generations {
    pub fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }

    /// A generation by the key of its list. Files that `known` has are not read again.
    ///
    /// # Errors
    /// A file is missing or damaged, or the bucket cannot be used.
    pub async fn load(&self, list: &str, known: &Generation) -> Result<Generation, GenerationError> {
        let list = self.list(list).await?;
        // Owned: a stream of futures that borrow what they are made from is not `Send`.
        let files = stream::iter(list.0.clone()).map(|(name, written)| async move {
            let content = match known.files.get(&name) {
                Some(content) if known.list.0.get(&name) == Some(&written) => content.clone(),
                _ => self.file(&written).await?.into(),
            };
            Ok::<_, GenerationError>((name, content))
        });
        let files = files.buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(Generation { list, files })
    }

    /// A generation by the key of its list, as files of a folder that this makes. Files that `known` has, a folder of another
    /// generation, are linked and not read again.
    ///
    /// # Errors
    /// A file is missing or damaged, or the bucket or the folder cannot be used.
    pub async fn load_into(
        &self,
        list: &str,
        folder: PathBuf,
        known: Option<&GenerationFolder>,
    ) -> Result<GenerationFolder, GenerationError> {
        let list = self.list(list).await?;
        std::fs::create_dir_all(&folder)?;
        // From here on it is removed again if anything fails.
        let generation = GenerationFolder { list, path: folder };
        let files = stream::iter(generation.list.0.clone()).map(|(name, written)| {
            let path = generation.path.join(&name);
            let before = known.filter(|known| known.list.0.get(&name) == Some(&written));
            let before = before.map(|known| known.path.join(&name));
            async move {
                if before.is_some_and(|before| std::fs::hard_link(before, &path).is_ok()) {
                    return Ok(());
                }
                let content = self.file(&written).await?;
                std::fs::write(&path, content)?;
                Ok::<_, GenerationError>(())
            }
        });
        files.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        Ok(generation)
    }

    async fn list(&self, key: &str) -> Result<FileList, GenerationError> {
        let text = self.0.get(key).await?.ok_or_else(|| damaged(key, "it is missing"))?;
        serde_json::from_slice(&text).map_err(|e| damaged(key, e))
    }

    async fn file(&self, written: &Written) -> Result<Vec<u8>, GenerationError> {
        let key = written.key();
        let content = self.0.get(&key).await?.ok_or_else(|| damaged(&key, "it is missing"))?;
        if content.len() as u64 != written.bytes || sha256_hex(&content) != written.sha256 {
            return Err(damaged(&key, "it has another content than was written"));
        }
        Ok(content)
    }

    /// Writes the files that `before` does not have, looks that each of them has arrived, and only then writes their list.
    /// Returns the key of the list, and the generation.
    ///
    /// # Errors
    /// A file did not arrive, or the bucket cannot be used: then there is no list, and what was written is not used.
    pub async fn store(&self, files: Files, before: &FileList) -> Result<(String, Generation), GenerationError> {
        let written: BTreeSet<_> = before.0.values().map(|file| file.sha256.as_str()).collect();
        let of = |content: &[u8]| Written { bytes: content.len() as u64, sha256: sha256_hex(content) };
        // A name that was there has the content it had, unless it is one that every generation has.
        let list: BTreeMap<_, _> = files.iter().map(|(name, content)| (name.clone(), of(content))).collect();
        let new = list.iter().filter(|(_, file)| !written.contains(file.sha256.as_str()));
        let new: Vec<_> = new.map(|(name, file)| (files[name].clone(), file.clone())).collect();
        let puts = stream::iter(new).map(|(content, file)| async move {
            let key = file.key();
            self.0.put(&key, content.to_vec(), "application/octet-stream").await?;
            match self.0.bytes_of(&key).await? {
                Some(bytes) if bytes == file.bytes => Ok(()),
                _ => Err(damaged(&key, "it was written, and is not there")),
            }
        });
        puts.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        let key = format!("{LISTS}{}.json", Uuid::now_v7());
        let list = FileList(list);
        let text = serde_json::to_vec(&list).expect("names, sizes and digests are JSON");
        self.0.put(&key, text, "application/json").await?;
        Ok((key, Generation { list, files }))
    }

    /// Deletes a list that is not kept any more, with the files that only it names. Returns the number of objects.
    ///
    /// # Errors
    /// The bucket cannot be used. What is left then is not used, and [`Generations::sweep`] finds it.
    pub async fn remove(&self, list: &str, kept: &[String]) -> Result<usize, GenerationError> {
        let removed = match self.list(list).await {
            Ok(removed) => removed,
            // It was removed already.
            Err(GenerationError::Damaged { .. }) => return Ok(0),
            Err(error) => return Err(error),
        };
        let needed = self.named_by(kept).await?;
        let unused: BTreeSet<_> = removed.keys().filter(|key| !needed.contains(key)).collect();
        let objects = unused.len() + 1;
        let deletions = stream::iter(unused).map(|key| async move { self.0.delete(&key).await });
        deletions.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        // Last, so that an interrupted removal is repeated.
        self.0.delete(list).await?;
        Ok(objects)
    }

    /// Deletes all objects written before this time that no kept list names: what interrupted runs left. Returns how many.
    ///
    /// # Errors
    /// The bucket cannot be used, or a kept list is damaged.
    pub async fn sweep(&self, kept: &[String], before: Timestamp) -> Result<usize, GenerationError> {
        let needed = self.named_by(kept).await?;
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.0.list(PREFIX, after).await?;
            for object in page.objects {
                let unused = !needed.contains(&object.key) && !object.key.starts_with(RULES);
                if unused && object.written_at < before {
                    self.0.delete(&object.key).await?;
                    removed += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }

    /// The keys of these lists and of all files that they name.
    async fn named_by(&self, lists: &[String]) -> Result<BTreeSet<String>, GenerationError> {
        let mut named: BTreeSet<String> = lists.iter().cloned().collect();
        for list in lists {
            named.extend(self.list(list).await?.keys());
        }
        Ok(named)
    }

    /// Writes rules of staff, and returns their key.
    ///
    /// # Errors
    /// The bucket cannot be used.
    pub async fn store_rules(&self, text: String) -> Result<String, GenerationError> {
        let key = format!("{RULES}{}.json", Uuid::now_v7());
        self.0.put(&key, text.into_bytes(), "application/json").await?;
        Ok(key)
    }

    /// # Errors
    /// They are missing, or the bucket cannot be used.
    pub async fn load_rules(&self, key: &str) -> Result<String, GenerationError> {
        let text = self.0.get(key).await?.ok_or_else(|| damaged(key, "it is missing"))?;
        String::from_utf8(text).map_err(|e| damaged(key, e))
    }
}
