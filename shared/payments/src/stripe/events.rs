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
    #[serde(default, deserialize_with = "nullable")]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Refund {
    amount: i64,
    currency: String,
    status: RefundStatus,
    #[serde(default, deserialize_with = "nullable")]
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

/// Stripe's own types say that some members may be `null`: then they count as left out.
pub(super) fn nullable<'de, D, T>(member: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(member)?.unwrap_or_default())
}

fn order(metadata: &Metadata) -> Result<Option<OrderId>, EventRefused> {
    metadata.order_id.as_deref().map(str::parse).transpose().map_err(|_| EventRefused::Malformed)
}

#[cfg(test)]
mod tests {
    use domain::{Currency, Money};
    use serde_json::json;

    use super::*;

    const ORDER: &str = "018cc251-f400-7000-8000-000000000000";

    fn told(kind: &str, object: Value) -> Result<Option<PaymentEvent>, EventRefused> {
        let event =
            json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}, "livemode": false});
        read(event.to_string().as_bytes())
    }

    fn usd(cents: i64) -> Money {
        Money::amount(cents, Currency::USD)
    }

    fn news(told: Result<Option<PaymentEvent>, EventRefused>) -> Option<PaymentNews> {
        let event = told.unwrap()?;
        assert_eq!((event.id.as_str(), event.order.to_string().as_str()), ("evt_1", ORDER));
        Some(event.news)
    }

    fn paid_intent(metadata: Value) -> Value {
        json!({"id": "pi_1", "amount": 899, "amount_received": 898, "currency": "usd", "metadata": metadata})
    }

    #[test]
    fn events_of_payments_are_read() {
        let amount = |cents| PaymentNews::Captured { reference: "pi_1".to_owned(), amount: usd(cents) };
        let intent = paid_intent(json!({"order_id": ORDER}));
        let mut of_localstripe = intent.clone();
        of_localstripe.as_object_mut().unwrap().remove("amount_received");

        assert_eq!(news(told("payment_intent.succeeded", intent.clone())), Some(amount(898)));
        assert_eq!(news(told("payment_intent.succeeded", of_localstripe)), Some(amount(899)));
        assert_eq!(news(told("payment_intent.payment_failed", intent)), Some(PaymentNews::Declined));
    }

    #[test]
    fn events_of_refunds_are_read_by_their_status() {
        let told = |kind, status| {
            let metadata = json!({"order_id": ORDER, "refund": "2"});
            news(told(kind, json!({"amount": 500, "currency": "usd", "status": status, "metadata": metadata})))
        };
        let paid = PaymentNews::RefundPaid { number: 2, amount: usd(500) };

        assert_eq!(told("refund.updated", "succeeded"), Some(paid.clone()));
        assert_eq!(told("charge.refund.updated", "succeeded"), Some(paid));
        assert_eq!(told("refund.failed", "failed"), Some(PaymentNews::RefundRefused { number: 2 }));
        assert_eq!(told("refund.updated", "canceled"), Some(PaymentNews::RefundRefused { number: 2 }));
        assert_eq!(told("refund.updated", "pending"), None);
    }

    #[test]
    fn what_is_not_of_this_shop_is_ignored() {
        let by_hand = json!({"amount": 5, "currency": "usd", "status": "succeeded", "metadata": {"order_id": ORDER}});

        assert_eq!(told("customer.created", json!({"metadata": {"order_id": ORDER}})), Ok(None));
        assert_eq!(told("payment_intent.succeeded", paid_intent(json!({}))), Ok(None));
        assert_eq!(told("refund.updated", by_hand), Ok(None));
    }

    #[test]
    fn what_does_not_read_as_an_event_is_refused() {
        let malformed = Err(EventRefused::Malformed);

        assert_eq!(told("payment_intent.succeeded", paid_intent(json!({"order_id": "1"}))), malformed);
        assert_eq!(told("payment_intent.succeeded", json!({"metadata": {"order_id": ORDER}})), malformed);
        assert_eq!(told("payment_intent.succeeded", json!([])), malformed);
        assert_eq!(read(b"{"), malformed);
    }
}
