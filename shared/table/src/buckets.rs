use std::error::Error;

use aws_sdk_s3::{
    Client,
    error::SdkError,
    operation::{get_object::GetObjectError, head_object::HeadObjectError},
    primitives::ByteStream,
};
use domain::Timestamp;

use crate::{
    meter::{self, Cost},
    on_first_use::OnFirstUse,
};

/// An S3 bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: OnFirstUse<Client>,
    name: String,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    pub key: String,
    pub bytes: u64,
    /// When it was last written.
    pub written_at: Timestamp,
}

/// Up to 1,000 objects, and where the next page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    pub objects: Vec<ObjectEntry>,
    pub next: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("bucket {bucket} cannot be used")]
pub struct BucketError {
    bucket: String,
    source: Box<dyn Error + Send + Sync>,
}

impl Bucket {
    pub(crate) fn new(client: OnFirstUse<Client>, name: String) -> Self {
        Self { client, name }
    }

    /// Another bucket of the same account and region.
    pub fn beside(&self, name: impl Into<String>) -> Self {
        Self { client: self.client.clone(), name: name.into() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn put(&self, key: &str, content: Vec<u8>, content_type: &str) -> Result<(), BucketError> {
        let body = ByteStream::from(content);
        let call = self.client.put_object().bucket(&self.name).key(key).content_type(content_type).body(body);
        counted(call.send()).await.map_err(|e| self.error(e))?;
        Ok(())
    }

    /// The whole object; `None` if it does not exist.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BucketError> {
        let object = match counted(self.client.get_object().bucket(&self.name).key(key).send()).await {
            Ok(object) => object,
            Err(SdkError::ServiceError(e)) if matches!(e.err(), GetObjectError::NoSuchKey(_)) => return Ok(None),
            Err(error) => return Err(self.error(error)),
        };
        Ok(Some(object.body.collect().await.map_err(|e| self.error(e))?.to_vec()))
    }

    /// The size of an object; `None` if it does not exist.
    pub async fn bytes_of(&self, key: &str) -> Result<Option<u64>, BucketError> {
        let head = match counted(self.client.head_object().bucket(&self.name).key(key).send()).await {
            Ok(head) => head,
            Err(SdkError::ServiceError(e)) if matches!(e.err(), HeadObjectError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(self.error(error)),
        };
        Ok(head.content_length().and_then(|bytes| u64::try_from(bytes).ok()))
    }

    /// Objects whose key begins with `prefix`, sorted by key.
    pub async fn list(&self, prefix: &str, after: Option<String>) -> Result<ObjectPage, BucketError> {
        let call = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).set_start_after(after);
        let listed = counted(call.send()).await.map_err(|e| self.error(e))?;
        let entry = |object: &aws_sdk_s3::types::Object| {
            let written_ms = object.last_modified().and_then(|at| at.to_millis().ok()).unwrap_or_default();
            ObjectEntry {
                key: object.key().unwrap_or_default().to_owned(),
                bytes: object.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
                written_at: Timestamp::from_millisecond(written_ms).unwrap_or_default(),
            }
        };
        let objects: Vec<_> = listed.contents().iter().map(entry).collect();
        let more = listed.is_truncated() == Some(true);
        let next = objects.last().filter(|_| more).map(|last| last.key.clone());
        Ok(ObjectPage { objects, next })
    }

    /// Deletes an object. Succeeds if it does not exist.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let call = self.client.delete_object().bucket(&self.name).key(key);
        counted(call.send()).await.map_err(|e| self.error(e))?;
        Ok(())
    }

    /// Creates the bucket in a local S3; on AWS the templates do. Succeeds if it exists.
    pub async fn create(&self) -> Result<(), BucketError> {
        if self.client.head_bucket().bucket(&self.name).send().await.is_ok() {
            return Ok(());
        }
        self.client.create_bucket().bucket(&self.name).send().await.map_err(|e| self.error(e))?;
        Ok(())
    }

    fn error(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> BucketError {
        BucketError { bucket: self.name.clone(), source: source.into() }
    }
}

async fn counted<T>(call: impl Future<Output = T>) -> T {
    meter::add(None, Cost { s3_calls: 1, ..Cost::default() });
    call.await
}
