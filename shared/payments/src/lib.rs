//! The seam to payment providers: one trait, because providers are third parties, and the local provider that
//! development and tests pay with.

mod local;

use std::{fmt, future::Future, pin::Pin};

use domain::{Invalid, Money, OrderId};

pub use local::LocalPayments;

/// What an order asks a provider to take.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Also the provider's idempotency key: an order is charged once, however often it is asked for.
    pub order: OrderId,
    pub amount: Money,
    pub token: PaymentToken,
}

/// What a provider's own form gave the storefront in exchange for card data, which never gets here. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(String);

impl PaymentToken {
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        if raw.is_empty() || raw.len() > 255 || !raw.bytes().all(|b| b.is_ascii_graphic()) {
            let reason = "must be 1 to 255 printable ASCII characters";
            return Err(Invalid::new("payment.token", "payment_token_invalid", reason));
        }
        Ok(Self(raw.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentToken(redacted)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The money is taken; `reference` is the provider's id of the payment.
    Captured { reference: String },
    /// Nothing was taken, and nothing will be.
    Declined,
}

/// The provider's answer did not arrive: it may have charged. Ask again with the same order before doing anything else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider's answer was lost")]
pub struct AnswerLost;

pub type ChargeFuture<'a> = Pin<Box<dyn Future<Output = Result<ChargeOutcome, AnswerLost>> + Send + 'a>>;

/// A payment provider.
pub trait PaymentProvider: Send + Sync {
    /// Authorises and captures in one. Asking again for the same order answers with the first outcome.
    fn charge<'a>(&'a self, charge: &'a Charge) -> ChargeFuture<'a>;
}
