//! The notifications Lambda: start-up only. An event source mapping on the table's stream invokes it.

use lambda_runtime::Error;
use links::LinkKeys;
use notifications::{
    MailLinks, State, account_url_from_env, limits_from_env, mailer_from_env, order_url_from_env, sender_from_env,
};
use runtime::{Clock, telemetry::Metrics};
use stream::{Batch, DeadLetters};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = runtime::start().await?;
    let environment = &start.environment;
    let var = |name: &str| environment.variable(name);
    let dead_letters = var("DEAD_LETTERS_BUCKET")
        .ok_or("DEAD_LETTERS_BUCKET is not set: the bucket of records that cannot be handled")?;
    let (shop, mailer) = (sender_from_env(var)?, mailer_from_env(var, &start.config, &start.aws)?);
    let limits = limits_from_env(var)?;
    let links = MailLinks {
        order_keys: LinkKeys::of_orders(var)?,
        order_page: order_url_from_env(var)?,
        account_keys: LinkKeys::of_accounts(var)?,
        account_page: account_url_from_env(var)?,
    };
    let metrics = Metrics::from_env(start.table.name(), var)?;
    let (table, descriptions) = (start.table.clone(), start.config.descriptions());
    let dead_letters = DeadLetters::new(descriptions.bucket().beside(dead_letters));
    let name = var("AWS_LAMBDA_FUNCTION_NAME");
    let state = State::new(table, mailer, shop, dead_letters, Clock::System);
    let state = &state.limited(Some(limits)).with_links(links).deployed_as(name);
    let notify = |batch: Batch, deadline| async move { Ok(notifications::handle(state, batch, deadline).await) };
    runtime::serve_events(environment, &metrics, notify).await
}
