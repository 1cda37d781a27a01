//! The orders Lambda: start-up only.

use std::sync::Arc;

use payments::{LocalPayments, PaymentProvider};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    api::lambda::log_as_json();
    let (context, _) = api::lambda::context().await?;
    let state = orders::State::new(context.clone(), provider()?);
    api::lambda::serve(orders::router(state), &context).await
}

/// `PAYMENT_PROVIDER=local` takes test tokens. It gives goods away, so it must never face AWS.
fn provider() -> Result<Arc<dyn PaymentProvider>, lambda_http::Error> {
    match std::env::var("PAYMENT_PROVIDER").as_deref() {
        Ok("local") if std::env::var_os("DYNAMODB_ENDPOINT").is_some() => Ok(Arc::new(LocalPayments::default())),
        Ok("local") => Err("PAYMENT_PROVIDER=local needs a local DYNAMODB_ENDPOINT".into()),
        Ok(other) => Err(format!("PAYMENT_PROVIDER={other} is not a provider this build knows: local").into()),
        Err(_) => Err("PAYMENT_PROVIDER is not set".into()),
    }
}
