//! The table's stream, read through the SDK.

use std::error::Error;

use aws_sdk_dynamodbstreams::{
    Client,
    config::{BehaviorVersion, Credentials, Region, SharedHttpClient},
    error::SdkError,
    operation::{get_records::GetRecordsError, get_shard_iterator::GetShardIteratorError},
    types::ShardIteratorType,
};
use serde_json::Value;

use super::record::event_record;

/// The stream of a table.
#[derive(Debug, Clone)]
pub struct Source {
    client: Client,
    table: String,
}

/// The current stream, with its remaining shards.
#[derive(Debug, Clone)]
pub struct Stream {
    pub arn: String,
    pub shards: Vec<Shard>,
}

#[derive(Debug, Clone)]
pub struct Shard {
    pub id: String,
    /// The shard that this one continues; it may be gone already.
    pub parent: Option<String>,
}

/// Up to 1,000 records or 1 MB, and the iterator of the next ones; a shard that has ended has none.
#[derive(Debug)]
pub struct Page {
    pub records: Vec<Value>,
    pub next: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the iterator is too old")]
    Expired,
    #[error("the records are not on the stream any more")]
    Trimmed,
    #[error("the table {0} has no stream")]
    NoStream(String),
    #[error("the stream cannot be read")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl Source {
    /// The stream of a table of a local engine.
    pub fn new(endpoint: &str, table: &str, http: SharedHttpClient) -> Self {
        let config = aws_sdk_dynamodbstreams::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            // A local engine checks no signature, but the SDK needs credentials to sign with.
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(endpoint)
            .http_client(http)
            .build();
        Self { client: Client::from_conf(config), table: table.to_owned() }
    }

    pub async fn stream(&self) -> Result<Stream, SourceError> {
        let streams = self.client.list_streams().table_name(&self.table).send().await.map_err(unavailable)?;
        // A stream that was turned off stays listed for a day; labels are times.
        let latest = streams.streams().iter().max_by_key(|stream| stream.stream_label());
        let none = || SourceError::NoStream(self.table.clone());
        let arn = latest.and_then(|stream| stream.stream_arn()).ok_or_else(none)?.to_owned();

        let (mut shards, mut after) = (Vec::new(), None);
        loop {
            let page = self.client.describe_stream().stream_arn(&arn).set_exclusive_start_shard_id(after);
            let page = page.send().await.map_err(unavailable)?.stream_description.ok_or_else(none)?;
            after = page.last_evaluated_shard_id;
            let shard = |shard: aws_sdk_dynamodbstreams::types::Shard| {
                Some(Shard { id: shard.shard_id?, parent: shard.parent_shard_id })
            };
            shards.extend(page.shards.unwrap_or_default().into_iter().filter_map(shard));
            if after.is_none() {
                return Ok(Stream { arn, shards });
            }
        }
    }

    /// An iterator after a record, or at the oldest one.
    pub async fn iterator(&self, stream: &str, shard: &str, after: Option<&str>) -> Result<String, SourceError> {
        let from = match after {
            Some(_) => ShardIteratorType::AfterSequenceNumber,
            None => ShardIteratorType::TrimHorizon,
        };
        let call = self.client.get_shard_iterator().stream_arn(stream).shard_id(shard).shard_iterator_type(from);
        match call.set_sequence_number(after.map(str::to_owned)).send().await {
            Ok(answer) => answer.shard_iterator.ok_or_else(|| unavailable("there is no iterator")),
            Err(SdkError::ServiceError(e))
                if matches!(e.err(), GetShardIteratorError::TrimmedDataAccessException(_)) =>
            {
                Err(SourceError::Trimmed)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    pub async fn page(&self, stream: &str, iterator: &str) -> Result<Page, SourceError> {
        match self.client.get_records().shard_iterator(iterator).send().await {
            Ok(page) => {
                let records = page.records.unwrap_or_default().into_iter();
                Ok(Page {
                    records: records.map(|record| event_record(record, stream)).collect(),
                    next: page.next_shard_iterator,
                })
            }
            Err(SdkError::ServiceError(e)) => match e.err() {
                GetRecordsError::ExpiredIteratorException(_) => Err(SourceError::Expired),
                GetRecordsError::TrimmedDataAccessException(_) => Err(SourceError::Trimmed),
                _ => Err(unavailable(SdkError::ServiceError(e))),
            },
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl Stream {
    /// Shards that may be read once `finished` are: those whose parent is finished or gone, so that an item's records
    /// stay in order where a shard was split.
    pub fn ready(&self, finished: impl Fn(&str) -> bool) -> impl Iterator<Item = &Shard> {
        let listed = |id: &str| self.shards.iter().any(|shard| shard.id == id);
        let ready = move |shard: &&Shard| shard.parent.as_deref().is_none_or(|p| finished(p) || !listed(p));
        self.shards.iter().filter(ready)
    }
}

fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> SourceError {
    SourceError::Unavailable(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_read_once_its_parent_is_finished_or_gone() {
        let shard = |id: &str, parent: Option<&str>| Shard { id: id.to_owned(), parent: parent.map(str::to_owned) };
        let shards = vec![shard("a", Some("gone")), shard("b", None), shard("a1", Some("a")), shard("a2", Some("a1"))];
        let stream = Stream { arn: "arn".to_owned(), shards };
        let ready = |finished: &[&str]| {
            stream.ready(|id| finished.contains(&id)).map(|shard| shard.id.clone()).collect::<Vec<_>>()
        };

        assert_eq!(ready(&[]), ["a", "b"]);
        assert_eq!(ready(&["a"]), ["a", "b", "a1"]);
        assert_eq!(ready(&["a", "a1"]), ["a", "b", "a1", "a2"]);
    }
}
