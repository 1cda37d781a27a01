//! The products Lambda: start-up only.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    api::lambda::log_as_json();
    let (context, descriptions) = api::lambda::context().await?;
    api::lambda::serve(products::router(products::State::new(context.clone(), descriptions)), &context).await
}
