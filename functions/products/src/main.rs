//! The products Lambda, which shoppers call: start-up only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let start = runtime::start_reading(products::first_read).await?;
    let context = api::lambda::context(&start)?;
    let state = products::State::new(context.clone(), start.config.descriptions());
    api::lambda::serve(&start.environment, products::router(state), &context).await
}
