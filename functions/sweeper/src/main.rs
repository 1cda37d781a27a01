//! The sweeper Lambda: start-up only. The content of the schedule's event is ignored.

use lambda_runtime::Error;
use runtime::{Clock, telemetry::Metrics};
use saga::Saga;
use serde_json::Value;
use sweeper::State;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = runtime::start().await?;
    let (environment, table) = (&start.environment, start.table.clone());
    let var = |name: &str| environment.variable(name);
    let metrics = Metrics::from_env(table.name(), var)?;
    let state = State::new(Saga::new(table, payments::from_env(var)?), Clock::System);
    let (state, metrics) = (&state, &metrics);
    let sweep = |_: Value, deadline| async move {
        let swept = sweeper::sweep(state, deadline).await?;
        tracing::info!(?swept, "swept");
        metrics.emit(&swept.metrics(), Clock::System.now());
        Ok(swept)
    };
    runtime::serve_events(environment, metrics, sweep).await
}
