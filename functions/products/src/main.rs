//! The products Lambda: start-up only.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = runtime::start().await?;
    let (context, descriptions) = api::lambda::context(&environment).await?;
    let state = products::State::new(context.clone(), descriptions);
    api::lambda::serve(&environment, products::router(state), &context).await
}
