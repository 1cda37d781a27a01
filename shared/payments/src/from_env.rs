use std::{path::Path, sync::Arc};

use crate::{LocalPayments, PaymentProvider, Stripe, StripeConfig};

/// The provider that a function's environment selects, by `PAYMENT_PROVIDER`:
///
/// - `stripe`: with `STRIPE_SECRET_KEY`, `STRIPE_WEBHOOK_SECRETS` (comma-separated, two during a rotation) and
///   optionally `STRIPE_PUBLISHABLE_KEY`, `PAYMENT_RETURN_URL` (of the storefront; `{orderId}` is replaced) and
///   `STRIPE_ENDPOINT`;
/// - `local`: accepts test tokens, keeps its ledger in `PAYMENT_LEDGER` if that is set. It gives goods away, so it
///   requires a local `DYNAMODB_ENDPOINT` and never runs against AWS.
///
/// # Errors
/// Names the variable that is missing or wrong.
pub fn from_env(var: impl Fn(&str) -> Option<String>) -> Result<Arc<dyn PaymentProvider>, String> {
    match var("PAYMENT_PROVIDER").as_deref() {
        Some("stripe") => Ok(Arc::new(Stripe::new(StripeConfig::from_env(var)?)?)),
        Some("local") if var("DYNAMODB_ENDPOINT").is_none() => {
            Err("PAYMENT_PROVIDER=local needs a local DYNAMODB_ENDPOINT".to_owned())
        }
        Some("local") => match var("PAYMENT_LEDGER") {
            None => Ok(Arc::new(LocalPayments::default())),
            Some(file) => {
                let payments =
                    LocalPayments::open(Path::new(&file)).map_err(|e| format!("PAYMENT_LEDGER={file}: {e}"))?;
                Ok(Arc::new(payments))
            }
        },
        Some(other) => Err(format!("PAYMENT_PROVIDER={other} is not a provider this build knows: stripe, local")),
        None => Err("PAYMENT_PROVIDER is not set".to_owned()),
    }
}
