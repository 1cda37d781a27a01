//! Stripe, by its PaymentIntents: <https://docs.stripe.com/api/payment_intents>.
//!
//! An order's intent is created from nothing but the order, with the order's id as idempotency key, and confirmed with
//! the token in a second request. So whoever knows the order finds its intent again, after a lost answer or a crash, by
//! creating it once more. An intent succeeds at most once, whatever it is confirmed with, and never after it was
//! cancelled.
//!
//! A card whose bank wants to ask the customer (3-D Secure) is declined: that is a step in the storefront which this
//! build does not have. <https://docs.stripe.com/payments/3d-secure>

mod amount;
mod api;
mod config;
mod events;
#[cfg(test)]
mod tests;

use domain::{Money, OrderId, Timestamp};
use serde::Deserialize;

use crate::{
    Answer, AnswerLost, Charge, ChargeOutcome, CloseOutcome, EventRefused, PaymentEvent, PaymentProvider, RefundCharge,
    RefundOutcome, signature::Secrets,
};
use amount::to_stripe;
use api::{Api, Connection, Failure};
use events::Metadata;

pub use config::StripeConfig;

/// Stripe may forget a key after 24 hours; an hour is for clocks that differ.
const KEY_LIFE_S: i64 = 23 * 3_600;
const INTENTS: &str = "/v1/payment_intents";

/// A Stripe account.
#[derive(Debug)]
pub struct Stripe {
    api: Api,
    webhook_secrets: Secrets,
}

#[derive(Debug, Deserialize)]
struct Intent {
    id: String,
    status: IntentStatus,
}

/// <https://docs.stripe.com/payments/paymentintents/lifecycle>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IntentStatus {
    RequiresPaymentMethod,
    RequiresAction,
    Canceled,
    Succeeded,
    /// `processing`, and what no intent of ours comes to.
    #[serde(other)]
    Undecided,
}

#[derive(Debug, Deserialize)]
struct Refund {
    status: RefundStatus,
    #[serde(default, deserialize_with = "events::nullable")]
    metadata: Metadata,
}

/// <https://docs.stripe.com/api/refunds/object#refund_object-status>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
    Canceled,
    #[serde(other)]
    Undecided,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

impl Stripe {
    /// # Errors
    /// The key is none, or the machine has no certificates to know Stripe by.
    pub fn new(config: StripeConfig) -> Result<Self, String> {
        let StripeConfig { secret_key, webhook_secrets, endpoint } = config;
        Ok(Self { api: Api::new(&endpoint, &secret_key)?, webhook_secrets })
    }

    async fn take(&self, charge: &Charge) -> Result<ChargeOutcome, AnswerLost> {
        // Its key may be forgotten, and then the same request would make a second intent.
        if outlived(charge.order, Timestamp::now()) {
            return Ok(self.give_up(charge.order, charge.amount).await?.into());
        }
        let connection = self.api.connect();
        let Some(intent) = intent_of(&connection, charge.order, charge.amount).await? else {
            return Ok(ChargeOutcome::Declined);
        };
        let confirm = format!("{INTENTS}/{}/confirm", intent.id);
        // Without a key: a second confirmation is to meet the intent as it is, not the answer to the first one.
        let confirmed = connection.post(&confirm, &[("payment_method", charge.token.as_str())], None).await;
        let intent: Intent = match confirmed {
            Ok(intent) => intent,
            Err(Failure::Refused(refusal)) if refusal.is_decline() => return Ok(ChargeOutcome::Declined),
            // Even a token that is none may meet an intent that succeeded before.
            Err(Failure::Refused(refusal)) if refusal.is_of_state() || refusal.is_of_token() => {
                look_up(&connection, &intent.id).await?
            }
            Err(failure) => return Err(failure.lost()),
        };
        match intent.status {
            IntentStatus::Succeeded => Ok(ChargeOutcome::Captured { reference: intent.id }),
            IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled => Ok(ChargeOutcome::Declined),
            IntentStatus::RequiresAction => Ok(cancel(&connection, intent.id).await?.into()),
            IntentStatus::Undecided => Err(AnswerLost),
        }
    }

    async fn give_up(&self, order: OrderId, amount: Money) -> Result<CloseOutcome, AnswerLost> {
        let connection = self.api.connect();
        if outlived(order, Timestamp::now()) {
            let found = search(&connection, order).await?;
            for intent in &found {
                let outcome = cancel(&connection, intent.id.clone()).await?;
                if outcome != CloseOutcome::Closed {
                    return Ok(outcome);
                }
            }
            if !found.is_empty() {
                return Ok(CloseOutcome::Closed);
            }
        }
        // One that never existed is made here, empty: cancelled, it keeps a charge that is still on its way from paying.
        match intent_of(&connection, order, amount).await? {
            Some(intent) => cancel(&connection, intent.id).await,
            None => Ok(CloseOutcome::Closed),
        }
    }

