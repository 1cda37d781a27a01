use lambda_runtime::Error;
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{Environment, telemetry};

/// Initializes a function: logs as JSON on standard output, at `RUST_LOG` or `info` (see [`telemetry::log_filter`]),
/// and reads the environment with the secrets it names.
///
/// # Errors
/// Names the secret that cannot be read.
pub async fn start() -> Result<Environment, Error> {
    let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    let lines = json.with_span_list(false).with_target(false).without_time();
    tracing_subscriber::registry().with(lines.with_filter(telemetry::log_filter("info"))).init();
    Ok(Environment::load().await?)
}

/// Logs the names that were read, so that what a template sets can be compared with what is used.
pub fn log_start(environment: &Environment) {
    let secrets_version = environment.variable("SECRETS_VERSION");
    tracing::debug!(variables = environment.names_read().join(" "), secrets_version, "started");
}
