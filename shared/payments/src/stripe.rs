//! Stripe, by its PaymentIntents: <https://docs.stripe.com/api/payment_intents>.
//!
//! An order's intent is created from nothing but the order, with the order's id as idempotency key, and confirmed with
//! the token in a second request. So any caller that has the order finds its intent again, after a lost answer or a
//! crash, by creating it once more. An intent succeeds at most once, whatever it is confirmed with, and never after it
//! was cancelled.
//!
//! Stripe saves the first answer to a key, an error of its own included, and replays it for a day
//! (<https://docs.stripe.com/api/idempotent_requests>). A key whose saved answer is such an error is spent: it never
//! yields an intent, and the next key is used, `<order>.2` and so on ([`keys`]). Charging and closing try the same keys
//! in the same order, and a saved answer does not change; so both end at the first key that is not spent, and at the
//! one intent that is saved there. An intent that Stripe may have made under a spent key charges nothing: only a
//! confirmation with its id charges, and the id was never sent. An error that was not replayed is a lost answer, and
//! the next key is not tried: only a replay shows that it was saved.
//!
//! A refund pays as soon as it is made, so the refunds of the payment are listed before each key: one that was made
//! under a spent key is found by the number that it carries.
//!
//! If the customer's bank asks them for authentication (3-D Secure), the intent waits for that in `requires_action`. The
//! storefront finishes it with the intent's client secret, and Stripe charges by itself. After a failed authentication
//! the intent takes another payment method. <https://docs.stripe.com/payments/3d-secure>

mod amount;
mod api;
mod config;
mod events;
#[cfg(test)]
mod tests;

use domain::{Money, OrderId, RefundByHand, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Answer, Charge, ChargeOutcome, ClientSecret, CloseOutcome, EventRefused, NotChargeable, OutcomeUnknown,
    PaymentAction, PaymentEvent, PaymentProvider, PaymentStatus, RefundCharge, RefundOutcome, ReturnUrl,
    signature::Secrets,
};
use amount::{from_stripe, to_stripe};
use api::{Api, Connection, Failure};
use events::Metadata;

pub use config::StripeConfig;

/// Stripe may forget a key after 24 hours; one hour less, for clock differences.
const KEY_LIFE_S: i64 = 23 * 3_600;
/// Keys to try for one request. Each stands for an error of Stripe's own; after this many, another one would not help.
const MAX_KEYS: usize = 8;
const INTENTS: &str = "/v1/payment_intents";

/// A Stripe account.
#[derive(Debug)]
pub struct Stripe {
    api: Api,
    webhook_secrets: Secrets,
    publishable_key: Option<String>,
    return_url: Option<ReturnUrl>,
}

/// Without `Debug`, which would show the client secret.
#[derive(Deserialize)]
struct Intent {
    id: String,
    status: IntentStatus,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default, deserialize_with = "events::nullable")]
    metadata: Metadata,
}

/// <https://docs.stripe.com/payments/paymentintents/lifecycle>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IntentStatus {
    RequiresPaymentMethod,
    RequiresAction,
    Canceled,
    Succeeded,
    /// `processing`, and states that no intent of ours reaches.
    #[serde(other)]
    Undecided,
}

#[derive(Debug, Deserialize)]
struct Refund {
    #[serde(default)]
    id: String,
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    currency: String,
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

/// The keys of a request, in the order that all callers try them.
fn keys(first: &str) -> impl Iterator<Item = String> + use<'_> {
    (1..=MAX_KEYS).map(move |at| if at == 1 { first.to_owned() } else { format!("{first}.{at}") })
}

impl Stripe {
    /// # Errors
    /// The key is malformed, or the machine has no root certificates to verify Stripe with.
    pub fn new(config: StripeConfig) -> Result<Self, String> {
        let StripeConfig { secret_key, webhook_secrets, endpoint, publishable_key, return_url } = config;
        Ok(Self { api: Api::new(&endpoint, &secret_key)?, webhook_secrets, publishable_key, return_url })
    }

