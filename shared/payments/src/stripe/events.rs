//! Stripe's webhook events: <https://docs.stripe.com/api/events/types>. Only the members that are used are typed;
//! others come and go with the webhook's API version.

use domain::{Dispute, DisputeState, OrderId, RefundByHand};
use serde::Deserialize;
use serde_json::Value;

use super::{RefundStatus, amount::from_stripe};
use crate::{EventRefused, EventSubject, PaymentEvent, PaymentEventKind};

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
    /// What was charged; localstripe omits it.
    amount_received: Option<i64>,
    currency: String,
    #[serde(default, deserialize_with = "nullable")]
    metadata: Metadata,
}

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Deserialize)]
struct Refund {
    #[serde(default)]
    id: String,
    amount: i64,
    currency: String,
    status: RefundStatus,
    #[serde(default)]
    payment_intent: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    metadata: Metadata,
}

/// <https://docs.stripe.com/api/charges/object>. Its list of refunds is omitted since API version 2022-11-15:
/// <https://docs.stripe.com/upgrades#2022-11-15>.
#[derive(Deserialize)]
struct Charge {
    #[serde(default)]
    payment_intent: Option<String>,
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Deserialize)]
struct Disputed {
    id: String,
    amount: i64,
    currency: String,
    status: DisputeStatus,
    #[serde(default, deserialize_with = "nullable")]
    reason: String,
    #[serde(default)]
    payment_intent: Option<String>,
}

/// <https://docs.stripe.com/api/disputes/object#dispute_object-status>
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum DisputeStatus {
    Won,
    Lost,
    /// An inquiry that did not become a dispute.
    WarningClosed,
    /// It was settled before the bank took the money.
    Prevented,
    /// The payment was refunded, of old API versions.
    ChargeRefunded,
    /// Waiting for evidence of the shop, or for the bank.
    #[serde(other)]
    Undecided,
}

/// What this shop wrote on its objects. The account may have objects of others.
#[derive(Debug, Deserialize, Default)]
pub struct Metadata {
    pub order_id: Option<String>,
    pub refund: Option<String>,
}

impl Metadata {
    /// Whether it is on a refund that this shop requested. One made in Stripe's dashboard has no number of ours.
    pub fn names_a_refund(&self) -> bool {
        self.order_id.is_some() && self.refund.is_some()
    }
}

/// Reads an event whose signature was verified. `None` has nothing to do with this shop's orders, or no result yet.
///
/// # Errors
/// It is of a kind that concerns orders, and is malformed.
pub fn read(body: &[u8]) -> Result<Option<PaymentEvent>, EventRefused> {
    let event: Event = serde_json::from_slice(body).map_err(|_| EventRefused::Malformed)?;
    let subject = match event.r#type.as_str() {
        "payment_intent.succeeded" => captured(event.data.object)?,
        "payment_intent.payment_failed" => declined(event.data.object)?,
        // Stripe reports refunds in events of several names; the result is in the refund's status.
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => refunded(event.data.object)?,
        "charge.refunded" => charge_refunded(event.data.object)?,
        // As with refunds, the status decides and not the name of the event: events may come in any order.
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.closed"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => disputed(event.data.object)?,
        _ => None,
    };
    let Some((subject, kind)) = subject else { return Ok(None) };
    let id = event.id.parse().map_err(|_| EventRefused::Malformed)?;
    Ok(Some(PaymentEvent { id, subject, kind }))
}

type Parsed = Option<(EventSubject, PaymentEventKind)>;

fn captured(object: Value) -> Result<Parsed, EventRefused> {
    let intent: Intent = parse(object)?;
    let Some(order) = order(&intent.metadata) else { return Ok(None) };
    let taken = intent.amount_received.unwrap_or(intent.amount);
    let amount = from_stripe(taken, &intent.currency).ok_or(EventRefused::Malformed)?;
    Ok(Some((EventSubject::Order(order), PaymentEventKind::Captured { reference: intent.id, amount })))
}

fn declined(object: Value) -> Result<Parsed, EventRefused> {
    let intent: Intent = parse(object)?;
    Ok(order(&intent.metadata).map(|order| (EventSubject::Order(order), PaymentEventKind::Declined)))
}

fn refunded(object: Value) -> Result<Parsed, EventRefused> {
    let refund: Refund = parse(object)?;
    if !refund.metadata.names_a_refund() {
        return refunded_by_hand(refund);
    }
    let (Some(order), Some(number)) = (order(&refund.metadata), &refund.metadata.refund) else { return Ok(None) };
    let number = number.parse().map_err(|_| EventRefused::Malformed)?;
    let kind = match refund.status {
        RefundStatus::Succeeded => {
            let amount = from_stripe(refund.amount, &refund.currency).ok_or(EventRefused::Malformed)?;
            PaymentEventKind::RefundPaid { number, amount }
        }
        RefundStatus::Failed | RefundStatus::Canceled => PaymentEventKind::RefundRefused { number },
        RefundStatus::Pending | RefundStatus::Undecided => return Ok(None),
    };
    Ok(Some((EventSubject::Order(order), kind)))
}

