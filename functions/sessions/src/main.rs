//! The sessions Lambda: start-up only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let start = runtime::start_reading(sessions::first_read).await?;
    let context = api::lambda::context(&start)?;
    let links = links::LinkKeys::of_accounts(|name| start.environment.variable(name))?;
    let state = sessions::State::new(context.clone(), links);
    api::lambda::serve(&start.environment, sessions::router(state), &context).await
}