    async fn take(&self, charge: &Charge) -> Result<ChargeOutcome, OutcomeUnknown> {
        // Its key may be forgotten, and then the same request would make a second intent.
        if outlived(charge.order, Timestamp::now()) {
            return Ok(self.give_up(charge.order, charge.amount).await?.into());
        }
        let connection = self.api.connect();
        let Some(intent) = intent_of(&connection, charge.order, charge.amount).await? else {
            return Ok(ChargeOutcome::NotChargeable);
        };
        let confirm = format!("{INTENTS}/{}/confirm", intent.id);
        // Without a key: a repeated confirmation has to see the current intent, not the answer to the first one.
        let return_url = self.return_url.as_ref().map(|url| url.of(charge.order));
        let mut form = vec![(token_parameter(charge.token.as_str()), charge.token.as_str())];
        form.extend(return_url.as_deref().map(|url| ("return_url", url)));
        let confirmed = connection.post(&confirm, &form, None).await;
        let intent: Intent = match confirmed {
            Ok(intent) => intent,
            Err(Failure::Refused(refusal)) if refusal.is_decline() => return Ok(ChargeOutcome::Declined),
            // Even with an invalid token, the intent may have succeeded before.
            Err(Failure::Refused(refusal)) if refusal.is_of_state() || refusal.is_of_token() => {
                look_up(&connection, &intent.id).await?
            }
            Err(failure) => return Err(failure.lost()),
        };
        match intent.status {
            IntentStatus::Succeeded => Ok(ChargeOutcome::Captured { reference: intent.id }),
            IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled => Ok(ChargeOutcome::Declined),
            IntentStatus::RequiresAction => self.action(charge.order, intent).map(ChargeOutcome::ActionRequired),
            IntentStatus::Undecided => Err(OutcomeUnknown),
        }
    }

    fn action(&self, order: OrderId, intent: Intent) -> Result<PaymentAction, OutcomeUnknown> {
        let Some(secret) = intent.client_secret else {
            tracing::error!(%order, "Stripe asks the customer, but its answer has no client secret");
            return Err(OutcomeUnknown);
        };
        let client_secret = ClientSecret::new(secret);
        let return_url = self.return_url.as_ref().map(|url| url.of(order));
        Ok(PaymentAction { client_secret, publishable_key: self.publishable_key.clone(), return_url })
    }

    /// The current state of the order's intent. To find it, it may have to be created, which charges nothing.
    async fn status(&self, order: OrderId, amount: Money) -> Result<PaymentStatus, OutcomeUnknown> {
        // Its key may be forgotten. No hold lasts that long: the order is closed soon.
        if outlived(order, Timestamp::now()) {
            return Err(OutcomeUnknown);
        }
        let connection = self.api.connect();
        let Some(intent) = intent_of(&connection, order, amount).await? else { return Ok(PaymentStatus::Unpaid) };
        let intent = look_up(&connection, &intent.id).await?;
        match intent.status {
            IntentStatus::Succeeded => Ok(PaymentStatus::Captured { reference: intent.id }),
            IntentStatus::RequiresAction => self.action(order, intent).map(PaymentStatus::ActionRequired),
            IntentStatus::RequiresPaymentMethod => Ok(PaymentStatus::Unpaid),
            IntentStatus::Canceled => Ok(PaymentStatus::Closed),
            IntentStatus::Undecided => Err(OutcomeUnknown),
        }
    }

    async fn give_up(&self, order: OrderId, amount: Money) -> Result<CloseOutcome, OutcomeUnknown> {
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
        // An intent that never existed is created here and cancelled, so that a charge still in flight cannot pay.
        match intent_of(&connection, order, amount).await? {
            Some(intent) => cancel(&connection, intent.id).await,
            None => Ok(CloseOutcome::Closed),
        }
    }

