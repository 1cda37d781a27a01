//! Records that could not be handled, and another try for them once what kept them from it is mended.

use std::time::Duration;

use ::stream::{Batch, DeadLetter, DeadLetterError, DeadLetters};
use aws::Client;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::Credentials;
use futures::{StreamExt, TryStreamExt, stream};
use http::{Request, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

/// Letters read side by side.
const AT_ONCE: usize = 8;

/// Longer than any function may take; `cargo lambda watch` builds one when it is first called.
const INVOKE: Duration = Duration::from_secs(5 * 60);
const CONNECT: Duration = Duration::from_secs(5);

/// What stands for something else in a segment of a path. <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An object of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Listed {
    Letter(Summary),
    /// Something else, or what is left of a letter.
    Foreign {
        key: String,
        why: String,
    },
}

/// What a list tells of a letter.
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

/// What became of a letter that was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Its records are handled, and it is gone.
    Deleted,
    /// Its records are handled, and it was to be kept.
    Kept,
}

/// Why a letter stays.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Letters(DeadLetterError),
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
            error => Self::Letters(error),
        }
    }
}

/// Functions, as they can be called.
#[derive(Debug, Clone)]
pub struct Functions(Client);

impl Functions {
    /// `endpoint`: instead of AWS Lambda. `local`: whether to call it without credentials.
    ///
    /// # Errors
    /// The environment names no region.
    pub async fn at(endpoint: Option<&str>, local: bool) -> Result<Self, String> {
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
        Client::new(aws::LAMBDA, "Invoke", &loader.load().await, endpoint).map(Self)
    }

    /// Calls a function with a batch and waits until it has handled all of it.
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
    async fn handle(&self, function: &str, payload: &str) -> Result<(), ReplayError> {
        let function = utf8_percent_encode(function, SEGMENT);
        let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(payload.as_bytes().to_vec())
            .map_err(|e| ReplayError::Call(e.to_string()))?;
        let answer = self.0.call(request).await.map_err(|e| ReplayError::Call(e.in_full()))?;
        understand(answer.header("x-amz-function-error"), &String::from_utf8_lossy(answer.body()))
    }
}

/// Every object of the bucket by key; only letters of one function if that is asked for.
///
/// # Errors
/// The bucket cannot be read. Objects that are no letters are none.
pub async fn list(letters: &DeadLetters, function: Option<&str>) -> Result<Vec<Listed>, DeadLetterError> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = letters.list(after).await?;
        let keys = page.objects.into_iter().map(|object| object.key);
        let read = stream::iter(keys).map(|key| summary(letters, key)).buffered(AT_ONCE);
        let read: Vec<Option<Listed>> = read.try_collect().await?;
        listed.extend(read.into_iter().flatten().filter(|one| match one {
            Listed::Letter(letter) => function.is_none_or(|function| letter.function == function),
            Listed::Foreign { .. } => function.is_none(),
        }));
        after = page.next;
        if after.is_none() {
            return Ok(listed);
        }
    }
}

/// `None` if it was deleted meanwhile.
async fn summary(letters: &DeadLetters, key: String) -> Result<Option<Listed>, DeadLetterError> {
    match letters.get(&key).await {
        Ok(letter) => Ok(Some(Listed::Letter(Summary::of(key, &letter)))),
        Err(DeadLetterError::Unknown) => Ok(None),
        Err(error @ DeadLetterError::Malformed(_)) => {
            Ok(Some(Listed::Foreign { key, why: table::error_chain(&error) }))
        }
        Err(error) => Err(error),
    }
}

impl Summary {
    fn of(key: String, letter: &DeadLetter) -> Self {
        Self {
            key,
            function: letter.function().to_owned(),
            condition: letter.request_context.condition.clone(),
            records: letter.batch.batch_size,
            when: letter.timestamp.clone(),
            error: letter.request_context.error.clone(),
        }
    }
}

/// A letter with its records as JSON rather than as text.
pub async fn show(letters: &DeadLetters, key: &str) -> Result<Value, DeadLetterError> {
    let letter = letters.get(key).await?;
    let mut shown = serde_json::to_value(&letter).map_err(DeadLetterError::Malformed)?;
    if let Ok(records) = serde_json::from_str(&letter.payload) {
        shown["payload"] = records;
    }
    Ok(shown)
}

/// Has a letter's function handle its records once more. A letter whose records are handled is deleted unless `keep`.
///
/// # Errors
/// The letter stays, and why. Replaying it again is safe: functions handle a record once, however often it comes.
pub async fn replay(
    letters: &DeadLetters,
    functions: &Functions,
    key: &str,
    keep: bool,
) -> Result<Replayed, ReplayError> {
    let letter = letters.get(key).await?;
    check_payload(&letter.payload)?;
    functions.handle(letter.function(), &letter.payload).await?;
    // A function answers that it is done with a record it gave up, and its letter may have this very key.
    match letters.get(key).await {
        Ok(now) if now != letter => return Err(ReplayError::GivenUpAgain),
        Ok(_) if keep => return Ok(Replayed::Kept),
        Ok(_) => letters.delete(key).await?,
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
