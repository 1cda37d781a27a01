//! The sessions Lambda: start-up only.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = runtime::start().await?;
    let (context, _) = api::lambda::context(&environment).await?;
    let links = links::LinkKeys::of_accounts(|name| environment.variable(name))?;
    api::lambda::serve(&environment, sessions::router(sessions::State::new(context.clone(), links)), &context).await
}
