//! The projections Lambda: start-up only. An event source mapping on the table's stream invokes it.

use lambda_runtime::Error;
use projections::State;
use runtime::{Clock, telemetry::Metrics};
use stream::{Batch, DeadLetters};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = runtime::start().await?;
    let environment = &start.environment;
    let var = |name: &str| environment.variable(name);
    let audit = var("AUDIT_BUCKET").ok_or("AUDIT_BUCKET is not set: the bucket of the audit log")?;
    let dead_letters = var("DEAD_LETTERS_BUCKET")
        .ok_or("DEAD_LETTERS_BUCKET is not set: the bucket of records that cannot be handled")?;
    let metrics = Metrics::from_env(start.table.name(), var)?;
    let (table, descriptions) = (start.table.clone(), start.config.descriptions());
    let dead_letters = DeadLetters::new(descriptions.bucket().beside(dead_letters));
    let name = var("AWS_LAMBDA_FUNCTION_NAME");
    let state = &State::new(table, descriptions.bucket().beside(audit), dead_letters, Clock::System).deployed_as(name);
    let handle = |batch: Batch, deadline| async move { Ok(projections::handle(state, batch, deadline).await) };
    runtime::serve_events(environment, &metrics, handle).await
}
