use std::{error::Error, time::Duration};

use aws::{CallError, Client};
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::SdkConfig;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Method, Request, header::CONTENT_TYPE};
use search::{EngineError, Found, Language, Query, Rules, SearchEngine, SuggestQuery, Suggestions};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Endpoint, IndexName, answer::SearchAnswer, request::Wanted};

/// The products of one language on OpenSearch. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenSearch {
    /// For what a shopper waits for.
    reading: Client,
    writing: Client,
    sleep: SharedAsyncSleep,
    pub(crate) alias: IndexName,
    pub(crate) language: Language,
}

const READ_ATTEMPT: Duration = Duration::from_secs(2);
const READ_TOTAL: Duration = Duration::from_secs(5);
/// A batch of changes takes a cluster seconds when it is small.
const WRITE_ATTEMPT: Duration = Duration::from_secs(30);
const WRITE_TOTAL: Duration = Duration::from_secs(90);

impl OpenSearch {
    /// Nothing is sent yet. Retries and timeouts of the configuration are replaced.
    ///
    /// # Errors
    /// The configuration has no credentials, no connections, or no clock to wait by.
    pub fn new(config: &SdkConfig, endpoint: &Endpoint, alias: IndexName, language: Language) -> Result<Self, String> {
        let sleep = config.sleep_impl().ok_or("OpenSearch cannot be called without a way to wait")?;
        let client = |operation, attempt: Duration, total: Duration, attempts| {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(attempt.min(READ_ATTEMPT))
                .operation_attempt_timeout(attempt)
                .operation_timeout(total)
                .build();
            let retries =
                RetryConfig::standard().with_max_attempts(attempts).with_initial_backoff(Duration::from_millis(100));
            let config = config.to_builder().retry_config(retries).timeout_config(timeouts).build();
            endpoint.client(&config, operation)
        };
        Ok(Self {
            reading: client("Search", READ_ATTEMPT, READ_TOTAL, 2)?,
            writing: client("Write", WRITE_ATTEMPT, WRITE_TOTAL, 3)?,
            sleep,
            alias,
            language,
        })
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, EngineError> {
        let request = json_request(Method::POST, path, body);
        let answer = self.reading.call(request).await.map_err(|error| failed("OpenSearch did not search", error))?;
        parsed(answer.body())
    }

    pub(crate) async fn write<T: DeserializeOwned>(&self, request: Request<Vec<u8>>) -> Result<T, WriteError> {
        let answer = self.writing.call(request).await?;
        Ok(parsed(answer.body())?)
    }

    pub(crate) async fn pause(&self, duration: Duration) {
        use aws_smithy_async::rt::sleep::AsyncSleep as _;
        self.sleep.sleep(duration).await;
    }

    async fn ask(&self, query: &Query, rules: &Rules, wanted: Wanted<'_>) -> Result<SearchAnswer, EngineError> {
        let path = format!("/{}/_search", self.alias);
        let answer: SearchAnswer = self.read(&path, &crate::request::body(query, rules, wanted)).await?;
        answer.complete()
    }

    /// A text that nothing matches is searched with its misspelled words corrected, and if nothing matches that either,
    /// for products with any of its words or one like it.
    async fn found(&self, query: &Query, rules: &Rules) -> Result<Found, EngineError> {
        let Some(text) = &query.text else { return self.ask(query, rules, Wanted::All).await?.found(query, None) };
        let answer = self.ask(query, rules, Wanted::Words(text.as_str())).await?;
        if answer.matching() > 0 || !query.correct {
            return answer.found(query, None);
        }
        if let Some(corrected) = answer.correction(text.as_str()) {
            let answer = self.ask(query, rules, Wanted::Words(&corrected)).await?;
            if answer.matching() > 0 {
                return answer.found(query, Some(corrected));
            }
        }
        self.ask(query, rules, Wanted::Similar(text.as_str())).await?.found(query, None)
    }
}

impl SearchEngine for OpenSearch {
    fn search<'a>(&'a self, query: &'a Query, rules: &'a Rules) -> BoxFuture<'a, Result<Found, EngineError>> {
        self.found(query, rules).boxed()
    }

    fn suggest<'a>(&'a self, query: &'a SuggestQuery) -> BoxFuture<'a, Result<Suggestions, EngineError>> {
        self.suggestions(query).boxed()
    }
}

/// Why a change was not confirmed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Answer(#[from] EngineError),
}

impl WriteError {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Call(CallError::Answered(error)) => Some(error.status()),
            _ => None,
        }
    }

    pub(crate) fn in_context(self, context: &'static str) -> EngineError {
        match self {
            Self::Call(error) => failed(context, error),
            Self::Answer(error) => error,
        }
    }
}

pub(crate) fn failed(context: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> EngineError {
    EngineError { context, source: source.into() }
}

pub(crate) fn json_request(method: Method, path: &str, body: &Value) -> Request<Vec<u8>> {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    request(method, path, "application/json", body)
}

pub(crate) fn request(method: Method, path: &str, content_type: &str, body: Vec<u8>) -> Request<Vec<u8>> {
    let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, content_type);
    request.body(body).expect("paths are made of names without special characters")
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(body).map_err(|error| failed("the answer of OpenSearch cannot be read", error))
}
