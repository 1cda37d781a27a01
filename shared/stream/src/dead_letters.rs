use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, Unexpected},
};
use serde_json::Value;
use table::{Bucket, BucketError, ObjectPage};

use crate::{Mapping, change::position};

/// Records that could not be handled, each with its payload: a bucket with an object for each.
///
/// An event source mapping on AWS writes there what it gave up, and so do the local stack's mapping and the functions
/// themselves, all in the mapping's format.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
#[derive(Debug, Clone)]
pub struct DeadLetters(Bucket);

/// What is stored of records that were given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub request_context: RequestContext,
    pub version: String,
    /// When they were given up, RFC 3339.
    pub timestamp: String,
    #[serde(rename = "DDBStreamBatchInfo")]
    pub batch: BatchInfo,
    /// The event that the function got, as JSON text. AWS does not document whether a mapping writes text or an object;
    /// both are read.
    #[serde(deserialize_with = "text_or_object")]
    pub payload: String,
}

fn text_or_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        object @ Value::Object(_) => object.to_string(),
        other => return Err(D::Error::invalid_type(Unexpected::Other(&other.to_string()), &"an event, or its text")),
    })
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// Name of the function, or its ARN.
    pub function_arn: String,
    pub condition: String,
    pub approximate_invoke_count: u32,
    /// The error, if the writer knew it: the function does, a mapping does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo {
    pub shard_id: String,
    pub start_sequence_number: String,
    pub end_sequence_number: String,
    pub batch_size: usize,
    pub stream_arn: String,
}

/// Why records were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// By the function: it can never handle them.
    Unprocessable,
    /// By the mapping: after its maximum number of attempts.
    RetryAttemptsExhausted,
    /// By the mapping: older than its maximum age.
    RecordAgeExceeded,
}

impl Condition {
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Unprocessable => "Unprocessable",
            Condition::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Condition::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error("there is no such dead letter")]
    Unknown,
    #[error("the object is not a dead letter")]
    Malformed(#[source] serde_json::Error),
    #[error("the dead letters cannot be reached")]
    Unavailable(#[from] BucketError),
}

impl DeadLetter {
    /// `invoked`: how often the records were delivered.
    pub fn new(function: &str, records: &[Value], condition: Condition, invoked: u32, now: Timestamp) -> Self {
        let at = |record: Option<&Value>| record.and_then(position).unwrap_or_default();
        let arn = records.first().and_then(|r| r.get("eventSourceARN")).and_then(Value::as_str);
        Self {
            request_context: RequestContext {
                function_arn: function.to_owned(),
                condition: condition.as_str().to_owned(),
                approximate_invoke_count: invoked,
                error: None,
            },
            version: "1.0".to_owned(),
            timestamp: format!("{now:.3}"),
            batch: BatchInfo {
                shard_id: String::new(),
                start_sequence_number: at(records.first()),
                end_sequence_number: at(records.last()),
                batch_size: records.len(),
                stream_arn: arn.unwrap_or_default().to_owned(),
            },
            payload: serde_json::json!({ "Records": records }).to_string(),
        }
    }

    /// Adds the error.
    pub fn because(mut self, error: impl Into<String>) -> Self {
        self.request_context.error = Some(error.into());
        self
    }

    /// The name of the function it was meant for.
    pub fn function(&self) -> &str {
        // arn:aws:lambda:<region>:<account>:function:<name>[:<version>]
        let arn = &self.request_context.function_arn;
        arn.split(':').nth(6).unwrap_or(arn)
    }

    /// The key of its object: the same records of a function, given up again, get the same key.
    fn key(&self) -> String {
        let BatchInfo { start_sequence_number: start, end_sequence_number: end, .. } = &self.batch;
        let digest = table::keys::sha256_hex(format!("{start} {end} {}", self.payload));
        format!("{}/{}/{}.json", self.function(), self.timestamp.get(..10).unwrap_or("undated"), &digest[..32])
    }
}

impl DeadLetters {
    pub fn new(bucket: Bucket) -> Self {
        Self(bucket)
    }

    /// Stores a dead letter, and returns its key.
    pub async fn put(&self, dead_letter: &DeadLetter) -> Result<String, DeadLetterError> {
        let key = dead_letter.key();
        let text = serde_json::to_vec_pretty(dead_letter).map_err(DeadLetterError::Malformed)?;
        self.0.put(&key, text, "application/json").await?;
        Ok(key)
    }

    pub async fn get(&self, key: &str) -> Result<DeadLetter, DeadLetterError> {
        let text = self.0.get(key).await?.ok_or(DeadLetterError::Unknown)?;
        serde_json::from_slice(&text).map_err(DeadLetterError::Malformed)
    }

    /// Keys of dead letters, up to 1,000 at once, in the order of their names.
    pub async fn list(&self, after: Option<String>) -> Result<ObjectPage, DeadLetterError> {
        Ok(self.0.list("", after).await?)
    }

    pub async fn delete(&self, key: &str) -> Result<(), DeadLetterError> {
        Ok(self.0.delete(key).await?)
    }

    /// The dead letters of records that a mapping gives up.
    pub async fn give_up(
        &self,
        mapping: &Mapping,
        records: &[Value],
        condition: Condition,
        invoked: u32,
        now: Timestamp,
    ) -> Result<String, DeadLetterError> {
        self.put(&DeadLetter::new(mapping.function, records, condition, invoked, now)).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dead_letter(payload: Value) -> Result<DeadLetter, serde_json::Error> {
        serde_json::from_value(json!({
            "requestContext": {
                "requestId": "316aa6d0-8154-xmpl-9af7-85d5f4a6bc81",
                "functionArn": "arn:aws:lambda:us-east-1:111122223333:function:Shop-Projections-1A2B",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 6,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "2026-01-31T12:00:00.000Z",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000001573689847184-864758bb",
                "startSequenceNumber": "800000000003126276362",
                "endSequenceNumber": "800000000003126276362",
                "approximateArrivalOfFirstRecord": "2026-01-31T11:59:59Z",
                "approximateArrivalOfLastRecord": "2026-01-31T11:59:59Z",
                "batchSize": 1,
                "streamArn": "arn:aws:dynamodb:us-east-1:111122223333:table/Shop-Table/stream/2026-01-01T00:00:00.000",
            },
            "payload": payload,
        }))
    }

    #[test]
    fn a_dead_letter_is_read_whether_its_payload_is_text_or_an_object() {
        let event = json!({"Records": [{"eventID": "1"}]});

        let (of_text, of_object) =
            (dead_letter(event.to_string().into()).unwrap(), dead_letter(event.clone()).unwrap());

        assert_eq!(of_text, of_object);
        assert_eq!(serde_json::from_str::<Value>(&of_object.payload).unwrap(), event);
        assert_eq!(of_object.function(), "Shop-Projections-1A2B");
    }

    #[test]
    fn an_object_without_a_valid_payload_is_not_a_dead_letter() {
        for wrong in [Value::Null, json!([]), json!(1)] {
            assert!(dead_letter(wrong).is_err());
        }
    }
}
