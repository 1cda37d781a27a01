//! Connections that are opened before the first request needs one.
//!
//! Lambda gives a function a whole processor while it starts, and a fraction of one while it serves: the TLS handshake
//! would then take most of the time that a read has.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{Config, retry::RetryConfig, timeout::TimeoutConfig},
};

use crate::{StoreError, Table, keys, meter::metered, rows::s};

/// For a connection that nothing waits for.
const PATIENCE: Duration = Duration::from_millis(500);

impl Table {
    /// AP-99a: opens a connection for reads, by looking for a product that does not exist. Query, eventually consistent.
    ///
    /// It is a request like those that follow, so it also finds credentials and endpoint, and runs what signs and reads
    /// for the first time.
    pub async fn product_probe(&self) -> Result<(), StoreError> {
        // No id is empty.
        let call = self
            .query(keys::PRODUCT_PREFIX)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::PRODUCT_PAGE_PREFIX))
            .limit(1)
            .send();
        metered("AP-99", call).await?;
        Ok(())
    }

    /// AP-99b: the same, by a session that does not exist, for a function that reads no products by Query. GetItem,
    /// eventually consistent.
    pub async fn session_probe(&self) -> Result<(), StoreError> {
        metered("AP-99", self.get(keys::no_session()).send()).await?;
        Ok(())
    }

    /// Opens a connection for writes. DynamoDB answers `GET /` without authentication, and charges nothing.
    pub async fn open_write_connection(&self) {
        open(&self.writes).await;
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
