use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use table::keys::sha256_hex;

use super::{CURSOR_KEY, LEDGER, S3, SEEDED, STREAMS, TABLE};
use crate::durable;

pub const NAME: &str = "manifest.json";

/// The file: a manifest, and the digest of its text, so that a damaged one is detected.
#[derive(Serialize, Deserialize)]
struct Sealed {
    manifest: Manifest,
    sha256: String,
}

/// The state of a folder: being created, or complete with this content.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Manifest {
    Unfinished,
    Whole(Whole),
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Whole {
    /// Names of files and folders that have to exist, relative to the folder. Only those that the stack never removes.
    pub files: Vec<PathBuf>,
    /// The digest of the key is as hard to guess as the key.
    pub cursor_key_sha256: Option<String>,
}

impl Manifest {
    /// The manifest of a folder, if it has one.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match fs::read(folder.join(NAME)) {
            Ok(text) => {
                let Sealed { manifest, sha256 } = serde_json::from_slice(&text)?;
                match manifest.digest()? == sha256 {
                    true => Ok(Some(manifest)),
                    false => Err(io::Error::new(io::ErrorKind::InvalidData, "it does not have the digest it names")),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub fn write(self, folder: &Path) -> io::Result<()> {
        let sha256 = self.digest()?;
        durable::write(&folder.join(NAME), &serde_json::to_vec_pretty(&Sealed { manifest: self, sha256 })?)
    }

    fn digest(&self) -> io::Result<String> {
        Ok(sha256_hex(serde_json::to_vec(self)?))
    }
}

impl Whole {
    /// The current content of a folder.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut files: Vec<PathBuf> = [TABLE, LEDGER, CURSOR_KEY, SEEDED].map(PathBuf::from).to_vec();
        let buckets = entries(&folder.join(S3))?.into_iter().filter(|path| path.is_dir());
        files.extend(buckets.filter_map(|bucket| Some(Path::new(S3).join(bucket.file_name()?))));
        files.extend(checkpoints(folder)?);
        files.retain(|file| folder.join(file).exists());
        let cursor_key_sha256 = match fs::read(folder.join(CURSOR_KEY)) {
            Ok(key) => Some(sha256_hex(key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { files, cursor_key_sha256 })
    }
}

/// The positions of the functions in the stream, one file for each function and shard, relative to the folder.
pub fn checkpoints(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for function in entries(&folder.join(STREAMS))? {
        found.extend(entries(&function)?.into_iter().filter(|file| file.extension().is_some_and(|e| e == "json")));
    }
    Ok(found.iter().filter_map(|file| file.strip_prefix(folder).ok()).map(Path::to_owned).collect())
}

/// The content of a folder, sorted; empty if it does not exist.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
