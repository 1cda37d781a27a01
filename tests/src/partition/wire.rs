//! The HTTP client under the SDK of one environment: it sends every request to the model.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::config::{
    RuntimeComponents, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        result::ConnectorError,
    },
    http::StatusCode,
};
use tokio::time::Instant;

use super::{service::Service, stock::Taken};

const TARGET: &str = "x-amz-target";
const VERSION: &str = "DynamoDB_20120810.";

/// The first wait of the product's backoff at its longest; each further one is twice as long. One doubling less than the
/// product's: the SDK gives an attempt up before the longest wait ends, which is added below it.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const DOUBLED: u32 = 4;

/// What one environment is sending. It serves one request at a time, so this is about one checkout.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<Sending>);

#[derive(Debug, Default)]
struct Sending {
    /// Where the units are taken from, and where else, if there are none.
    shards: VecDeque<Taken>,
    /// The last transaction found none there.
    is_empty: bool,
    /// Transactions that were to place the order.
    attempts: u32,
    answered: Option<Instant>,
    placed: Option<Instant>,
}

impl Outbox {
    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new checkout.
    pub fn begin(&self) {
        *self.sending() = Sending::default();
    }

    /// The shards that this checkout tries one after the other.
    pub fn try_shards(&self, shards: Vec<Taken>) {
        self.sending().shards = shards.into();
    }

    pub(super) fn taken(&self) -> Taken {
        self.sending().shards.front().copied().unwrap_or_default()
    }

    pub(super) fn attempted(&self) {
        self.sending().attempts += 1;
    }

    pub(super) fn shard_was_empty(&self) {
        self.sending().is_empty = true;
    }

    pub(super) fn placed_in(&self, took: Duration) {
        self.sending().placed = Some(Instant::now() + took);
    }

    /// Attempts at the transaction that places the order.
    pub fn attempts(&self) -> u32 {
        self.sending().attempts
    }

    /// When the order was placed, if it was.
    pub fn placed(&self) -> Option<Instant> {
        self.sending().placed
    }

    /// Goes on to the next shard, after an empty one. Returns whether there is one.
    fn goes_on(&self) -> bool {
        let mut sending = self.sending();
        let next = std::mem::take(&mut sending.is_empty) && sending.shards.len() > 1;
        if next {
            sending.shards.pop_front();
        }
        next
    }

    /// The wait before the next transaction, if waits had no jitter: what is left of the longest one.
    fn wait_without_jitter(&self) -> Option<Instant> {
        let sending = self.sending();
        let doubled = sending.attempts.checked_sub(1)?.min(DOUBLED);
        Some(sending.answered? + FIRST_WAIT * (1 << doubled))
    }
}

/// Whether the waits between attempts at a transaction are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    AsWritten,
    /// A planted bug: every wait is the longest one. The product has no switch for it, so the rest of the wait is
    /// added below the SDK.
    None,
}

#[derive(Clone)]
pub struct SimulatedHttp {
    service: Arc<Service>,
    outbox: Arc<Outbox>,
    jitter: Jitter,
}

impl std::fmt::Debug for SimulatedHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedHttp").finish_non_exhaustive()
    }
}

impl SimulatedHttp {
    pub fn new(service: Arc<Service>, outbox: Arc<Outbox>, jitter: Jitter) -> Self {
        Self { service, outbox, jitter }
    }

    pub fn into_shared(self) -> SharedHttpClient {
        SharedHttpClient::new(self)
    }

    async fn carry(&self, operation: &str, body: &str) -> HttpResponse {
        let is_transaction = operation == "TransactWriteItems";
        if is_transaction
            && self.jitter == Jitter::None
            && let Some(until) = self.outbox.wait_without_jitter()
        {
            tokio::time::sleep_until(until).await;
        }
        let answer = loop {
            let answer = self.service.call(operation, body, &self.outbox).await;
            if !is_transaction {
                break answer;
            }
            self.outbox.sending().answered = Some(Instant::now());
            // The product has no shards. A design that has them would try another one in the same request.
            if !self.outbox.goes_on() {
                break answer;
            }
        };
        let status = StatusCode::try_from(answer.status).expect("statuses are from 100 to 999");
        let length = answer.body.len().to_string();
        let mut response = HttpResponse::new(status, answer.body.into());
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        response.headers_mut().insert("content-length", length);
        response
    }
}

impl HttpClient for SimulatedHttp {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SimulatedHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get(TARGET).and_then(|target| target.strip_prefix(VERSION));
            let operation = target.ok_or_else(|| ConnectorError::user("not a request to DynamoDB".into()))?.to_owned();
            let body = request.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
            let body = body.ok_or_else(|| ConnectorError::user("the body is not text".into()))?;
            Ok(http.carry(&operation, body).await)
        })
    }
}
