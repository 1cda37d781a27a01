use domain::{Dispute, Moved, NotPaid, Order, ProviderId, RefundByHand, Timestamp};
use table::{Cause, OrderTransitionError, StoreError, error_chain};

use crate::{Saga, SagaError};

/// Rounds of read and write before an order that others keep moving is left to them.
const ROUNDS: usize = 6;

/// Something a provider said about an order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    Paid {
        reference: &'a str,
    },
    Declined,
    AnswerLost,
    NotPaid(NotPaid),
    RefundPaid(u32),
    RefundRefused(u32),
    RefundRecorded(&'a RefundByHand),
    ByHandFailed(&'a ProviderId),
    Disputed(&'a Dispute),
    DisputeClosed(&'a Dispute),
    /// No news of the provider: what its answers leave owed of a cancelled order.
    Rest,
}

impl News<'_> {
    fn move_on(self, order: &Order, at: Timestamp) -> Option<Moved> {
        match self {
            News::Paid { reference } => order.paid(reference, at),
            News::Declined => order.declined(at),
            News::AnswerLost => order.answer_lost(at),
            News::NotPaid(why) => order.not_paid(why, at),
            News::RefundPaid(number) => order.refund_paid(number, at),
            News::RefundRefused(number) => order.refund_refused(number, at),
            News::RefundRecorded(made) => order.refund_recorded(made, at),
            News::ByHandFailed(id) => order.refund_by_hand_failed(id, at),
            News::Disputed(reported) => order.disputed(reported, at),
            News::DisputeClosed(reported) => order.dispute_closed(reported, at),
            News::Rest => order.refund_rest(at),
        }
    }
}

/// What became of an order that news was about.
pub(crate) enum Learned {
    Moved(Order),
    /// It said nothing new.
    Known(Order),
    /// The event that carried it was heard before.
    Seen,
}

impl Saga {
    /// Moves an order to where an answer puts it.
    pub(crate) async fn learn(&self, order: Order, news: News<'_>, now: Timestamp) -> Result<Order, SagaError> {
        match self.learn_because(order, news, Cause::Answer, now).await? {
            Learned::Moved(order) | Learned::Known(order) => Ok(order),
            Learned::Seen => Err(SagaError::Contended),
        }
    }

    /// Moves an order to where news puts it, and projects it. News that is not new changes nothing, but whoever moved the
    /// order may have died before projecting it.
    pub(crate) async fn learn_because(
        &self,
        mut order: Order,
        news: News<'_>,
        cause: Cause<'_>,
        now: Timestamp,
    ) -> Result<Learned, SagaError> {
        let mut last = SagaError::Contended;
        for _ in 0..ROUNDS {
            let Some(moved) = news.move_on(&order, now) else {
                self.list(&order).await;
                return Ok(Learned::Known(order));
            };
            match self.table.order_transition(&moved, cause, now).await {
                Ok(()) => {
                    self.project(&moved.order).await;
                    return Ok(Learned::Moved(moved.order));
                }
                Err(OrderTransitionError::EventSeen) => return Ok(Learned::Seen),
                Err(OrderTransitionError::Changed | OrderTransitionError::Repeated(_)) => {}
                // Written or not: the order itself tells.
                Err(OrderTransitionError::Store(error @ (StoreError::AnswerLost(_) | StoreError::Busy(_)))) => {
                    last = error.into();
                }
                Err(OrderTransitionError::Store(error)) => return Err(error.into()),
            }
            order = self.table.order_get_for_shop(order.id).await?.ok_or(SagaError::Gone)?;
        }
        Err(last)
    }

    /// Reading one's own write is a courtesy: the stream repairs what is missing, so a failure is not the order's.
    pub async fn project(&self, order: &Order) {
        // Lines never change: the first settlement projects them.
        if order.version > 3 {
            return self.list(order).await;
        }
        if let Err(error) = self.table.order_project(order).await {
            tracing::warn!(order = %order.id, error = error_chain(&error), "projection left to the stream");
        }
    }

    async fn list(&self, order: &Order) {
        if let Err(error) = self.table.order_list_entry_put(order).await {
            tracing::warn!(order = %order.id, error = error_chain(&error), "projection left to the stream");
        }
    }
}
