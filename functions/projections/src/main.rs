//! The projections Lambda: start-up only.

use api::{Clock, Deadline};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use projections::State;
use stream::{Batch, DeadLetters};
use table::TableConfig;

#[tokio::main]
async fn main() -> Result<(), Error> {
    api::lambda::log_as_json();
    let config = TableConfig::from_env(api::lambda::variable)?;
    let audit = api::lambda::variable("AUDIT_BUCKET").ok_or("AUDIT_BUCKET is not set: the bucket of the audit log")?;
    let letters = api::lambda::variable("DEAD_LETTERS_BUCKET")
        .ok_or("DEAD_LETTERS_BUCKET is not set: the bucket of records that cannot be handled")?;
    let (table, descriptions) = config.connect().await;
    let dead_letters = DeadLetters::new(descriptions.bucket().beside(letters));
    let state = State::new(table, descriptions.bucket().beside(audit), dead_letters, Clock::System);
    let handle = async |event: LambdaEvent<Batch>| {
        Ok::<_, Error>(projections::handle(&state, event.payload, Deadline::of(&event.context)).await)
    };
    lambda_runtime::run(service_fn(handle)).await
}
