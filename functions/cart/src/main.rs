//! The cart Lambda: start-up only.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = runtime::start().await?;
    let (context, _) = api::lambda::context(&environment).await?;
    api::lambda::serve(&environment, cart::router(cart::State::new(context.clone())), &context).await
}
