//! The cart Lambda: start-up only.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    api::lambda::log_as_json();
    let (context, _) = api::lambda::context().await?;
    api::lambda::serve(cart::router(cart::State::new(context.clone())), &context).await
}
