//! The orders Lambda: start-up only.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = runtime::start().await?;
    let (context, _) = api::lambda::context(&environment).await?;
    let payments = payments::from_env(|name| environment.variable(name))?;
    let state = orders::State::new(context.clone(), payments);
    api::lambda::serve(&environment, orders::router(state), &context).await
}
