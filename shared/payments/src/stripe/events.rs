//! What Stripe sends to a webhook: <https://docs.stripe.com/api/events/types>. Typed down to what is used of it;
//! fields beside that come and go with the webhook's API version.

use domain::OrderId;
use serde::Deserialize;
use serde_json::Value;

use super::{RefundStatus, amount::from_stripe};
use crate::{EventRefused, PaymentEvent, PaymentNews};

#[derive(Deserialize)]
struct Event {
    id: String,
    r#type: String,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
struct Data {
    #[serde(default)]
    object: Value,
}

#[derive(Deserialize)]
struct Intent {
    id: String,
    amount: i64,
    /// What was taken of it; localstripe leaves it out.
    amount_received: Option<i64>,
    currency: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Refund {
    amount: i64,
    currency: String,
    status: RefundStatus,
    #[serde(default)]
    metadata: Metadata,
}

/// What this shop wrote on its objects. The account may have others.
#[derive(Debug, Deserialize, Default)]
pub struct Metadata {
    pub order_id: Option<String>,
    pub refund: Option<String>,
}

/// Reads an event whose signature was verified. `None` has nothing to do with this shop's orders, or says nothing yet.
///
/// # Errors
/// It is of a kind that concerns orders, and does not read as one.
pub fn read(body: &[u8]) -> Result<Option<PaymentEvent>, EventRefused> {
    let event: Event = serde_json::from_slice(body).map_err(|_| EventRefused::Malformed)?;
    let about = match event.r#type.as_str() {
        "payment_intent.succeeded" => captured(event.data.object)?,
        "payment_intent.payment_failed" => declined(event.data.object)?,
        // Stripe tells of a refund under several names; which one says what stands in its status.
        "refund.updated" | "refund.failed" | "charge.refund.updated" => refunded(event.data.object)?,
        _ => None,
    };
    let Some((order, news)) = about else { return Ok(None) };
    let id = event.id.parse().map_err(|_| EventRefused::Malformed)?;
    Ok(Some(PaymentEvent { id, order, news }))
}

type About = Option<(OrderId, PaymentNews)>;

fn captured(object: Value) -> Result<About, EventRefused> {
    let intent: Intent = parse(object)?;
    let Some(order) = order(&intent.metadata)? else { return Ok(None) };
    let taken = intent.amount_received.unwrap_or(intent.amount);
    let amount = from_stripe(taken, &intent.currency).ok_or(EventRefused::Malformed)?;
    Ok(Some((order, PaymentNews::Captured { reference: intent.id, amount })))
}

fn declined(object: Value) -> Result<About, EventRefused> {
    let intent: Intent = parse(object)?;
    Ok(order(&intent.metadata)?.map(|order| (order, PaymentNews::Declined)))
}

fn refunded(object: Value) -> Result<About, EventRefused> {
    let refund: Refund = parse(object)?;
    // A refund made by hand in Stripe's dashboard carries no number of ours.
    let (Some(order), Some(number)) = (order(&refund.metadata)?, &refund.metadata.refund) else { return Ok(None) };
    let number = number.parse().map_err(|_| EventRefused::Malformed)?;
    let news = match refund.status {
        RefundStatus::Succeeded => {
            let amount = from_stripe(refund.amount, &refund.currency).ok_or(EventRefused::Malformed)?;
            PaymentNews::RefundPaid { number, amount }
        }
        RefundStatus::Failed | RefundStatus::Canceled => PaymentNews::RefundRefused { number },
        RefundStatus::Pending | RefundStatus::Undecided => return Ok(None),
    };
    Ok(Some((order, news)))
}

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> Result<T, EventRefused> {
    T::deserialize(object).map_err(|_| EventRefused::Malformed)
}

fn order(metadata: &Metadata) -> Result<Option<OrderId>, EventRefused> {
    metadata.order_id.as_deref().map(str::parse).transpose().map_err(|_| EventRefused::Malformed)
}
