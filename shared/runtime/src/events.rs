use std::{future::Future, time::Instant};

use domain::Timestamp;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use table::meter;

use crate::{
    Environment, deadline, log_start,
    telemetry::{self, Metrics},
};

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
        let (started, deadline) = (Instant::now(), deadline(&event.context));
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
