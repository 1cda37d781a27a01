//! Dead letters: listing them, and replaying their records once the cause is corrected.

use std::time::Duration;

use ::stream::{Batch, DeadLetter, DeadLetterError, DeadLetters};
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_lambda::{Client, config::Credentials, primitives::Blob};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;

/// Dead letters read concurrently.
const CONCURRENCY: usize = 8;

/// Longer than any function may take; `cargo lambda watch` builds a function at its first call.
const INVOKE: Duration = Duration::from_secs(5 * 60);
const CONNECT: Duration = Duration::from_secs(5);

/// An object of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Listed {
    // Its name in the output of `--json`.
    #[serde(rename = "letter")]
    DeadLetter(Summary),
    /// Something else, or an incomplete dead letter.
    Foreign { key: String, why: String },
}

/// A dead letter in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub key: String,
    pub function: String,
    /// Why it was given up, as Lambda names it.
    pub condition: String,
    pub records: usize,
    /// When it was given up, RFC 3339.
    pub when: String,
    /// The error, if the writer knew it.
    pub error: Option<String>,
}

/// The result of replaying a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Its records are handled, and it is deleted.
    Deleted,
    /// Its records are handled, and it is kept as requested.
    Kept,
}

/// Why a dead letter stays.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    DeadLetters(DeadLetterError),
    /// It only has the metadata of the records.
    #[error("it has no records to replay")]
    NoRecords(#[source] DeadLetterError),
    #[error("its payload is not a batch of records: {0}")]
    Payload(String),
    /// If the answer was lost, its records may have been handled.
    #[error("the function could not be called: {0}")]
    Call(String),
    #[error("the function failed: {0}")]
    Failed(String),
    #[error("the function's answer is not that of a stream consumer: {0}")]
    Answer(String),
    #[error("the function could not handle these records yet: {}", .0.join(", "))]
    Again(Vec<String>),
    #[error("the function gave its records up again; `show` prints the reason")]
    GivenUpAgain,
}

impl From<DeadLetterError> for ReplayError {
    fn from(error: DeadLetterError) -> Self {
        match error {
            DeadLetterError::Malformed(_) => Self::NoRecords(error),
            error => Self::DeadLetters(error),
        }
    }
}

/// How to call functions.
#[derive(Debug, Clone)]
pub struct Functions(Client);

impl Functions {
    /// `endpoint`: instead of AWS Lambda. `local`: whether to call it without credentials.
    pub async fn at(endpoint: Option<&str>, local: bool) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .read_timeout(INVOKE)
            .operation_attempt_timeout(INVOKE)
            .operation_timeout(INVOKE)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(table::http_client())
            // A call whose answer was lost may have been carried out; the operator decides about another one.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if local {
            let credentials = Credentials::new("local", "local", None, None, "local");
            loader = loader.region(Region::from_static("us-east-1")).credentials_provider(credentials);
        }
        let shared = loader.load().await;
        let mut config = aws_sdk_lambda::config::Builder::from(&shared);
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self(Client::from_conf(config.build()))
    }

    /// Calls a function with a batch and waits until it has handled all of it.
    async fn handle(&self, function: &str, payload: &str) -> Result<(), ReplayError> {
        let call = self.0.invoke().function_name(function).payload(Blob::new(payload)).send();
        let output = call.await.map_err(|e| ReplayError::Call(table::error_chain(&e)))?;
        let answer = output.payload().map(|payload| String::from_utf8_lossy(payload.as_ref()));
        understand(output.function_error(), answer.as_deref().unwrap_or_default())
    }
}

/// All objects of the bucket by key, or only the dead letters of one function.
///
/// # Errors
/// The bucket cannot be read. Objects that are not dead letters are not errors.
pub async fn list(dead_letters: &DeadLetters, function: Option<&str>) -> Result<Vec<Listed>, DeadLetterError> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = dead_letters.list(after).await?;
        let keys = page.objects.into_iter().map(|object| object.key);
        let read = stream::iter(keys).map(|key| summary(dead_letters, key)).buffered(CONCURRENCY);
        let read: Vec<Option<Listed>> = read.try_collect().await?;
        listed.extend(read.into_iter().flatten().filter(|one| match one {
            Listed::DeadLetter(dead_letter) => function.is_none_or(|function| dead_letter.function == function),
            Listed::Foreign { .. } => function.is_none(),
        }));
        after = page.next;
        if after.is_none() {
            return Ok(listed);
        }
    }
}