    async fn pay_back(&self, refund: &RefundCharge) -> Result<RefundOutcome, AnswerLost> {
        let Some(amount) = to_stripe(refund.amount) else { return Ok(RefundOutcome::Refused) };
        let (order, number, amount) = (refund.order.to_string(), refund.number.to_string(), amount.to_string());
        let connection = self.api.connect();
        // A refund may be asked for again after its key was forgotten. One still owed is among the newest hundred.
        let query = [("payment_intent", refund.reference.as_str()), ("limit", "100")];
        let made: List<Refund> = connection.get("/v1/refunds", &query).await.map_err(Failure::lost)?;
        let same = |made: &&Refund| {
            made.metadata.order_id.as_ref() == Some(&order) && made.metadata.refund.as_ref() == Some(&number)
        };
        if let Some(made) = made.data.iter().find(same) {
            return made.outcome();
        }
        let form = [
            ("payment_intent", refund.reference.as_str()),
            ("amount", &amount),
            ("metadata[order_id]", &order),
            ("metadata[refund]", &number),
        ];
        let key = format!("{order}-refund-{number}");
        match connection.post::<Refund>("/v1/refunds", &form, Some(&key)).await {
            Ok(made) => made.outcome(),
            Err(Failure::Refused(refusal)) if refusal.is_of_refund() => Ok(RefundOutcome::Refused),
            Err(failure) => Err(failure.lost()),
        }
    }
}

/// Whether the order's key may be forgotten by now.
fn outlived(order: OrderId, now: Timestamp) -> bool {
    now.as_second() - order.placed_at().as_second() > KEY_LIFE_S
}

/// The order's intent, as it was when it was first created. `None` is an amount that Stripe does not take: there is no
/// intent, and never will be.
async fn intent_of(connection: &Connection<'_>, order: OrderId, amount: Money) -> Result<Option<Intent>, AnswerLost> {
    let Some(minor) = to_stripe(amount) else {
        tracing::error!(%order, %amount, "Stripe cannot take this amount to the last unit");
        return Ok(None);
    };
    let (order, minor, currency) =
        (order.to_string(), minor.to_string(), amount.currency().code().to_ascii_lowercase());
    let form = [
        ("amount", minor.as_str()),
        ("currency", &currency),
        ("metadata[order_id]", &order),
        // Other methods send the customer away, or take days.
        ("payment_method_types[]", "card"),
    ];
    match connection.post(INTENTS, &form, Some(&order)).await {
        Ok(intent) => Ok(Some(intent)),
        Err(Failure::Refused(refusal)) if refusal.is_of_amount() => {
            tracing::error!(order, %amount, "Stripe does not take this amount");
            Ok(None)
        }
        Err(failure) => Err(failure.lost()),
    }
}

/// All intents of an order placed long enough ago for the search to know them: it lags by a minute.
/// <https://docs.stripe.com/search>
async fn search(connection: &Connection<'_>, order: OrderId) -> Result<Vec<Intent>, AnswerLost> {
    let query = format!("metadata['order_id']:'{order}'");
    let query = [("query", query.as_str()), ("limit", "100")];
    let found: List<Intent> = connection.get(&format!("{INTENTS}/search"), &query).await.map_err(Failure::lost)?;
    Ok(found.data)
}

async fn look_up(connection: &Connection<'_>, id: &str) -> Result<Intent, AnswerLost> {
    connection.get(&format!("{INTENTS}/{id}"), &[]).await.map_err(Failure::lost)
}

/// Cancels first and looks afterwards: between a look and a cancellation an intent could succeed.
async fn cancel(connection: &Connection<'_>, id: String) -> Result<CloseOutcome, AnswerLost> {
    let cancelled = connection.post(&format!("{INTENTS}/{id}/cancel"), &[], None).await;
    let intent: Intent = match cancelled {
        Ok(intent) => intent,
        Err(Failure::Refused(refusal)) if refusal.is_of_state() => look_up(connection, &id).await?,
        Err(failure) => return Err(failure.lost()),
    };
    match intent.status {
        IntentStatus::Succeeded => Ok(CloseOutcome::Captured { reference: id }),
        IntentStatus::Canceled => Ok(CloseOutcome::Closed),
        _ => Err(AnswerLost),
    }
}

impl From<CloseOutcome> for ChargeOutcome {
    fn from(closed: CloseOutcome) -> Self {
        match closed {
            CloseOutcome::Captured { reference } => Self::Captured { reference },
            CloseOutcome::Closed => Self::Declined,
        }
    }
}

impl Refund {
    fn outcome(&self) -> Result<RefundOutcome, AnswerLost> {
        match self.status {
            RefundStatus::Succeeded => Ok(RefundOutcome::Paid),
            RefundStatus::Failed | RefundStatus::Canceled => Ok(RefundOutcome::Refused),
            // A pending one may still fail. It stays owed until an event, or asking again, tells.
            RefundStatus::Pending | RefundStatus::Undecided => Err(AnswerLost),
        }
    }
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeOutcome> {
        Box::pin(self.take(charge))
    }

    fn close(&self, order: OrderId, amount: Money) -> Answer<'_, CloseOutcome> {
        Box::pin(self.give_up(order, amount))
    }

    fn refund<'a>(&'a self, refund: &'a RefundCharge) -> Answer<'a, RefundOutcome> {
        Box::pin(self.pay_back(refund))
    }

    fn signature_header(&self) -> &'static str {
        "stripe-signature"
    }

    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentEvent>, EventRefused> {
        self.webhook_secrets.verify(signature, body, now)?;
        events::read(body)
    }
}
