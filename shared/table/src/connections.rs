//! Connections that are opened before the first request needs one.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{Config, retry::RetryConfig, timeout::TimeoutConfig},
};
use futures::future::join_all;

use crate::Table;

/// The maximum that one request needs at once: AP-05 queries eight shards of an index concurrently.
const READS: usize = 8;

/// A function that cannot reach the table starts all the same, and answers as in an outage of the table.
const PATIENCE: Duration = Duration::from_secs(3);

impl Table {
    /// Opens connections for reads and one for writes. Lambda gives a function a whole processor while it starts, and a
    /// fraction of one while it serves: the TLS handshake would then take most of the time that a read has.
    ///
    /// The table is not read: DynamoDB answers `GET /` without authentication, and charges nothing.
    pub async fn open_connections(&self) {
        let reads = (0..READS).map(|_| open(&self.reads));
        join_all(reads.chain(std::iter::once(open(&self.writes)))).await;
    }
}

/// Sends the request through the client itself, so that the client's own pool keeps the connection.
async fn open(client: &Client) {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).operation_timeout(PATIENCE).build();
    let once = Config::builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    let request = client.describe_limits().customize().config_override(once).mutate_request(|request| {
        // A constant method and constant headers are always valid.
        let _ = request.set_method("GET");
        request.headers_mut().remove("x-amz-target");
        request.headers_mut().remove("content-length");
        *request.body_mut() = "".into();
    });
    if let Err(answer) = request.send().await {
        // The answer does not fit the operation that the request was made for; only its arrival matters.
        tracing::debug!(answered = answer.raw_response().is_some(), "connected to the table");
    }
}
