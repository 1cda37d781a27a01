use domain::{Dispute, DisputeState, Order, OrderId, OrderState, PaymentState, RefundByHand, Timestamp};
use payments::{EventSubject, PaymentEvent, PaymentEventKind};
use table::Cause;

use crate::{
    Saga, SagaError, TimeBudget,
    apply::{Applied, PaymentUpdate},
    step::within,
};

/// The outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// It was recorded, and changed the order if it was new.
    Applied,
    /// The same event was handled before.
    Duplicate,
    /// It is about an order that this shop does not have, or a payment of another shop.
    Unknown,
    /// It contradicts the order: another amount or currency, a second payment, or a refund that was not requested.
    /// Nothing changed.
    Contradicts,
    /// It is about a payment that the order does not have yet: the provider has to send it again later.
    TooEarly,
}

impl Saga {
    /// Handles an event that the provider sent and signed: each once, and only if it agrees with the order.
    ///
    /// # Errors
    /// The table could not be used, or the provider does not answer which order the payment belongs to; it will send
    /// the event again.
    pub async fn handle_event(
        &self,
        event: &PaymentEvent,
        budget: TimeBudget,
        now: Timestamp,
    ) -> Result<EventOutcome, SagaError> {
        let Some(id) = self.whose(&event.subject, budget).await? else { return Ok(EventOutcome::Unknown) };
        let Some(order) = self.table.order_get_for_shop(id).await? else { return Ok(EventOutcome::Unknown) };
        if !agrees(&order, event) {
            tracing::error!(order = %order.id, event = %event.id, "an event contradicts its order");
            return Ok(EventOutcome::Contradicts);
        }
        let by_hand = matches!(
            &event.kind,
            PaymentEventKind::RefundedByHand(_) | PaymentEventKind::Refunded | PaymentEventKind::Disputed(_)
        );
        if by_hand && order.payment.state != PaymentState::Captured {
            tracing::warn!(order = %order.id, event = %event.id, "an event is about a payment that is not known to be captured");
            return Ok(EventOutcome::TooEarly);
        }
        let order_id = order.id;
        let update = match &event.kind {
            PaymentEventKind::Captured { reference, .. } => PaymentUpdate::Paid { reference },
            // One attempt was declined, and another may be in flight. If no request waits for it any more, the sweeper
            // has to ask.
            PaymentEventKind::Declined => {
                // After a failed authentication. The event may be late, and another attempt open: the provider's current
                // state counts.
                if order.payment.state == PaymentState::ActionRequired {
                    self.refresh(order, budget, now).await?;
                    return self.record(order_id, event, now).await;
                }
                if order.state == OrderState::PaymentUnknown {
                    self.table.order_postpone(&order, now).await?;
                }
                return self.record(order_id, event, now).await;
            }
            PaymentEventKind::RefundPaid { number, .. } => PaymentUpdate::RefundPaid(*number),
            PaymentEventKind::RefundRefused { number } => {
                tracing::error!(order = %order.id, refund = number, "the payment provider refused a refund");
                PaymentUpdate::RefundRefused(*number)
            }
            PaymentEventKind::RefundedByHand(made) => return self.handle_refund_by_hand(order, event, made, now).await,
            PaymentEventKind::Refunded => {
                let reference = order.payment.reference.clone().unwrap_or_default();
                let made = within(budget, || self.payments.refunds_by_hand(&reference)).await?;
                let made = made.map_err(|_| SagaError::Silent)?;
                self.learn_by_hand(order, &made, now).await?;
                return self.record(order_id, event, now).await;
            }
            PaymentEventKind::Disputed(reported) => return self.handle_dispute(order, event, reported, now).await,
        };
        self.learn_of(order, event, update, now).await
    }

    async fn whose(&self, about: &EventSubject, budget: TimeBudget) -> Result<Option<OrderId>, SagaError> {
        match about {
            EventSubject::Order(id) => Ok(Some(*id)),
            EventSubject::Payment(reference) => {
                let order = within(budget, || self.payments.order_of(reference)).await?;
                order.map_err(|_| SagaError::Silent)
            }
        }
    }

