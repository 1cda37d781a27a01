use domain::{Moved, NotPaid, Order, OrderId, OrderState, Timestamp};
use payments::{PaymentEvent, PaymentNews};
use table::{Cause, OrderTransitionError, StoreError};

use crate::{Patience, Saga, SagaError};

/// Rounds of read and write before an order that others keep moving is left to them.
const ROUNDS: usize = 6;

/// Something a provider said about an order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    Paid { reference: &'a str },
    Declined,
    AnswerLost,
    NotPaid(NotPaid),
    RefundPaid(u32),
    RefundRefused(u32),
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
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was recorded, and the order moved if that was news.
    Applied,
    /// The same event was heard before.
    Seen,
    /// It is about an order this shop does not have.
    Unknown,
    /// It contradicts the order: another amount or currency, or a refund nobody asked for. Nothing changed.
    Contradicts,
}

impl Saga {
    /// Moves an order to where news puts it, and projects it. News that is not new changes nothing, but whoever moved the
    /// order may have died before projecting it.
    pub(crate) async fn learn(&self, order: Order, news: News<'_>, now: Timestamp) -> Result<Order, SagaError> {
        self.learn_because(order, news, Cause::Answer, now).await.map(|(order, _)| order)
    }

    /// Whether it was heard before, too, where the cause is an event.
    async fn learn_because(
        &self,
        mut order: Order,
        news: News<'_>,
        cause: Cause<'_>,
        now: Timestamp,
    ) -> Result<(Order, Heard), SagaError> {
        let mut last = SagaError::Contended;
        for _ in 0..ROUNDS {
            let Some(moved) = news.move_on(&order, now) else {
                let heard = self.record(order.id, cause, now).await?;
                self.project(&order).await;
                return Ok((order, heard));
            };
            match self.table.order_transition(&moved, cause, now).await {
                Ok(()) => {
                    self.project(&moved.order).await;
                    return Ok((moved.order, Heard::Applied));
                }
                Err(OrderTransitionError::EventSeen) => return Ok((order, Heard::Seen)),
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

    async fn record(&self, order: OrderId, cause: Cause<'_>, now: Timestamp) -> Result<Heard, SagaError> {
        let Cause::Event(event) = cause else { return Ok(Heard::Applied) };
        match self.table.payment_event_put(order, event, now).await? {
            true => Ok(Heard::Applied),
            false => Ok(Heard::Seen),
        }
    }

    /// Hears an event that the provider sent and signed: each once, and only where it agrees with the order.
    ///
    /// # Errors
    /// The table could not be used, or too little time is left; the provider will send the event again.
    pub async fn hear(&self, event: &PaymentEvent, patience: Patience, now: Timestamp) -> Result<Heard, SagaError> {
        let Some(order) = self.table.order_get_for_shop(event.order).await? else { return Ok(Heard::Unknown) };
        if !agrees(&order, &event.news) {
            tracing::error!(order = %order.id, event = %event.id, "an event contradicts its order");
            return Ok(Heard::Contradicts);
        }
        let news = match &event.news {
            PaymentNews::Captured { reference, .. } => News::Paid { reference },
            // A refused attempt is not the end of a payment that is still being tried: only where nobody waits for the
            // provider's answer any more is it a reason to ask.
            PaymentNews::Declined => {
                let id = order.id;
                if order.state == OrderState::PaymentUnknown {
                    self.give_up(order, News::Declined, patience, now).await?;
                }
                return self.record(id, Cause::Event(&event.id), now).await;
            }
            PaymentNews::RefundPaid { number, .. } => News::RefundPaid(*number),
            PaymentNews::RefundRefused { number } => {
                tracing::error!(order = %order.id, refund = number, "the payment provider refused a refund");
                News::RefundRefused(*number)
            }
        };
        self.learn_because(order, news, Cause::Event(&event.id), now).await.map(|(_, heard)| heard)
    }

    /// Reading one's own write is a courtesy: the stream repairs what is missing, so a failure is not the order's.
    pub async fn project(&self, order: &Order) {
        // Lines never change: the first settlement projects them.
        let projected = match order.version {
            1..=3 => self.table.order_project(order).await,
            _ => self.table.order_list_entry_put(order).await,
        };
        if let Err(error) = projected {
            tracing::warn!(order = %order.id, %error, "projection left to the stream");
        }
    }
}

fn agrees(order: &Order, news: &PaymentNews) -> bool {
    let refund = |number| order.payment.refunds.iter().find(|r| r.number == number);
    match news {
        PaymentNews::Captured { amount, .. } => *amount == order.totals.total,
        PaymentNews::Declined => true,
        PaymentNews::RefundPaid { number, amount } => refund(*number).is_some_and(|r| r.amount == *amount),
        PaymentNews::RefundRefused { number } => refund(*number).is_some(),
    }
}
