use domain::{Order, OrderState, Timestamp};
use payments::{PaymentEvent, PaymentNews};
use table::Cause;

use crate::{
    Saga, SagaError,
    learn::{Learned, News},
};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was recorded, and the order moved if that was news.
    Applied,
    /// The same event was heard before.
    Seen,
    /// It is about an order this shop does not have.
    Unknown,
    /// It contradicts the order: another amount or currency, a second payment, or a refund nobody asked for. Nothing
    /// changed.
    Contradicts,
}

impl Saga {
    /// Hears an event that the provider sent and signed: each once, and only where it agrees with the order.
    ///
    /// # Errors
    /// The table could not be used; the provider will send the event again.
    pub async fn hear(&self, event: &PaymentEvent, now: Timestamp) -> Result<Heard, SagaError> {
        let Some(order) = self.table.order_get_for_shop(event.order).await? else { return Ok(Heard::Unknown) };
        if !agrees(&order, &event.news) {
            tracing::error!(order = %order.id, event = %event.id, "an event contradicts its order");
            return Ok(Heard::Contradicts);
        }
        let news = match &event.news {
            PaymentNews::Captured { reference, .. } => News::Paid { reference },
            // One attempt was refused, and another may be on its way. Where nobody may be waiting any more it is a reason
            // for the sweeper to ask.
            PaymentNews::Declined => {
                if order.state == OrderState::PaymentUnknown {
                    self.table.order_postpone(&order, now).await?;
                }
                return self.record(event, now).await;
            }
            PaymentNews::RefundPaid { number, .. } => News::RefundPaid(*number),
            PaymentNews::RefundRefused { number } => {
                tracing::error!(order = %order.id, refund = number, "the payment provider refused a refund");
                News::RefundRefused(*number)
            }
        };
        match self.learn_because(order, news, Cause::Event(&event.id), now).await? {
            Learned::Moved(_) => Ok(Heard::Applied),
            Learned::Known(_) => self.record(event, now).await,
            Learned::Seen => Ok(Heard::Seen),
        }
    }

    async fn record(&self, event: &PaymentEvent, now: Timestamp) -> Result<Heard, SagaError> {
        match self.table.payment_event_put(event.order, &event.id, now).await? {
            true => Ok(Heard::Applied),
            false => Ok(Heard::Seen),
        }
    }
}

fn agrees(order: &Order, news: &PaymentNews) -> bool {
    let refund = |number| order.payment.refunds.iter().find(|r| r.number == number);
    match news {
        PaymentNews::Captured { amount, reference } => {
            *amount == order.totals.total && order.payment.reference.as_ref().is_none_or(|known| known == reference)
        }
        PaymentNews::Declined => true,
        PaymentNews::RefundPaid { number, amount } => refund(*number).is_some_and(|r| r.amount == *amount),
        PaymentNews::RefundRefused { number } => refund(*number).is_some(),
    }
}