/// A pending one counts as well: Stripe subtracts it from what is left of the payment, and sends an event if it fails.
fn refunded_by_hand(refund: Refund) -> Result<Parsed, EventRefused> {
    let Some(subject) = payment(refund.payment_intent)? else { return Ok(None) };
    let amount = from_stripe(refund.amount, &refund.currency).ok_or(EventRefused::Malformed)?;
    let failed = matches!(refund.status, RefundStatus::Failed | RefundStatus::Canceled);
    let id = refund.id.parse().map_err(|_| EventRefused::Malformed)?;
    Ok(Some((subject, PaymentEventKind::RefundedByHand(RefundByHand { id, amount, failed }))))
}

fn charge_refunded(object: Value) -> Result<Parsed, EventRefused> {
    let charge: Charge = parse(object)?;
    Ok(payment(charge.payment_intent)?.map(|subject| (subject, PaymentEventKind::Refunded)))
}

fn disputed(object: Value) -> Result<Parsed, EventRefused> {
    let disputed: Disputed = parse(object)?;
    let Some(subject) = payment(disputed.payment_intent)? else { return Ok(None) };
    let amount = from_stripe(disputed.amount, &disputed.currency).ok_or(EventRefused::Malformed)?;
    let state = match disputed.status {
        DisputeStatus::Won
        | DisputeStatus::WarningClosed
        | DisputeStatus::Prevented
        | DisputeStatus::ChargeRefunded => DisputeState::Won,
        DisputeStatus::Lost => DisputeState::Lost,
        DisputeStatus::Undecided => DisputeState::Open,
    };
    let id = disputed.id.parse().map_err(|_| EventRefused::Malformed)?;
    let is_word = |b: u8| b.is_ascii_lowercase() || b == b'_';
    let reason = Some(disputed.reason).filter(|r| (1..=64).contains(&r.len()) && r.bytes().all(is_word));
    Ok(Some((subject, PaymentEventKind::Disputed(Dispute { id, amount, reason, state }))))
}

/// What is made by hand has the id of the payment, and nothing of ours. Without an intent it is not a payment of ours.
fn payment(intent: Option<String>) -> Result<Option<EventSubject>, EventRefused> {
    let Some(intent) = intent else { return Ok(None) };
    // It becomes part of a path.
    let is_id = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let whole = (1..=64).contains(&intent.len()) && intent.bytes().all(is_id);
    whole.then_some(Some(EventSubject::Payment(intent))).ok_or(EventRefused::Malformed)
}

fn parse<T: serde::de::DeserializeOwned>(object: Value) -> Result<T, EventRefused> {
    T::deserialize(object).map_err(|_| EventRefused::Malformed)
}

/// Stripe's own types allow `null` for some members: it counts as absent.
pub(super) fn nullable<'de, D, T>(member: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(member)?.unwrap_or_default())
}

/// Another shop of the account may write ids of its own under the same name: those are not ours.
fn order(metadata: &Metadata) -> Option<OrderId> {
    metadata.order_id.as_deref().and_then(|id| id.parse().ok())
}

#[cfg(test)]
mod tests {
    use domain::{Currency, Money};
    use serde_json::json;

    use super::*;

    const ORDER: &str = "018cc251-f400-7000-8000-000000000000";

