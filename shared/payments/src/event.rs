use domain::{Dispute, Money, OrderId, PaymentEventId, RefundByHand};

/// An event that a provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    pub id: PaymentEventId,
    pub subject: EventSubject,
    pub kind: PaymentEventKind,
}

/// The subject of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSubject {
    Order(OrderId),
    /// A payment, by the provider's id. What is made by hand at the provider does not carry the order's id.
    Payment(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEventKind {
    Captured {
        reference: String,
        amount: Money,
    },
    Declined,
    RefundPaid {
        number: u32,
        amount: Money,
    },
    RefundRefused {
        number: u32,
    },
    /// A refund was made in the provider's dashboard, or such a refund failed later.
    RefundedByHand(RefundByHand),
    /// The payment has refunds that the event does not list.
    Refunded,
    Disputed(Dispute),
}

/// Why an event was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventRefused {
    #[error("the event is not signed by the provider")]
    Forged,
    #[error("the event was signed more than 300 seconds ago, or ahead of time")]
    Stale,
    #[error("the event does not read as one of this provider")]
    Malformed,
}
