//! Records that could not be handled, and another try for them once what kept them from it is mended.

use std::time::Duration;

use ::stream::{Batch, DeadLetter, DeadLetterError, DeadLetters};
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_lambda::{Client, config::Credentials, primitives::Blob};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;

/// Dead letters read side by side.
const CONCURRENCY: usize = 8;

/// Longer than any function may take; `cargo lambda watch` builds one when it is first called.
const INVOKE: Duration = Duration::from_secs(5 * 60);
const CONNECT: Duration = Duration::from_secs(5);

/// An object of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Listed {
    // Its name in the output of `--json`.
    #[serde(rename = "letter")]
    DeadLetter(Summary),
    /// Something else, or what is left of a dead letter.
    Foreign { key: String, why: String },
}

/// What a list tells of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub key: String,
    pub function: String,
    /// Why it was given up, in Lambda's words.
    pub condition: String,
    pub records: usize,
    /// When it was given up, RFC 3339.
    pub when: String,
    /// What went wrong, if the writer knew.
    pub error: Option<String>,
}

/// What became of a dead letter that was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Its records are handled, and it is gone.
    Deleted,
    /// Its records are handled, and it was to be kept.
    Kept,
}

/// Why a dead letter stays.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    DeadLetters(DeadLetterError),
    /// As where only what the records were about was kept.
    #[error("there are no records in it to replay")]
    NoRecords(#[source] DeadLetterError),
    #[error("its payload is not a batch of records: {0}")]
    Payload(String),
    /// Whether its records were handled is not known if the answer was lost.
    #[error("the function could not be called: {0}")]
    Call(String),
    #[error("the function failed: {0}")]
    Failed(String),
    #[error("the function's answer is not one to a batch of records: {0}")]
    Answer(String),
    #[error("the function wants these records again: {}", .0.join(", "))]
    Again(Vec<String>),
    #[error("the function gave its records up once more; see `show` for why")]
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

/// Functions, as they can be called.
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
            // A call whose answer was lost may have been carried out; whoever replays decides about another.
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

/// Every object of the bucket by key; only dead letters of one function if that is asked for.
///
/// # Errors
/// The bucket cannot be read. Objects that are no dead letters are none.
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

/// Has a dead letter's function handle its records once more. A dead letter whose records are handled is deleted unless `keep`.
///
/// # Errors
/// The dead letter stays, and why. Replaying it again is safe: functions handle a record once, however often it comes.
pub async fn replay(
    dead_letters: &DeadLetters,
    functions: &Functions,
    key: &str,
    keep: bool,
) -> Result<Replayed, ReplayError> {
    let dead_letter = dead_letters.get(key).await?;
    check_payload(&dead_letter.payload)?;
    functions.handle(dead_letter.function(), &dead_letter.payload).await?;
    // A function answers that it is done with a record it gave up, and its dead letter may have this very key.
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
        assert_eq!(again.unwrap_err().to_string(), "the function wants these records again: 100");
        for unclear in ["", "null", "{}", "<html>", r#"{"batchItemFailures":null}"#] {
            assert!(matches!(understand(None, unclear), Err(ReplayError::Answer(_))), "{unclear}");
        }
        let failed = understand(Some("Unhandled"), r#"{"batchItemFailures":[]}"#);
        assert!(matches!(failed, Err(ReplayError::Failed(_))));
    }

    #[test]
    fn a_payload_that_is_no_batch_is_not_sent() {
        assert!(check_payload(r#"{"Records":[{"eventID":"1"}]}"#).is_ok());
        for useless in ["", "null", "{}", r#"{"Records":[]}"#, r#"{"Records":{}}"#] {
            assert!(matches!(check_payload(useless), Err(ReplayError::Payload(_))), "{useless}");
        }
    }
}