    fn parsed(kind: &str, object: Value) -> Result<Option<PaymentEvent>, EventRefused> {
        let event =
            json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}, "livemode": false});
        read(event.to_string().as_bytes())
    }

    fn usd(cents: i64) -> Money {
        Money::amount(cents, Currency::USD)
    }

    fn kind(parsed: Result<Option<PaymentEvent>, EventRefused>) -> Option<PaymentEventKind> {
        let event = parsed.unwrap()?;
        assert_eq!((event.id.as_str(), event.subject), ("evt_1", EventSubject::Order(ORDER.parse().unwrap())));
        Some(event.kind)
    }

    /// Of an event about the payment `pi_1`.
    fn by_hand(parsed: Result<Option<PaymentEvent>, EventRefused>) -> Option<PaymentEventKind> {
        let event = parsed.unwrap()?;
        assert_eq!(event.subject, EventSubject::Payment("pi_1".to_owned()));
        Some(event.kind)
    }

    fn paid_intent(metadata: Value) -> Value {
        json!({"id": "pi_1", "amount": 899, "amount_received": 898, "currency": "usd", "metadata": metadata})
    }

    #[test]
    fn events_of_payments_are_read() {
        let amount = |cents| PaymentEventKind::Captured { reference: "pi_1".to_owned(), amount: usd(cents) };
        let intent = paid_intent(json!({"order_id": ORDER}));
        let mut of_localstripe = intent.clone();
        of_localstripe.as_object_mut().unwrap().remove("amount_received");

        assert_eq!(kind(parsed("payment_intent.succeeded", intent.clone())), Some(amount(898)));
        assert_eq!(kind(parsed("payment_intent.succeeded", of_localstripe)), Some(amount(899)));
        assert_eq!(kind(parsed("payment_intent.payment_failed", intent)), Some(PaymentEventKind::Declined));
    }

    #[test]
    fn events_of_refunds_are_read_by_their_status() {
        let refund = |name, status| {
            let metadata = json!({"order_id": ORDER, "refund": "2"});
            kind(parsed(name, json!({"amount": 500, "currency": "usd", "status": status, "metadata": metadata})))
        };
        let paid = PaymentEventKind::RefundPaid { number: 2, amount: usd(500) };

        assert_eq!(refund("refund.updated", "succeeded"), Some(paid.clone()));
        assert_eq!(refund("charge.refund.updated", "succeeded"), Some(paid));
        assert_eq!(refund("refund.failed", "failed"), Some(PaymentEventKind::RefundRefused { number: 2 }));
        assert_eq!(refund("refund.updated", "canceled"), Some(PaymentEventKind::RefundRefused { number: 2 }));
        assert_eq!(refund("refund.updated", "pending"), None);
    }

    #[test]
    fn a_refund_made_by_hand_is_about_its_payment() {
        let refund = |status| {
            json!({"id": "re_1", "amount": 500, "currency": "usd", "status": status, "payment_intent": "pi_1",
                "metadata": {}})
        };
        let made = |failed| {
            PaymentEventKind::RefundedByHand(RefundByHand { id: "re_1".parse().unwrap(), amount: usd(500), failed })
        };

        for (kind, status, failed) in [
            ("refund.created", "succeeded", false),
            ("refund.created", "pending", false),
            ("refund.updated", "succeeded", false),
            ("charge.refund.updated", "canceled", true),
            ("refund.failed", "failed", true),
        ] {
            assert_eq!(by_hand(parsed(kind, refund(status))), Some(made(failed)), "{kind} {status}");
        }
        let charge = json!({"id": "ch_1", "amount_refunded": 500, "payment_intent": "pi_1", "metadata": {}});
        assert_eq!(by_hand(parsed("charge.refunded", charge)), Some(PaymentEventKind::Refunded));
    }

    #[test]
    fn a_dispute_is_about_its_payment_and_as_its_status_says() {
        for (kind, status, state) in [
            ("charge.dispute.created", "needs_response", DisputeState::Open),
            ("charge.dispute.created", "warning_needs_response", DisputeState::Open),
            ("charge.dispute.updated", "under_review", DisputeState::Open),
            ("charge.dispute.funds_withdrawn", "needs_response", DisputeState::Open),
            ("charge.dispute.closed", "warning_closed", DisputeState::Won),
            ("charge.dispute.closed", "won", DisputeState::Won),
            ("charge.dispute.funds_reinstated", "won", DisputeState::Won),
            ("charge.dispute.closed", "lost", DisputeState::Lost),
        ] {
            let dispute = json!({"id": "dp_1", "amount": 899, "currency": "usd", "charge": "ch_1",
                "payment_intent": "pi_1", "reason": "fraudulent", "status": status});
            let reason = Some("fraudulent".to_owned());
            let expected = Dispute { id: "dp_1".parse().unwrap(), amount: usd(899), reason, state };

            assert_eq!(by_hand(parsed(kind, dispute)), Some(PaymentEventKind::Disputed(expected)), "{kind} {status}");
        }
    }

    #[test]
    fn events_of_other_shops_are_ignored() {
        let without_intent =
            json!({"id": "re_1", "amount": 5, "currency": "usd", "status": "succeeded", "metadata": {}});
        let charge = json!({"id": "ch_1", "payment_intent": null});

        assert_eq!(parsed("customer.created", json!({"metadata": {"order_id": ORDER}})), Ok(None));
        for metadata in [json!({}), json!(null), json!({"order_id": "1001"}), json!({"order_id": ""})] {
            for kind in ["payment_intent.succeeded", "payment_intent.payment_failed"] {
                assert_eq!(parsed(kind, paid_intent(metadata.clone())), Ok(None), "{kind} {metadata}");
            }
        }
        assert_eq!(parsed("refund.updated", without_intent), Ok(None));
        assert_eq!(parsed("charge.refunded", charge), Ok(None));
    }

    #[test]
    fn an_intent_that_asks_the_customer_or_was_cancelled_is_no_result() {
        for kind in ["payment_intent.requires_action", "payment_intent.canceled", "payment_intent.created"] {
            assert_eq!(parsed(kind, paid_intent(json!({"order_id": ORDER}))), Ok(None), "{kind}");
        }
    }

    #[test]
    fn a_malformed_event_is_refused() {
        let malformed = Err(EventRefused::Malformed);

        assert_eq!(parsed("payment_intent.succeeded", json!({"metadata": {"order_id": ORDER}})), malformed);
        assert_eq!(parsed("payment_intent.succeeded", json!([])), malformed);
        assert_eq!(parsed("charge.refunded", json!({"payment_intent": "../refunds"})), malformed);
        assert_eq!(parsed("charge.dispute.created", json!({"id": "dp_1", "payment_intent": "pi_1"})), malformed);
        assert_eq!(read(b"{"), malformed);
    }
}
