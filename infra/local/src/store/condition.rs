//! Checks that an existing folder is unchanged since the last run. Damage is refused and named: starting with an empty
//! file instead would lose the rest of the shop as well, without anybody noticing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use table::{TableNames, keys::sha256_hex};

use super::{
    CURSOR_KEY, DataFolder, S3, SEEDED, STREAMS, TABLE,
    manifest::{Whole, checkpoints},
};
use crate::{BUCKET, StackError, durable, engine, mapping::Checkpoint};

/// `manifest` is absent for a folder that was created before there was one.
pub fn check(data: &DataFolder, manifest: Option<&Whole>, tables: Option<&TableNames>) -> Result<(), StackError> {
    let before = || assumed(&data.path).map(|files| Whole { files, cursor_key_sha256: None });
    let assumed = match manifest {
        Some(_) => Whole::default(),
        None => before().map_err(|e| data.unusable(e))?,
    };
    let whole = manifest.unwrap_or(&assumed);
    for name in &whole.files {
        is_there(data, name)?;
    }
    cursor_key(data, whole)?;
    let delivered = delivered(data)?;
    if let Some(tables) = tables {
        is_there(data, Path::new(TABLE))?;
        let pointers = engine::check(&data.path.join(TABLE), tables, &delivered);
        descriptions(data, &pointers.map_err(|damage| data.refused(TABLE, damage))?)?;
    }
    objects(data)
}

/// What a folder without a manifest must have. Stream delivery started last, so if there are checkpoints everything had
/// been created.
fn assumed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let was_served = !checkpoints(folder)?.is_empty();
    Ok(if was_served { vec![CURSOR_KEY.into(), S3.into()] } else { Vec::new() })
}

fn is_there(data: &DataFolder, name: &Path) -> Result<(), StackError> {
    let found = match fs::metadata(data.path.join(name)) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(data.refused(&name.to_string_lossy(), "is missing"));
        }
        Err(error) => return Err(data.damaged(&name.to_string_lossy(), &error)),
    };
    // The existence of the file is its only content.
    let may_be_empty = found.is_dir() || name == Path::new(SEEDED);
    match found.len() == 0 && !may_be_empty {
        true => Err(data.refused(&name.to_string_lossy(), "is empty")),
        false => Ok(()),
    }
}

fn cursor_key(data: &DataFolder, whole: &Whole) -> Result<(), StackError> {
    let Some(digest) = &whole.cursor_key_sha256 else { return Ok(()) };
    let key = fs::read(data.path.join(CURSOR_KEY)).map_err(|e| data.damaged(CURSOR_KEY, &e))?;
    match sha256_hex(key) == *digest {
        true => Ok(()),
        false => Err(data.damaged(CURSOR_KEY, &"it is not the key that was created")),
    }
}

fn delivered(data: &DataFolder) -> Result<Vec<Checkpoint>, StackError> {
    let names = checkpoints(&data.path).map_err(|e| data.damaged(STREAMS, &e))?;
    let read =
        |name: &PathBuf| Checkpoint::read(&data.path.join(name)).map_err(|e| data.damaged(&name.to_string_lossy(), &e));
    names.iter().map(read).collect()
}

/// The text of each product is where the product says, and unchanged.
fn descriptions(data: &DataFolder, pointers: &[engine::Pointer]) -> Result<(), StackError> {
    for engine::Pointer { s3_key, bytes, sha256 } in pointers {
        let name = Path::new(S3).join(BUCKET).join(s3_key);
        is_there(data, &name)?;
        let text = fs::read(data.path.join(&name)).map_err(|e| data.damaged(&name.to_string_lossy(), &e))?;
        if text.len() as u64 != *bytes || sha256_hex(&text) != *sha256 {
            return Err(data.damaged(&name.to_string_lossy(), &"it is not the text that was stored"));
        }
        checksum(data, s3_key, &text)?;
    }
    Ok(())
}

/// The S3 stores a checksum beside an object (s3s-fs 0.14, `get_internal_info_path`), which the SDK compares on
/// reading.
fn checksum(data: &DataFolder, s3_key: &str, text: &[u8]) -> Result<(), StackError> {
    let [bucket, object] = [BUCKET, s3_key].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let name = format!("{S3}/.bucket-{bucket}.object-{object}.internal.json");
    let beside = match fs::read(data.path.join(&name)) {
        Ok(beside) => beside,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(data.damaged(&name, &error)),
    };
    let beside: serde_json::Value = serde_json::from_slice(&beside).map_err(|e| data.damaged(&name, &e))?;
    let crc = BASE64_STANDARD.encode(crc32fast::hash(text).to_be_bytes());
    match beside["checksum_crc32"].as_str() {
        Some(kept) if kept != crc => Err(data.damaged(&name, &"it has the checksum of another text")),
        Some(_) | None => Ok(()),
    }
}

/// No object of ours is empty, and what the S3 stores beside them is JSON.
fn objects(data: &DataFolder) -> Result<(), StackError> {
    let folder = data.path.join(S3);
    if !folder.exists() {
        return Ok(());
    }
    for path in durable::below(&folder).map_err(|e| data.damaged(S3, &e))? {
        let name = path.strip_prefix(&data.path).unwrap_or(&path);
        let is_in_root = name.parent() == Some(Path::new(S3));
        // Uploads that were running when the stack was killed; the S3 removes them (s3s-fs 0.14,
        // `clean_old_tmp_files`).
        if is_in_root && name.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp.")) {
            continue;
        }
        is_there(data, name)?;
        let is_beside = is_in_root && name.extension().is_some_and(|e| e == "json");
        if is_beside && path.is_file() {
            let text = fs::read(&path).map_err(|e| data.damaged(&name.to_string_lossy(), &e))?;
            serde_json::from_slice::<serde_json::Value>(&text)
                .map_err(|e| data.damaged(&name.to_string_lossy(), &e))?;
        }
    }
    Ok(())
}
