//! The sweeper Lambda: start-up only. What the schedule sends is not looked at.

use api::{Clock, Deadline};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use saga::Saga;
use serde_json::Value;
use sweeper::State;
use table::TableConfig;

#[tokio::main]
async fn main() -> Result<(), Error> {
    api::lambda::log_as_json();
    let (table, _) = TableConfig::from_env(api::lambda::variable)?.connect().await;
    let payments = payments::from_env(api::lambda::variable)?;
    let state = State::new(Saga::new(table, payments), Clock::System);
    let sweep = async |event: LambdaEvent<Value>| {
        let swept = sweeper::sweep(&state, Deadline::of(&event.context)).await?;
        tracing::info!(?swept, "swept");
        Ok::<_, Error>(swept)
    };
    lambda_runtime::run(service_fn(sweep)).await
}
