//! Start-up of a function, the same for each of them.

use std::sync::Arc;

use axum::Router;
use table::{Descriptions, TableConfig};
use tracing_subscriber::EnvFilter;
use utoipa_axum::router::OpenApiRouter;

use crate::{Clock, Context, Cursors, Policy, edge, rates::Rates};

/// Reads the environment and makes the clients; nothing is sent yet.
///
/// `TABLE_NAME`, `BUCKET_NAME`, `CURSOR_KEYS`, and optionally `SHOP_CURRENCY`, `ALLOWED_ORIGINS` (comma-separated),
/// `RATE_LIMITS` (see [`Rates::parse`]), `DYNAMODB_ENDPOINT` with `S3_ENDPOINT`.
///
/// # Errors
/// Names the variable that is missing or wrong.
pub async fn context() -> Result<(Context, Descriptions), lambda_http::Error> {
    let var = variable;
    let config = TableConfig::from_env(var)?;
    let keys = var("CURSOR_KEYS").ok_or("CURSOR_KEYS is not set: the keys that seal cursors")?;
    let cursors = Cursors::parse(&keys).map_err(|e| format!("CURSOR_KEYS: {e}"))?;
    let currency = var("SHOP_CURRENCY").unwrap_or_else(|| "USD".to_owned());
    let currency = domain::parse_currency(&currency).map_err(|e| format!("SHOP_CURRENCY: {e}"))?;
    let origins = var("ALLOWED_ORIGINS").unwrap_or_default();
    let origins = Policy::parse_origins(&origins).map_err(|e| format!("ALLOWED_ORIGINS: {e}"))?;
    let rates = Rates::parse(&var("RATE_LIMITS").unwrap_or_default()).map_err(|e| format!("RATE_LIMITS: {e}"))?;
    let policy = Policy { currency, origins, rates: Some(rates), ..Policy::default() };
    let (table, descriptions) = config.connect().await;
    let context = Context { table, clock: Clock::System, cursors: Arc::new(cursors), policy: Arc::new(policy) };
    Ok((context, descriptions))
}

/// A variable of the environment; an empty one counts as none.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// JSON logs on standard output, at `RUST_LOG` or `info`.
pub fn log_as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_target(false).without_time().init();
}

/// Serves routes to Lambda until the environment ends.
pub async fn serve(routes: OpenApiRouter, context: &Context) -> Result<(), lambda_http::Error> {
    let (router, _): (Router, _) = edge::finish(routes, context);
    lambda_http::run(router).await
}