    /// Events may come in any order: a refund whose failure is reported first is recorded and then marked as failed.
    async fn handle_refund_by_hand(
        &self,
        order: Order,
        event: &PaymentEvent,
        made: &RefundByHand,
        now: Timestamp,
    ) -> Result<EventOutcome, SagaError> {
        if !made.failed {
            return self.learn_of(order, event, PaymentUpdate::RefundRecorded(made), now).await;
        }
        let order = self.apply(order, PaymentUpdate::RefundRecorded(made), now).await?;
        tracing::error!(order = %order.id, refund = %made.id, "a refund made by hand has failed");
        self.learn_of(order, event, PaymentUpdate::ByHandFailed(&made.id), now).await
    }

    /// In the order that the provider lists them.
    pub(crate) async fn learn_by_hand(
        &self,
        mut order: Order,
        made: &[RefundByHand],
        now: Timestamp,
    ) -> Result<Order, SagaError> {
        for made in made {
            order = self.apply(order, PaymentUpdate::RefundRecorded(made), now).await?;
            if made.failed {
                order = self.apply(order, PaymentUpdate::ByHandFailed(&made.id), now).await?;
            }
        }
        Ok(order)
    }

    /// As with refunds, the event of the end of a dispute may come before that of its beginning.
    async fn handle_dispute(
        &self,
        order: Order,
        event: &PaymentEvent,
        reported: &Dispute,
        now: Timestamp,
    ) -> Result<EventOutcome, SagaError> {
        let (state, known) = (reported.state.as_str(), order.dispute(&reported.id).map(|d| d.state));
        // A late event repeats what was logged.
        if known.is_none_or(|known| known != reported.state && reported.state != DisputeState::Open) {
            let reason = reported.reason.as_deref().unwrap_or_default();
            tracing::error!(order = %order.id, dispute = %reported.id, amount = %reported.amount, state, reason, "a payment is disputed");
        }
        if reported.state == DisputeState::Open {
            return self.learn_of(order, event, PaymentUpdate::Disputed(reported), now).await;
        }
        let order = self.apply(order, PaymentUpdate::Disputed(reported), now).await?;
        self.learn_of(order, event, PaymentUpdate::DisputeClosed(reported), now).await
    }

    /// Changes the order if the event is new to it, and records the event either way.
    async fn learn_of(
        &self,
        order: Order,
        event: &PaymentEvent,
        update: PaymentUpdate<'_>,
        now: Timestamp,
    ) -> Result<EventOutcome, SagaError> {
        let id = order.id;
        match self.apply_because(order, update, Cause::Event(&event.id), now).await? {
            Applied::Changed(_) => Ok(EventOutcome::Applied),
            Applied::Unchanged(_) => self.record(id, event, now).await,
            Applied::Duplicate => Ok(EventOutcome::Duplicate),
        }
    }

    async fn record(&self, order: OrderId, event: &PaymentEvent, now: Timestamp) -> Result<EventOutcome, SagaError> {
        match self.table.payment_event_put(order, &event.id, now).await? {
            true => Ok(EventOutcome::Applied),
            false => Ok(EventOutcome::Duplicate),
        }
    }
}

fn agrees(order: &Order, event: &PaymentEvent) -> bool {
    let refund = |number| order.payment.refunds.iter().find(|r| r.number == number && r.by_hand.is_none());
    let currency = order.totals.total.currency();
    // A customer who pays twice for an order has two payments, and only one of them is the order's.
    let payment = match &event.subject {
        EventSubject::Order(_) => true,
        EventSubject::Payment(reference) => order.payment.reference.as_ref().is_none_or(|known| known == reference),
    };
    payment
        && match &event.kind {
            PaymentEventKind::Captured { amount, reference } => {
                *amount == order.totals.total && order.payment.reference.as_ref().is_none_or(|known| known == reference)
            }
            PaymentEventKind::Declined | PaymentEventKind::Refunded | PaymentEventKind::Disputed(_) => true,
            PaymentEventKind::RefundPaid { number, amount } => refund(*number).is_some_and(|r| r.amount == *amount),
            PaymentEventKind::RefundRefused { number } => refund(*number).is_some(),
            PaymentEventKind::RefundedByHand(made) => {
                made.amount.currency() == currency && made.amount.amount_minor() > 0
            }
        }
}
