//! Start-up of a function, the same for each of them, and how it serves.

use std::{future::Future, sync::Arc, time::Instant};

use axum::Router;
use domain::Timestamp;
use lambda_http::{Error, LambdaEvent, lambda_runtime, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use table::{Descriptions, TableConfig, meter};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    BasePath, Clock, Context, Cursors, Deadline, Environment, Policy, edge,
    rates::Rates,
    telemetry::{self, Metrics},
};

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

/// Creates the clients and, on AWS, opens the connections to the table.
///
/// `TABLE_NAME`, `BUCKET_NAME`, `CURSOR_KEYS`, and optionally `SHOP_CURRENCY`, `ALLOWED_ORIGINS` (comma-separated),
/// `RATE_LIMITS` (see [`Rates::parse`]), `TRUSTED_PROXY_HOPS`, `BASE_PATH`, `ACCESS_PATTERN_METRICS`, `DYNAMODB_ENDPOINT` with `S3_ENDPOINT`.
///
/// # Errors
/// Names the variable that is missing or wrong.
pub async fn context(environment: &Environment) -> Result<(Context, Descriptions), Error> {
    let var = |name: &str| environment.variable(name);
    let config = TableConfig::from_env(var)?;
    let keys = var("CURSOR_KEYS").ok_or("CURSOR_KEYS is not set: the keys that seal cursors")?;
    let cursors = Cursors::parse(&keys).map_err(|e| format!("CURSOR_KEYS: {e}"))?;
    let currency = var("SHOP_CURRENCY").unwrap_or_else(|| "USD".to_owned());
    let currency = domain::parse_currency(&currency).map_err(|e| format!("SHOP_CURRENCY: {e}"))?;
    let origins = var("ALLOWED_ORIGINS").unwrap_or_default();
    let origins = Policy::parse_origins(&origins).map_err(|e| format!("ALLOWED_ORIGINS: {e}"))?;
    let rates = Rates::parse(&var("RATE_LIMITS").unwrap_or_default()).map_err(|e| format!("RATE_LIMITS: {e}"))?;
    let hops = var("TRUSTED_PROXY_HOPS").unwrap_or_else(|| "0".to_owned());
    let hops = Policy::parse_trusted_proxy_hops(&hops).map_err(|e| format!("TRUSTED_PROXY_HOPS: {e}"))?;
    let base_path = BasePath::parse(&var("BASE_PATH").unwrap_or_default()).map_err(|e| format!("BASE_PATH: {e}"))?;
    let metrics = Metrics::from_env(&config.table, var)?;
    let policy = Policy {
        currency,
        origins,
        rates: Some(rates),
        trusted_proxy_hops: hops,
        base_path,
        metrics: Some(metrics),
        ..Policy::default()
    };
    let (table, descriptions) = config.connect().await;
    if config.endpoints.is_none() {
        table.open_connections().await;
    }
    let context = Context { table, clock: Clock::System, cursors: Arc::new(cursors), policy: Arc::new(policy) };
    Ok((context, descriptions))
}

/// A variable of the process; an empty one counts as unset.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Serves routes to Lambda until the environment ends.
///
/// # Errors
/// The Runtime API cannot be reached.
pub async fn serve(environment: &Environment, routes: OpenApiRouter, context: &Context) -> Result<(), Error> {
    let (router, _): (Router, _) = edge::finish(routes, context);
    log_start(environment);
    lambda_http::run(router).await
}

/// Serves events, of the stream or of a schedule, until the environment ends. `handle` gets an event and the time at
/// which Lambda ends its invocation.
///
/// # Errors
/// The Runtime API cannot be reached.
pub async fn serve_events<E, A, F>(
    environment: &Environment,
    metrics: &Metrics,
    handle: impl Fn(E, Option<Timestamp>) -> F + Send + Sync,
) -> Result<(), Error>
where
    E: DeserializeOwned + Send,
    A: Serialize + Send,
    F: Future<Output = Result<A, Error>> + Send,
{
    log_start(environment);
    let handle = &handle;
    let observed = move |event: LambdaEvent<E>| async move {
        let (started, deadline) = (Instant::now(), Deadline::of(&event.context));
        let (answer, costs) = meter::measure(handle(event.payload, deadline)).await;
        let cost = costs.total;
        tracing::info!(
            ok = answer.is_ok(),
            ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            rru = cost.rru,
            wru = cost.wru,
            round_trips = cost.round_trips(),
            patterns = telemetry::patterns(&costs),
            cold_start = telemetry::is_cold_start(),
            request_id = event.context.request_id,
            "invocation"
        );
        metrics.emit_patterns(&costs, Timestamp::now());
        answer
    };
    lambda_runtime::run(service_fn(observed)).await
}

/// Logs the names that were read, so that what a template sets can be compared with what is used.
fn log_start(environment: &Environment) {
    let secrets_version = environment.variable("SECRETS_VERSION");
    tracing::debug!(variables = environment.names_read().join(" "), secrets_version, "started");
}
