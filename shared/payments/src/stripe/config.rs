use std::fmt;

use crate::{ReturnUrl, signature::Secrets};

/// How to reach a Stripe account.
pub struct StripeConfig {
    pub(super) secret_key: String,
    pub(super) webhook_secrets: Secrets,
    pub(super) endpoint: String,
    /// For Stripe's script in the storefront. Not a secret.
    pub(super) publishable_key: Option<String>,
    pub(super) return_url: Option<ReturnUrl>,
}

impl fmt::Debug for StripeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl StripeConfig {
    /// From `STRIPE_SECRET_KEY`, `STRIPE_WEBHOOK_SECRETS` (comma-separated, at least one) and optionally
    /// `STRIPE_PUBLISHABLE_KEY`, `PAYMENT_RETURN_URL` and `STRIPE_ENDPOINT`.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env(var: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let given = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        let required = |name: &str| given(name).ok_or_else(|| format!("{name} is not set"));
        let secrets = required("STRIPE_WEBHOOK_SECRETS")?;
        if secrets.split(',').all(|secret| secret.trim().is_empty()) {
            return Err("STRIPE_WEBHOOK_SECRETS has no secret".to_owned());
        }
        let endpoint = given("STRIPE_ENDPOINT").unwrap_or_else(|| "https://api.stripe.com".to_owned());
        let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
        // Every request carries the secret key.
        if !endpoint.starts_with("https://") && !local.iter().any(|start| endpoint.starts_with(start)) {
            return Err("STRIPE_ENDPOINT is neither https: nor a port of this machine".to_owned());
        }
        let secret_key = required("STRIPE_SECRET_KEY")?.trim().to_owned();
        let publishable_key = given("STRIPE_PUBLISHABLE_KEY").map(|key| key.trim().to_owned());
        // It is sent to every customer who is asked: the secret key must not be there by mistake.
        if publishable_key.as_ref().is_some_and(|key| !key.starts_with("pk_")) {
            return Err("STRIPE_PUBLISHABLE_KEY is not a publishable key, which begins with pk_".to_owned());
        }
        let return_url = given("PAYMENT_RETURN_URL").map(|url| ReturnUrl::parse(url.trim())).transpose();
        let return_url = return_url.map_err(|reason| format!("PAYMENT_RETURN_URL {reason}"))?;
        let webhook_secrets = Secrets::parse(&secrets);
        Ok(Self { secret_key, webhook_secrets, endpoint, publishable_key, return_url })
    }
}
