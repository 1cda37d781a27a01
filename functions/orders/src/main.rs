//! The orders Lambda: start-up only.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    api::lambda::log_as_json();
    let (context, _) = api::lambda::context().await?;
    let payments = payments::from_env(api::lambda::variable)?;
    let state = orders::State::new(context.clone(), payments);
    api::lambda::serve(orders::router(state), &context).await
}
