use domain::{ProductId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Bucket, BucketError, ObjectPage,
    keys::{day, sha256_hex},
};

const PREFIX: &str = "descriptions/";

/// Longer descriptions are stored in S3. Small enough that META and stock stay within the 4 KB of half a read unit.
const INLINE_BYTES: usize = 1_024;

/// Where a product's description is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StoredDescription {
    Offloaded {
        #[serde(rename = "descriptionS3Key")]
        s3_key: String,
        #[serde(rename = "descriptionBytes")]
        bytes: u64,
        #[serde(rename = "descriptionSha256")]
        sha256: String,
    },
    Inline {
        description: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The object differs from what was stored: another length or digest.
    #[error("description object {s3_key} is damaged")]
    Damaged { s3_key: String },
    #[error("the bucket of descriptions cannot be used")]
    Unavailable(#[from] BucketError),
}

impl StoredDescription {
    /// Whether both are the same text, wherever each is stored.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Offloaded { sha256: a, .. }, Self::Offloaded { sha256: b, .. }) => a == b,
            (a, b) => a == b,
        }
    }
}

/// Product descriptions too large for a table item. Objects are immutable: the key contains the content's digest, so a
/// pointer never sees half of a new text, and a crash between object and pointer leaves an orphaned object, never a
/// dangling pointer.
///
/// A key also contains the day it was made, and is not made again on another day: an object that nothing points to two
/// days later stays orphaned.
#[derive(Debug, Clone)]
pub struct Descriptions(Bucket);

impl Descriptions {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }

    pub fn bucket(&self) -> &Bucket {
        &self.0
    }

    /// AP-02, writing: stores a description by its size. Up to 1,024 bytes of UTF-8 are returned, to be written with
    /// the product; a longer one is in S3 when this returns, so that the product may point to it.
    pub async fn store(
        &self,
        product: &ProductId,
        text: String,
        now: Timestamp,
    ) -> Result<StoredDescription, DescriptionError> {
        if text.len() <= INLINE_BYTES {
            return Ok(StoredDescription::Inline { description: text });
        }
        let sha256 = sha256_hex(&text);
        let s3_key = format!("{PREFIX}{product}/{}/{sha256}", day(now));
        let bytes = text.len() as u64;
        self.0.put(&s3_key, text.into_bytes(), "text/html; charset=utf-8").await?;
        Ok(StoredDescription::Offloaded { s3_key, bytes, sha256 })
    }

    /// AP-02: the text, from the product itself or from S3, verified by length and SHA-256.
    pub async fn load(&self, stored: &StoredDescription) -> Result<String, DescriptionError> {
        let (s3_key, bytes, sha256) = match stored {
            StoredDescription::Inline { description } => return Ok(description.clone()),
            StoredDescription::Offloaded { s3_key, bytes, sha256 } => (s3_key, *bytes, sha256),
        };
        let damaged = || DescriptionError::Damaged { s3_key: s3_key.clone() };
        let content = self.0.get(s3_key).await?.ok_or_else(damaged)?;
        if content.len() as u64 != bytes || sha256_hex(&content) != *sha256 {
            return Err(damaged());
        }
        String::from_utf8(content).map_err(|_| damaged())
    }

    /// The objects that hold descriptions, by key, up to 1,000 at once.
    pub async fn objects(&self, after: Option<String>) -> Result<ObjectPage, BucketError> {
        self.0.list(PREFIX, after).await
    }

    /// The product whose description an object holds, from its key.
    pub fn product_of(s3_key: &str) -> Option<ProductId> {
        s3_key.strip_prefix(PREFIX)?.split('/').next()?.parse().ok()
    }
}
