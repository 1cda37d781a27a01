//! Payment providers: one trait, because providers are third parties; the local provider for development and tests; and
//! Stripe.

mod action;
mod event;
mod from_env;
mod local;
mod not_chargeable;
pub mod signature;
mod stripe;

use std::{fmt, future::Future, pin::Pin};

use domain::{Invalid, Money, OrderId, RefundByHand, Timestamp};

pub use action::{ClientSecret, PaymentAction, ReturnUrl};
pub use event::{EventRefused, EventSubject, PaymentEvent, PaymentEventKind};
pub use from_env::from_env;
pub use local::{Attempt, Challenge, ChallengeAnswered, Entry, LocalPayments};
pub use not_chargeable::NotChargeable;
pub use stripe::{Stripe, StripeConfig};

/// A charge of an order.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Also the provider's idempotency key: an order is charged once, however often the charge is requested.
    pub order: OrderId,
    pub amount: Money,
    pub token: PaymentToken,
}

/// The token for card data that the provider's form returned to the storefront; card data never gets here. `Debug`
/// hides it.
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
    /// The order is charged; `reference` is the provider's id of the payment.
    Captured { reference: String },
    /// Nothing was charged.
    Declined,
    /// Nothing was charged, and no card could pay it: the provider does not accept this amount, for example because it
    /// is too small in the settlement currency of the shop's account.
    NotChargeable,
    /// Nothing was charged yet: the customer has to authenticate the payment towards their bank first. Then the provider
    /// charges by itself, and reports it by an event.
    ActionRequired(PaymentAction),
}

/// The state of an order's payment at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentStatus {
    /// The order is charged.
    Captured { reference: String },
    /// The customer is asked to authenticate the payment.
    ActionRequired(PaymentAction),
    /// Nothing was charged, and the customer is not asked: there was no attempt yet, or the last one failed.
    Unpaid,
    /// Nothing was charged, and nothing will be.
    Closed,
}

/// The provider's answer to closing the payment of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseOutcome {
    /// It had charged the order before.
    Captured { reference: String },
    /// It has charged nothing, and refuses every charge of this order from now on.
    Closed,
}

/// A refund to pay.
#[derive(Debug, Clone)]
pub struct RefundCharge {
    pub order: OrderId,
    /// The number of the refund within its order. Order and number are the provider's idempotency key.
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

/// The provider's answer did not arrive, or it has not decided yet: the outcome is unknown. Ask again about the same
/// order before doing anything else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider's answer was lost")]
pub struct OutcomeUnknown;

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, OutcomeUnknown>> + Send + 'a>>;

/// A payment provider. Every request can be repeated with the effect of one.
pub trait PaymentProvider: Send + Sync {
    /// Its name in `/payments/webhooks/{provider}`.
    fn name(&self) -> &'static str;

    /// Whether it can charge an amount, with any means of payment. Sends no request, so that a checkout can be refused
    /// before anything is held; [`ChargeOutcome::NotChargeable`] is for what only the provider knows.
    ///
    /// # Errors
    /// The reason why not.
    fn chargeable(&self, amount: Money) -> Result<(), NotChargeable>;

    /// Whether it can refund an amount, of a payment that is large enough. There is no minimum.
    ///
    /// # Errors
    /// The reason why not.
    fn refundable(&self, amount: Money) -> Result<(), NotChargeable>;

    /// Authorises and captures in one step, unless the customer has to authenticate the payment first. An order is charged
    /// at most once, with whatever token; if it was charged, asking again returns that outcome. While the customer is
    /// asked, it may ask anew, which makes the open question worthless: [`PaymentProvider::look`] first.
    fn charge<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeOutcome>;

    /// Asks for the state of an order's payment. It never charges, confirms or closes. `amount` is the order's total.
    fn look(&self, order: OrderId, amount: Money) -> Answer<'_, PaymentStatus>;

    /// Asks for the outcome of an order's charge and, if nothing was charged, makes sure that nothing will be. `amount`
    /// is the order's total.
    fn close(&self, order: OrderId, amount: Money) -> Answer<'_, CloseOutcome>;

    /// Pays a refund, once for each number of an order.
    fn refund<'a>(&'a self, refund: &'a RefundCharge) -> Answer<'a, RefundOutcome>;

    /// The order that a payment belongs to, by the provider's id of the payment. `None` is a payment that is not this
    /// shop's: an account may have others.
    fn order_of<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<OrderId>>;

    /// The refunds of a payment that were made by hand, oldest first: all that this shop did not request.
    fn refunds_by_hand<'a>(&'a self, reference: &'a str) -> Answer<'a, Vec<RefundByHand>>;

    /// The header that carries the signature of an event.
    fn signature_header(&self) -> &'static str;

    /// Reads an event of the provider. `None` is one that has nothing to do with orders.
    ///
    /// # Errors
    /// It is not signed by the provider, older than 300 seconds, or malformed.
    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentEvent>, EventRefused>;
}
