//! Start-up of the functions that answer requests, and how they serve.

use lambda_http::Error;
use runtime::{Clock, Environment, Start, log_start, telemetry::Metrics};

use crate::{BasePath, Context, Cursors, Policy, Routes, edge, rates::Rates};

/// What the handlers of a function that has started are given.
///
/// Reads `CURSOR_KEYS`, and optionally `SHOP_CURRENCY`, `ALLOWED_ORIGINS` (comma-separated),
/// `RATE_LIMITS` (see [`Rates::parse`]), `TRUSTED_PROXY_HOPS`, `BASE_PATH`, `ACCESS_PATTERN_METRICS`.
///
/// # Errors
/// Names the variable that is missing or wrong.
pub fn context(start: &Start) -> Result<Context, Error> {
    let var = |name: &str| start.environment.variable(name);
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
    let metrics = Metrics::from_env(start.table.name(), var)?;
    let policy = Policy {
        currency,
        origins,
        rates: Some(rates),
        trusted_proxy_hops: hops,
        base_path,
        metrics: Some(metrics),
        ..Policy::default()
    };
    Ok(Context::new(start.table.clone(), Clock::System, cursors, policy))
}

/// Serves routes to Lambda until the environment ends.
///
/// # Errors
/// The Runtime API cannot be reached.
pub async fn serve(environment: &Environment, routes: Routes<()>, context: &Context) -> Result<(), Error> {
    let router = edge::finish(routes.into_router(), context);
    log_start(environment);
    lambda_http::run(router).await
}