    async fn pay_back(&self, refund: &RefundCharge) -> Result<RefundOutcome, OutcomeUnknown> {
        let Ok(amount) = to_stripe(refund.amount) else { return Ok(RefundOutcome::Refused) };
        let (order, number, amount) = (refund.order.to_string(), refund.number.to_string(), amount.to_string());
        let connection = self.api.connect();
        let same = |made: &&Refund| {
            made.metadata.order_id.as_ref() == Some(&order) && made.metadata.refund.as_ref() == Some(&number)
        };
        let form = [
            ("payment_intent", refund.reference.as_str()),
            ("amount", &amount),
            ("metadata[order_id]", &order),
            ("metadata[refund]", &number),
        ];
        for key in keys(&format!("{order}-refund-{number}")) {
            // A refund may have been made under a key that is forgotten, or spent.
            if let Some(made) = refunds_of(&connection, &refund.reference).await?.iter().find(same) {
                return made.outcome();
            }
            match connection.post::<Refund>("/v1/refunds", &form, Some(&key)).await {
                Ok(made) => return made.outcome(),
                Err(Failure::Saved) => {}
                Err(Failure::Refused(refusal)) if refusal.is_of_refund() => return Ok(RefundOutcome::Refused),
                Err(failure) => return Err(failure.lost()),
            }
        }
        Err(spent(&order))
    }

    async fn owner(&self, reference: &str) -> Result<Option<OrderId>, OutcomeUnknown> {
        let found = self.api.connect().get::<Intent>(&format!("{INTENTS}/{reference}"), &[]).await;
        match found {
            // An id that is not ours belongs to something else in the account.
            Ok(intent) => Ok(intent.metadata.order_id.and_then(|order| order.parse().ok())),
            Err(Failure::Refused(refusal)) if refusal.is_of_nothing() => Ok(None),
            Err(failure) => Err(failure.lost()),
        }
    }

    async fn made_by_hand(&self, reference: &str) -> Result<Vec<RefundByHand>, OutcomeUnknown> {
        let made = refunds_of(&self.api.connect(), reference).await?;
        let by_hand = made.iter().rev().filter(|made| !made.metadata.names_a_refund());
        // An unreadable one must not lose the others.
        Ok(by_hand.filter_map(Refund::by_hand).collect())
    }
}

/// The parameter for a token. A ConfirmationToken stands for a PaymentMethod and for what the customer entered beside
/// it. <https://docs.stripe.com/api/confirmation_tokens>
fn token_parameter(token: &str) -> &'static str {
    if token.starts_with("ctoken_") { "confirmation_token" } else { "payment_method" }
}

/// The newest hundred refunds of a payment, newest first: as many as an order has of its own.
async fn refunds_of(connection: &Connection<'_>, reference: &str) -> Result<Vec<Refund>, OutcomeUnknown> {
    let query = [("payment_intent", reference), ("limit", "100")];
    let made: List<Refund> = connection.get("/v1/refunds", &query).await.map_err(Failure::lost)?;
    Ok(made.data)
}

/// Tries one key after the other until one of them is not spent.
async fn create<T: DeserializeOwned>(
    connection: &Connection<'_>,
    path: &str,
    form: &[(&str, &str)],
    first: &str,
) -> Result<T, Failure> {
    for key in keys(first) {
        match connection.post(path, form, Some(&key)).await {
            Err(Failure::Saved) => {}
            answer => return answer,
        }
    }
    let OutcomeUnknown = spent(first);
    Err(Failure::Lost)
}

fn spent(order: &str) -> OutcomeUnknown {
    tracing::error!(order, "Stripe has failed under every key of a request, and replays that for a day");
    OutcomeUnknown
}

/// Whether the order's key may be forgotten by now.
fn outlived(order: OrderId, now: Timestamp) -> bool {
    now.as_second() - order.placed_at().as_second() > KEY_LIFE_S
}

/// The order's intent, as it was when it was first created. `None` is an amount that Stripe does not accept: there is
/// no intent, and never will be.
async fn intent_of(
    connection: &Connection<'_>,
    order: OrderId,
    amount: Money,
) -> Result<Option<Intent>, OutcomeUnknown> {
    let Ok(minor) = to_stripe(amount) else {
        tracing::error!(%order, %amount, "Stripe cannot represent this amount exactly");
        return Ok(None);
    };
    let (order, minor, currency) =
        (order.to_string(), minor.to_string(), amount.currency().code().to_ascii_lowercase());
    let form = [
        ("amount", minor.as_str()),
        ("currency", &currency),
        ("metadata[order_id]", &order),
        // Other payment methods redirect the customer, or take days.
        ("payment_method_types[]", "card"),
    ];
    match create(connection, INTENTS, &form, &order).await {
        Ok(intent) => Ok(Some(intent)),
        Err(Failure::Refused(refusal)) if refusal.is_of_amount() => {
            tracing::error!(order, %amount, "Stripe does not accept this amount");
            Ok(None)
        }
        Err(failure) => Err(failure.lost()),
    }
}

