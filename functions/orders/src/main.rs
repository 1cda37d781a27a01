//! The orders Lambda: start-up only.

use std::sync::Arc;

use api::{Context, Policy};
use domain::HoldLength;

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = runtime::start().await?;
    let (context, _) = api::lambda::context(&environment).await?;
    let hold = environment.variable("HOLD_MINUTES").map(|minutes| HoldLength::parse_minutes(&minutes)).transpose();
    let hold = hold.map_err(|e| format!("HOLD_MINUTES: {e}"))?.unwrap_or_default();
    let policy = Arc::new(Policy { hold, ..Policy::clone(&context.policy) });
    let context = Context { policy, ..context };
    let payments = payments::from_env(|name| environment.variable(name))?;
    let state = orders::State::new(context.clone(), payments);
    api::lambda::serve(&environment, orders::router(state), &context).await
}
