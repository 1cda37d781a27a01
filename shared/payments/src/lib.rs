//! The seam to payment providers: one trait, because providers are third parties; the local provider that development
//! and tests pay with; and Stripe.

mod event;
mod from_env;
mod local;
mod not_chargeable;
pub mod signature;
mod stripe;

use std::{fmt, future::Future, pin::Pin};

use domain::{Invalid, Money, OrderId, RefundByHand, Timestamp};

pub use event::{EventRefused, EventSubject, PaymentEvent, PaymentEventKind};
pub use from_env::from_env;
pub use local::{Attempt, Entry, LocalPayments};
pub use not_chargeable::NotChargeable;
pub use stripe::{Stripe, StripeConfig};

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
    /// Nothing was taken.
    Declined,
    /// Nothing was taken, and no card could pay it: the provider does not take this amount, as where it is too little in
    /// the currency that the shop's account is settled in.
    NotChargeable,
}

/// What a provider says about an order it is told to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseOutcome {
    /// It had taken the money before.
    Captured { reference: String },
    /// It has taken nothing, and refuses every charge of this order from now on.
    Closed,
}

/// Money to give back.
#[derive(Debug, Clone)]
pub struct RefundCharge {
    pub order: OrderId,
    /// Of the refund within its order. Order and number are the provider's idempotency key.
    pub number: u32,
    /// The provider's id of the payment.
    pub reference: String,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    Paid,
    /// The provider will not pay it; asking again changes nothing.
    Refused,
}

/// The provider's answer did not arrive, or it has not decided yet: anything may have happened. Ask again about the same
/// order before doing anything else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider's answer was lost")]
pub struct OutcomeUnknown;

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, OutcomeUnknown>> + Send + 'a>>;

/// A payment provider. Everything it is asked can be asked again with the same effect as once.
pub trait PaymentProvider: Send + Sync {
    /// Its name in `/payments/webhooks/{provider}`.
    fn name(&self) -> &'static str;

    /// Whether it can take an amount, whatever it is paid with. Makes no request, so that a checkout can be refused before
    /// anything is held; [`ChargeOutcome::NotChargeable`] is for what only the provider knows.
    ///
    /// # Errors
    /// Why it cannot.
    fn chargeable(&self, amount: Money) -> Result<(), NotChargeable>;

    /// Whether it can give an amount back, of a payment that is large enough. There is no least amount.
    ///
    /// # Errors
    /// Why it cannot.
    fn refundable(&self, amount: Money) -> Result<(), NotChargeable>;

    /// Authorises and captures in one. An order is charged at most once, whatever it is asked with; where it was, asking
    /// again answers so.
    fn charge<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeOutcome>;

    /// Asks what became of an order's charge and, where nothing was taken, sees to it that nothing will be. `amount` is
    /// the order's total.
    fn close(&self, order: OrderId, amount: Money) -> Answer<'_, CloseOutcome>;

    /// Gives money back, once for each number of an order.
    fn refund<'a>(&'a self, refund: &'a RefundCharge) -> Answer<'a, RefundOutcome>;

    /// The order that a payment is of, by the provider's id of the payment. `None` is a payment of somebody else than
    /// this shop: an account may have others.
    fn order_of<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<OrderId>>;

    /// The refunds of a payment that were made by hand, oldest first: all that were not asked for here.
    fn refunds_by_hand<'a>(&'a self, reference: &'a str) -> Answer<'a, Vec<RefundByHand>>;

    /// The header that carries the signature of an event.
    fn signature_header(&self) -> &'static str;

    /// Reads an event the provider sent. `None` is one that has nothing to do with orders.
    ///
    /// # Errors
    /// It is not signed by the provider, not of the last 300 seconds, or not what the provider sends.
    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentEvent>, EventRefused>;
}
