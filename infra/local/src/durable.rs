//! Files that are complete at any time, even after kill -9 and power cuts.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Replaces the content of a file: the new content from when this returns, the old one until then, and never a part of
/// either. The file has one writer at a time.
pub fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut new = File::create(&beside)?;
    new.write_all(text)?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    // The rename itself is an entry of the folder.
    sync(file.parent().unwrap_or(Path::new(".")))
}

/// Flushes a folder's entries, or a file's content, to the disk.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The same for everything below a folder.
pub fn sync_below(folder: &Path) -> io::Result<()> {
    for path in below(folder)? {
        sync(&path)?;
    }
    sync(folder)
}

/// Everything below a folder, files and folders; a folder comes before its content.
pub fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        found.push(entry.path());
        if entry.file_type()?.is_dir() {
            found.extend(below(&entry.path())?);
        }
    }
    found.sort();
    Ok(found)
}
