//! The notifications Lambda: start-up only. An event source mapping on the table's stream invokes it.

use api::{Clock, Deadline};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use notifications::{State, mailer_from_env, sender_from_env};
use stream::{Batch, DeadLetters};
use table::TableConfig;

#[tokio::main]
async fn main() -> Result<(), Error> {
    api::lambda::log_as_json();
    let var = api::lambda::variable;
    let config = TableConfig::from_env(var)?;
    let letters = var("DEAD_LETTERS_BUCKET")
        .ok_or("DEAD_LETTERS_BUCKET is not set: the bucket of records that cannot be handled")?;
    let (shop, mailer) = (sender_from_env(var)?, mailer_from_env(var, &config).await?);
    let (table, descriptions) = config.connect().await;
    let dead_letters = DeadLetters::new(descriptions.bucket().beside(letters));
    let state = State::new(table, mailer, shop, dead_letters, Clock::System);
    let notify = async |event: LambdaEvent<Batch>| {
        let deadline = Deadline::of(&event.context);
        Ok::<_, Error>(notifications::handle(&state, event.payload, deadline).await)
    };
    lambda_runtime::run(service_fn(notify)).await
}
