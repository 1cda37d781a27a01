//! Start-up of the functions that answer requests, and how they serve.

use axum::Router;
use lambda_http::Error;
use runtime::{Clock, Environment, log_start, telemetry::Metrics};
use table::{Descriptions, TableConfig};
use utoipa_axum::router::OpenApiRouter;

use crate::{BasePath, Context, Cursors, Policy, edge, rates::Rates};

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
    let context = Context::new(table, Clock::System, cursors, policy);
    Ok((context, descriptions))
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
