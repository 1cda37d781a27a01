//! Connections that are there before the first request asks for one.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{Config, retry::RetryConfig, timeout::TimeoutConfig},
};
use futures::future::join_all;

use crate::Table;

/// As many as a request opens at once at most: AP-05 asks eight shards of an index side by side.
const READS: usize = 8;

/// A function that cannot reach the table starts all the same, and answers as it does when the table is away.
const PATIENCE: Duration = Duration::from_secs(3);

impl Table {
    /// Opens connections for reads and one for writes. Lambda gives a function a whole processor while it starts, and a
    /// fraction of one while it serves: the handshakes of TLS then take most of the time that a read has.
    ///
    /// The table is not asked for anything: DynamoDB answers `GET /` without looking at who asks, and charges nothing.
    pub async fn open_connections(&self) {
        let reads = (0..READS).map(|_| open(&self.reads));
        join_all(reads.chain(std::iter::once(open(&self.writes)))).await;
    }
}

/// Sends the request through the client itself, so that it is the client's pool that keeps the connection.
async fn open(client: &Client) {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).operation_timeout(PATIENCE).build();
    let once = Config::builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    let request = client.describe_limits().customize().config_override(once).mutate_request(|request| {
        // A method and headers that are constants are always taken.
        let _ = request.set_method("GET");
        request.headers_mut().remove("x-amz-target");
        request.headers_mut().remove("content-length");
        *request.body_mut() = "".into();
    });
    if let Err(answer) = request.send().await {
        // What comes is no answer to the operation that the request was made of; that it came is all that is wanted.
        tracing::debug!(answered = answer.raw_response().is_some(), "connected to the table");
    }
}