/// `None` if it was deleted meanwhile.
async fn summary(dead_letters: &DeadLetters, key: String) -> Result<Option<Listed>, DeadLetterError> {
    match dead_letters.get(&key).await {
        Ok(dead_letter) => Ok(Some(Listed::DeadLetter(Summary::of(key, &dead_letter)))),
        Err(DeadLetterError::Unknown) => Ok(None),
        Err(error @ DeadLetterError::Malformed(_)) => {
            Ok(Some(Listed::Foreign { key, why: table::error_chain(&error) }))
        }
        Err(error) => Err(error),
    }
}

impl Summary {
    fn of(key: String, dead_letter: &DeadLetter) -> Self {
        Self {
            key,
            function: dead_letter.function().to_owned(),
            condition: dead_letter.request_context.condition.clone(),
            records: dead_letter.batch.batch_size,
            when: dead_letter.timestamp.clone(),
            error: dead_letter.request_context.error.clone(),
        }
    }
}

/// A dead letter with its records as JSON rather than as text.
pub async fn show(dead_letters: &DeadLetters, key: &str) -> Result<Value, DeadLetterError> {
    let dead_letter = dead_letters.get(key).await?;
    let mut shown = serde_json::to_value(&dead_letter).map_err(DeadLetterError::Malformed)?;
    if let Ok(records) = serde_json::from_str(&dead_letter.payload) {
        shown["payload"] = records;
    }
    Ok(shown)
}

/// Calls a dead letter's function with its records again. If it handles them, the dead letter is deleted unless `keep`.
///
/// # Errors
/// Why the dead letter stays. Replaying it again is safe: functions handle a record once, however often it comes.
pub async fn replay(
    dead_letters: &DeadLetters,
    functions: &Functions,
    key: &str,
    keep: bool,
) -> Result<Replayed, ReplayError> {
    let dead_letter = dead_letters.get(key).await?;
    check_payload(&dead_letter.payload)?;
    functions.handle(dead_letter.function(), &dead_letter.payload).await?;
    // A function also answers success for a record it gave up, and the new dead letter may have this very key.
    match dead_letters.get(key).await {
        Ok(now) if now != dead_letter => return Err(ReplayError::GivenUpAgain),
        Ok(_) if keep => return Ok(Replayed::Kept),
        Ok(_) => dead_letters.delete(key).await?,
        // Somebody else replayed it too.
        Err(DeadLetterError::Unknown) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Replayed::Deleted)
}

fn check_payload(payload: &str) -> Result<(), ReplayError> {
    let batch: Batch = serde_json::from_str(payload).map_err(|e| ReplayError::Payload(e.to_string()))?;
    match batch.records.is_empty() {
        true => Err(ReplayError::Payload("it has no records".to_owned())),
        false => Ok(()),
    }
}

/// Whether a function says that all of a batch is done.
fn understand(function_error: Option<&str>, answer: &str) -> Result<(), ReplayError> {
    if let Some(kind) = function_error {
        return Err(ReplayError::Failed(format!("{kind}: {answer}")));
    }
    let read: Option<Value> = serde_json::from_str(answer).ok();
    let failures = read.as_ref().and_then(|answer| answer.get("batchItemFailures")?.as_array());
    let failures = failures.ok_or_else(|| ReplayError::Answer(answer.chars().take(200).collect()))?;
    if failures.is_empty() {
        return Ok(());
    }
    let id = |failure: &Value| failure["itemIdentifier"].as_str().unwrap_or_default().to_owned();
    Err(ReplayError::Again(failures.iter().map(id).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_names_no_record_means_that_all_are_handled() {
        assert!(understand(None, r#"{"batchItemFailures":[]}"#).is_ok());
        let again = understand(None, r#"{"batchItemFailures":[{"itemIdentifier":"100"}]}"#);
        assert_eq!(again.unwrap_err().to_string(), "the function could not handle these records yet: 100");
        for unclear in ["", "null", "{}", "<html>", r#"{"batchItemFailures":null}"#] {
            assert!(matches!(understand(None, unclear), Err(ReplayError::Answer(_))), "{unclear}");
        }
        let failed = understand(Some("Unhandled"), r#"{"batchItemFailures":[]}"#);
        assert!(matches!(failed, Err(ReplayError::Failed(_))));
    }

    #[test]
    fn a_payload_that_is_not_a_batch_is_not_sent() {
        assert!(check_payload(r#"{"Records":[{"eventID":"1"}]}"#).is_ok());
        for useless in ["", "null", "{}", r#"{"Records":[]}"#, r#"{"Records":{}}"#] {
            assert!(matches!(check_payload(useless), Err(ReplayError::Payload(_))), "{useless}");
        }
    }
}
