//! The products-admin Lambda, which staff call: start-up only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let start = runtime::start_reading(products::admin_first_read).await?;
    let context = api::lambda::context(&start)?;
    let state = products::State::new(context.clone(), start.config.descriptions());
    api::lambda::serve(&start.environment, products::admin_router(state), &context).await
}
