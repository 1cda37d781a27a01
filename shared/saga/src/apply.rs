use domain::{Dispute, Order, ProviderId, RefundByHand, Timestamp, TransitionEffects, VoidReason};
use table::{Cause, OrderTransitionError, StoreError, error_chain};

use crate::{Saga, SagaError};

/// Rounds of read and write before an order that others keep changing is left to them.
const ROUNDS: usize = 6;

/// A provider's result about an order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PaymentUpdate<'a> {
    Paid {
        reference: &'a str,
    },
    Declined,
    OutcomeUnknown,
    /// The customer is asked to authenticate the payment, and the stock is held until then.
    ActionRequired {
        hold_ends: Timestamp,
        /// How many authentications had failed before: another attempt may have followed meanwhile.
        failed: u32,
    },
    ChallengeFailed {
        /// Which authentication it was, counted from one.
        asked: u32,
    },
    Void(VoidReason),
    RefundPaid(u32),
    RefundRefused(u32),
    RefundRecorded(&'a RefundByHand),
    ByHandFailed(&'a ProviderId),
    Disputed(&'a Dispute),
    DisputeClosed(&'a Dispute),
    /// Not from the provider: what remains owed of a cancelled order after its answers.
    Rest,
}

impl PaymentUpdate<'_> {
    fn decide(self, order: &Order, at: Timestamp) -> Option<TransitionEffects> {
        match self {
            PaymentUpdate::Paid { reference } => order.paid(reference, at),
            PaymentUpdate::Declined => order.declined(at),
            PaymentUpdate::OutcomeUnknown => order.outcome_unknown(at),
            PaymentUpdate::ActionRequired { hold_ends, failed } => {
                order.action_required(hold_ends, at).filter(|_| order.failed_challenges() == failed)
            }
            PaymentUpdate::ChallengeFailed { asked } => {
                order.challenge_failed(at).filter(|_| order.challenges() == asked)
            }
            PaymentUpdate::Void(why) => order.void(why, at),
            PaymentUpdate::RefundPaid(number) => order.refund_paid(number, at),
            PaymentUpdate::RefundRefused(number) => order.refund_refused(number, at),
            PaymentUpdate::RefundRecorded(made) => order.refund_recorded(made, at),
            PaymentUpdate::ByHandFailed(id) => order.refund_by_hand_failed(id, at),
            PaymentUpdate::Disputed(reported) => order.disputed(reported, at),
            PaymentUpdate::DisputeClosed(reported) => order.dispute_closed(reported, at),
            PaymentUpdate::Rest => order.refund_remainder(at),
        }
    }
}

/// The outcome of applying a result to an order.
pub(crate) enum Applied {
    /// The order took it, and is written.
    Changed(Order),
    /// It was not new.
    Unchanged(Order),
    /// The event that carried it was handled before.
    Duplicate,
}

impl Saga {
    /// Applies an answer to an order.
    pub(crate) async fn apply(
        &self,
        order: Order,
        update: PaymentUpdate<'_>,
        now: Timestamp,
    ) -> Result<Order, SagaError> {
        match self.apply_because(order, update, Cause::Answer, now).await? {
            Applied::Changed(order) | Applied::Unchanged(order) => Ok(order),
            Applied::Duplicate => Err(SagaError::Contended),
        }
    }

    /// Applies a result to an order, and projects it. One that is not new changes nothing, but the order is projected
    /// all the same, because an earlier run may have failed before that.
    pub(crate) async fn apply_because(
        &self,
        mut order: Order,
        update: PaymentUpdate<'_>,
        cause: Cause<'_>,
        now: Timestamp,
    ) -> Result<Applied, SagaError> {
        let mut last = SagaError::Contended;
        for _ in 0..ROUNDS {
            let Some(moved) = update.decide(&order, now) else {
                self.list(&order).await;
                return Ok(Applied::Unchanged(order));
            };
            match self.table.order_transition(&moved, cause, now).await {
                Ok(()) => {
                    self.project(&moved.order).await;
                    return Ok(Applied::Changed(moved.order));
                }
                Err(OrderTransitionError::EventSeen) => return Ok(Applied::Duplicate),
                Err(OrderTransitionError::Changed | OrderTransitionError::Repeated(_)) => {}
                // The write may or may not have happened: reading the order shows it.
                Err(OrderTransitionError::Store(error @ (StoreError::OutcomeUnknown(_) | StoreError::Busy(_)))) => {
                    last = error.into();
                }
                Err(OrderTransitionError::Store(error)) => return Err(error.into()),
            }
            order = self.table.order_get_for_shop(order.id).await?.ok_or(SagaError::Gone)?;
        }
        Err(last)
    }

    /// Projecting right away lets a caller read its own write. The stream repairs what is missing, so a failure is only
    /// logged.
    pub async fn project(&self, order: &Order) {
        if order.lines_are_projected() {
            return self.list(order).await;
        }
        if let Err(error) = self.table.order_project(order).await {
            tracing::warn!(order = %order.id, error = error_chain(&error), "projecting failed; the stream repairs it");
        }
    }

    async fn list(&self, order: &Order) {
        if let Err(error) = self.table.order_list_entry_put(order).await {
            tracing::warn!(order = %order.id, error = error_chain(&error), "projecting failed; the stream repairs it");
        }
    }
}
