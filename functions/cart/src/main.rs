//! The cart Lambda: start-up only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let start = runtime::start_reading(cart::first_read).await?;
    let context = api::lambda::context(&start)?;
    api::lambda::serve(&start.environment, cart::router(cart::State::new(context.clone())), &context).await
}