/// All intents of an order placed long enough ago for the search index to have them: it lags by a minute.
/// <https://docs.stripe.com/search>
async fn search(connection: &Connection<'_>, order: OrderId) -> Result<Vec<Intent>, OutcomeUnknown> {
    let query = format!("metadata['order_id']:'{order}'");
    let query = [("query", query.as_str()), ("limit", "100")];
    let found: List<Intent> = connection.get(&format!("{INTENTS}/search"), &query).await.map_err(Failure::lost)?;
    Ok(found.data)
}

async fn look_up(connection: &Connection<'_>, id: &str) -> Result<Intent, OutcomeUnknown> {
    connection.get(&format!("{INTENTS}/{id}"), &[]).await.map_err(Failure::lost)
}

/// Cancels first and looks afterwards: between a look and a cancellation an intent could succeed.
async fn cancel(connection: &Connection<'_>, id: String) -> Result<CloseOutcome, OutcomeUnknown> {
    let cancelled = connection.post(&format!("{INTENTS}/{id}/cancel"), &[], None).await;
    let intent: Intent = match cancelled {
        Ok(intent) => intent,
        Err(Failure::Refused(refusal)) if refusal.is_of_state() => look_up(connection, &id).await?,
        Err(failure) => return Err(failure.lost()),
    };
    match intent.status {
        IntentStatus::Succeeded => Ok(CloseOutcome::Captured { reference: id }),
        IntentStatus::Canceled => Ok(CloseOutcome::Closed),
        IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresAction | IntentStatus::Undecided => {
            Err(OutcomeUnknown)
        }
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
    /// A pending one is recorded as well: Stripe subtracts it from what is left of the payment.
    fn by_hand(&self) -> Option<RefundByHand> {
        let amount = from_stripe(self.amount, &self.currency)?;
        let failed = matches!(self.status, RefundStatus::Failed | RefundStatus::Canceled);
        Some(RefundByHand { id: self.id.parse().ok()?, amount, failed })
    }

    fn outcome(&self) -> Result<RefundOutcome, OutcomeUnknown> {
        match self.status {
            RefundStatus::Succeeded => Ok(RefundOutcome::Paid),
            RefundStatus::Failed | RefundStatus::Canceled => Ok(RefundOutcome::Refused),
            // A pending one may still fail. It stays owed until an event, or asking again, reports the outcome.
            RefundStatus::Pending | RefundStatus::Undecided => Err(OutcomeUnknown),
        }
    }
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn chargeable(&self, amount: Money) -> Result<(), NotChargeable> {
        amount::chargeable(amount).map(drop)
    }

    fn refundable(&self, amount: Money) -> Result<(), NotChargeable> {
        to_stripe(amount).map(drop)
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeOutcome> {
        Box::pin(self.take(charge))
    }

    fn look(&self, order: OrderId, amount: Money) -> Answer<'_, PaymentStatus> {
        Box::pin(self.status(order, amount))
    }

    fn close(&self, order: OrderId, amount: Money) -> Answer<'_, CloseOutcome> {
        Box::pin(self.give_up(order, amount))
    }

    fn refund<'a>(&'a self, refund: &'a RefundCharge) -> Answer<'a, RefundOutcome> {
        Box::pin(self.pay_back(refund))
    }

    fn order_of<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<OrderId>> {
        Box::pin(self.owner(reference))
    }

    fn refunds_by_hand<'a>(&'a self, reference: &'a str) -> Answer<'a, Vec<RefundByHand>> {
        Box::pin(self.made_by_hand(reference))
    }

    fn signature_header(&self) -> &'static str {
        "stripe-signature"
    }

    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentEvent>, EventRefused> {
        self.webhook_secrets.verify(signature, body, now)?;
        events::read(body)
    }
}
