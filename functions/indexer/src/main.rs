//! The indexer Lambda: start-up only. A schedule invokes it; `ops dead-letters replay` does too, with records.

use indexer::State;
use lambda_runtime::Error;
use runtime::{Clock, telemetry::Metrics};
use search::Language;
use serde_json::{Value, json};
use stream::{Batch, DeadLetters};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = runtime::start().await?;
    let environment = &start.environment;
    let var = |name: &str| environment.variable(name);
    let dead_letters = var("DEAD_LETTERS_BUCKET")
        .ok_or("DEAD_LETTERS_BUCKET is not set: the bucket of products that cannot be indexed")?;
    let language = var("SEARCH_LANGUAGE").unwrap_or_else(|| "en".to_owned());
    let language = Language::parse(&language).ok_or("SEARCH_LANGUAGE is neither en nor de")?;
    let metrics = Metrics::from_env(start.table.name(), var)?;
    let descriptions = start.config.descriptions();
    let dead_letters = DeadLetters::new(descriptions.bucket().beside(dead_letters));
    let state = State::new(start.table.clone(), descriptions, dead_letters, Clock::System, language)
        .deployed_as(var("AWS_LAMBDA_FUNCTION_NAME"));
    let (state, metrics) = (&state, &metrics);
    let index = |event: Value, deadline| async move {
        // The schedule's event has no records.
        if let Ok(batch) = serde_json::from_value::<Batch>(event) {
            return Ok(json!(indexer::replay(state, &batch).await));
        }
        let report = indexer::run(state, deadline).await?;
        tracing::info!(?report, "indexed");
        metrics.emit(&report.metrics(), Clock::System.now());
        Ok(json!(report))
    };
    runtime::serve_events(environment, metrics, index).await
}
