use std::time::Duration;

use aws_config::SdkConfig;
use lambda_runtime::Error;
use table::{StoreError, Table, TableConfig, Transport, error_chain};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{Environment, telemetry, variable};

/// How long a start waits for the first read. It is billed, and without it the first request connects for itself.
const FIRST_READ: Duration = Duration::from_millis(500);

/// What a function has once it has started.
#[derive(Debug)]
pub struct Start {
    pub environment: Environment,
    /// How it reaches AWS.
    pub aws: SdkConfig,
    /// Where the table and the buckets are.
    pub config: TableConfig,
    pub table: Table,
}

/// Initializes a function: logs as JSON on standard output, at `RUST_LOG` or `info` (see [`telemetry::log_filter`]),
/// finds the table, and reads the environment with the secrets it names.
///
/// # Errors
/// Names the secret that cannot be read, or the variable that is missing or wrong.
pub async fn start() -> Result<Start, Error> {
    let mut start = Start::new().await?;
    start.environment.read_secrets(&start.aws).await?;
    Ok(start)
}

/// The same for a function that customers wait for. Meanwhile `first_read` opens the connections that the first request
/// needs. It fails without consequences.
///
/// # Errors
/// Names the secret that cannot be read, or the variable that is missing or wrong.
pub async fn start_reading(first_read: impl AsyncFnOnce(&Table) -> Result<(), StoreError>) -> Result<Start, Error> {
    let mut start = Start::new().await?;
    let table = start.table.clone();
    let connected = async {
        if connects_early(variable("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref()) {
            connect(&table, first_read).await;
        }
    };
    let (secrets, ()) = tokio::join!(start.environment.read_secrets(&start.aws), connected);
    secrets?;
    Ok(start)
}

impl Start {
    /// Without secrets. Nothing is sent yet.
    async fn new() -> Result<Self, Error> {
        let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
        let lines = json.with_span_list(false).with_target(false).without_time();
        tracing_subscriber::registry().with(lines.with_filter(telemetry::log_filter("info"))).init();

        let transport = Transport::trusting(aws::roots()?);
        let aws = aws::of_function(transport.for_reads()).await;
        let environment = Environment::default();
        let config = TableConfig::from_env(|name| environment.variable(name), &aws, transport)?;
        let table = config.table();
        Ok(Self { environment, aws, config, table })
    }
}

/// Whether what is opened now serves the first request. A snapshot has no connections, and where Lambda runs no start
/// none are needed.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
fn connects_early(initialization: Option<&str>) -> bool {
    matches!(initialization, Some("on-demand" | "provisioned-concurrency"))
}

async fn connect(table: &Table, first_read: impl AsyncFnOnce(&Table) -> Result<(), StoreError>) {
    match tokio::time::timeout(FIRST_READ, first_read(table)).await {
        Ok(Ok(())) => tracing::debug!("the first read has connected to the table"),
        Ok(Err(error)) => tracing::warn!(error = error_chain(&error), "the first read failed"),
        Err(_) => tracing::warn!(waited_ms = FIRST_READ.as_millis(), "the first read was not answered"),
    }
}

/// Logs the names that were read, so that what a template sets can be compared with what is used.
pub fn log_start(environment: &Environment) {
    let secrets_version = environment.variable("SECRETS_VERSION");
    tracing::debug!(variables = environment.names_read().join(" "), secrets_version, "started");
}

#[cfg(test)]
mod tests {
    use std::future;

    use table::{Endpoints, Place, Timeouts};
    use tokio::time::Instant;

    use super::*;

    /// No engine is there.
    fn table() -> Table {
        let nowhere = || "http://127.0.0.1:1".to_owned();
        let config = TableConfig {
            tables: table::TableNames::one("Test"),
            bucket: "test".to_owned(),
            place: Place::Local(Endpoints { dynamodb: nowhere(), s3: nowhere() }),
            timeouts: Timeouts::LAMBDA,
            transport: Transport::default(),
        };
        config.table()
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_half_a_second_for_the_first_read_and_no_longer() {
        let began = Instant::now();

        connect(&table(), async |_: &Table| future::pending().await).await;

        assert_eq!(began.elapsed(), FIRST_READ);
    }

    #[tokio::test]
    async fn a_first_read_that_fails_stops_no_start() {
        connect(&table(), async |table: &Table| table.product_probe().await).await;
    }

    #[test]
    fn connections_are_opened_where_the_first_request_can_use_them() {
        assert!(connects_early(Some("on-demand")) && connects_early(Some("provisioned-concurrency")));
        for other in [None, Some("snap-start"), Some("lambda-managed-instances")] {
            assert!(!connects_early(other), "{other:?}");
        }
    }
}
