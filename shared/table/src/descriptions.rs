use std::error::Error;

use aws_sdk_s3::{Client, error::SdkError, operation::get_object::GetObjectError, primitives::ByteStream};
use domain::ProductId;
use serde::{Deserialize, Serialize};

use crate::{
    keys::sha256_hex,
    meter::{self, Cost},
};

/// Longer descriptions go to S3. Small enough that META and stock stay within the 4 KB of half a read unit.
const INLINE_BYTES: usize = 1_024;

/// Where a product's description is.
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
    /// The object is not what was stored: another length or digest.
    #[error("description object {s3_key} is damaged")]
    Damaged { s3_key: String },
    #[error("the description store cannot be used")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// Product descriptions too large for a table item. Objects are immutable: a key names its own content, so a pointer
/// never sees half of a new text, and a crash between object and pointer leaves an orphan, never a dangling pointer.
#[derive(Debug, Clone)]
pub struct Descriptions {
    client: Client,
    bucket: String,
}

impl Descriptions {
    pub(crate) fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// AP-02, writing: keeps a description where its size belongs. Up to 1,024 bytes of UTF-8 come back to be written
    /// with the product; more is in S3 when this returns, so that the product may point to it.
    pub async fn store(&self, product: &ProductId, text: String) -> Result<StoredDescription, DescriptionError> {
        if text.len() <= INLINE_BYTES {
            return Ok(StoredDescription::Inline { description: text });
        }
        let sha256 = sha256_hex(&text);
        let s3_key = format!("descriptions/{product}/{sha256}");
        let bytes = text.len() as u64;
        let sent = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&s3_key)
            .content_type("text/html; charset=utf-8")
            .body(ByteStream::from(text.into_bytes()))
            .send()
            .await;
        meter::add(Cost { s3_calls: 1, ..Cost::default() });
        sent.map_err(unavailable)?;
        Ok(StoredDescription::Offloaded { s3_key, bytes, sha256 })
    }

    /// AP-02: the text, from the product itself or from S3, verified by length and SHA-256.
    pub async fn load(&self, stored: &StoredDescription) -> Result<String, DescriptionError> {
        let (s3_key, bytes, sha256) = match stored {
            StoredDescription::Inline { description } => return Ok(description.clone()),
            StoredDescription::Offloaded { s3_key, bytes, sha256 } => (s3_key, *bytes, sha256),
        };
        let damaged = || DescriptionError::Damaged { s3_key: s3_key.clone() };
        let got = self.client.get_object().bucket(&self.bucket).key(s3_key).send().await;
        meter::add(Cost { s3_calls: 1, ..Cost::default() });
        let object = got.map_err(|error| match &error {
            SdkError::ServiceError(e) if matches!(e.err(), GetObjectError::NoSuchKey(_)) => damaged(),
            _ => unavailable(error),
        })?;
        let content = object.body.collect().await.map_err(|e| DescriptionError::Unavailable(e.into()))?.to_vec();
        if content.len() as u64 != bytes || sha256_hex(&content) != *sha256 {
            return Err(damaged());
        }
        String::from_utf8(content).map_err(|_| damaged())
    }

    /// Creates the bucket of a local S3; on AWS the templates do. A bucket that is there already is fine.
    pub async fn create_bucket(&self) -> Result<(), DescriptionError> {
        if self.client.head_bucket().bucket(&self.bucket).send().await.is_ok() {
            return Ok(());
        }
        self.client.create_bucket().bucket(&self.bucket).send().await.map_err(unavailable)?;
        Ok(())
    }
}

fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> DescriptionError {
    DescriptionError::Unavailable(error.into())
}
