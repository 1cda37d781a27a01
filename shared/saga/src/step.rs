use std::time::Duration;

use domain::{NotPaid, Order, OrderState, Timestamp};
use payments::{Answer, AnswerLost, Charge, ChargeOutcome, CloseOutcome, PaymentToken, RefundCharge, RefundOutcome};
use tokio::time::Instant;

use crate::{Saga, SagaError, learn::News};

/// Below this nothing outside is begun: there must be time to write down what came of it.
const LEAST: Duration = Duration::from_secs(3);

/// The longest a provider is waited for.
const MOST: Duration = Duration::from_secs(10);

/// How long a caller can wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience(Option<Instant>);

impl Patience {
    /// Until an invocation is cut off. What the caller does before it asks is time gone.
    pub fn until(deadline: Timestamp, now: Timestamp) -> Self {
        let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        Self(Some(Instant::now() + left))
    }

    /// Nobody cuts this caller off.
    pub const UNLIMITED: Patience = Patience(None);

    /// How long the provider may take, leaving time to write its answer down.
    ///
    /// # Errors
    /// Less than 3 s are left.
    pub fn for_provider(self) -> Result<Duration, SagaError> {
        match self.0.map(|end| end.saturating_duration_since(Instant::now())) {
            None => Ok(MOST),
            Some(left) if left < LEAST => Err(SagaError::NoTime),
            Some(left) => Ok(MOST.min(left - Duration::from_secs(2))),
        }
    }
}

impl Saga {
    /// Takes the order's total, and moves the order to where the answer puts it. An order that has an outcome keeps it.
    ///
    /// A refusal is followed by a second question, which closes the payment: nothing goes back before that.
    ///
    /// # Errors
    /// [`SagaError::NoTime`] and [`SagaError::NoPayment`] before the provider was asked; afterwards where the table cannot be
    /// used, or others keep moving the order.
    pub async fn charge(
        &self,
        order: Order,
        token: Option<PaymentToken>,
        patience: Patience,
        now: Timestamp,
    ) -> Result<Order, SagaError> {
        if !order.state.is_unsettled() {
            return Ok(order);
        }
        if order.totals.total.amount_minor() == 0 {
            return self.learn(order, News::Paid { reference: "free" }, now).await;
        }
        let token = token.ok_or(SagaError::NoPayment)?;
        let charge = Charge { order: order.id, amount: order.totals.total, token };
        let outcome = within(patience, || self.payments.charge(&charge)).await?;
        match &outcome {
            Ok(ChargeOutcome::Captured { reference }) => self.learn(order, News::Paid { reference }, now).await,
            // This attempt was refused; one before it, whose answer was lost, may still be on its way.
            Ok(ChargeOutcome::Declined) => self.give_up(order, News::Declined, patience, now).await,
            Ok(ChargeOutcome::NotChargeable) => {
                tracing::error!(order = %order.id, amount = %order.totals.total, "the payment provider does not take an amount");
                self.give_up(order, News::NotPaid(NotPaid::NotChargeable), patience, now).await
            }
            Err(AnswerLost) => self.learn(order, News::AnswerLost, now).await,
        }
    }

    /// Asks what became of an order's payment and gives the order up where nothing was taken. If the provider does not
    /// answer the hold stays, and the order is one whose payment is unknown.
    ///
    /// # Errors
    /// As [`Saga::charge`].
    pub async fn close(
        &self,
        order: Order,
        why: NotPaid,
        patience: Patience,
        now: Timestamp,
    ) -> Result<Order, SagaError> {
        if !order.state.is_unsettled() {
            return Ok(order);
        }
        if order.totals.total.amount_minor() == 0 {
            return self.learn(order, News::NotPaid(why), now).await;
        }
        self.give_up(order, News::NotPaid(why), patience, now).await
    }

    /// Nothing goes back before the provider has said that nothing was taken, and that nothing will be.
    async fn give_up(
        &self,
        order: Order,
        why: News<'_>,
        patience: Patience,
        now: Timestamp,
    ) -> Result<Order, SagaError> {
        let closed = match within(patience, || self.payments.close(order.id, order.totals.total)).await {
            Ok(closed) => closed,
            // The provider was asked already, by a charge: what it left open is for the sweeper.
            Err(SagaError::NoTime) if matches!(why, News::Declined | News::NotPaid(NotPaid::NotChargeable)) => {
                Err(AnswerLost)
            }
            Err(error) => return Err(error),
        };
        let news = match &closed {
            Ok(CloseOutcome::Captured { reference }) => News::Paid { reference },
            Ok(CloseOutcome::Closed) => why,
            Err(AnswerLost) if order.state == OrderState::PaymentUnknown => return Ok(order),
            Err(AnswerLost) => News::AnswerLost,
        };
        self.learn(order, news, now).await
    }

    /// Pays what is owed. A refund that the provider does not answer about stays owed, and keeps none behind it waiting.
    /// Where one is refused because money was given back by hand meanwhile, a cancelled order pays what is left.
    ///
    /// # Errors
    /// As [`Saga::charge`].
    pub async fn refund(&self, mut order: Order, patience: Patience, now: Timestamp) -> Result<Order, SagaError> {
        loop {
            order = self.pay_owed(order, patience, now).await?;
            // It ends: what is left is asked for once, and anew only after another refund by hand.
            if !order.owes_rest() {
                return Ok(order);
            }
            order = self.learn(order, News::Rest, now).await?;
        }
    }

    async fn pay_owed(&self, mut order: Order, patience: Patience, now: Timestamp) -> Result<Order, SagaError> {
        let reference = order.payment.reference.clone().unwrap_or_default();
        let owed: Vec<_> = order.refunds_owed().map(|r| (r.number, r.amount)).collect();
        for (number, amount) in owed {
            let refund = RefundCharge { order: order.id, number, reference: reference.clone(), amount };
            let news = match within(patience, || self.payments.refund(&refund)).await? {
                Ok(RefundOutcome::Paid) => News::RefundPaid(number),
                Ok(RefundOutcome::Refused) => {
                    // It may be too much only because of what was given back by hand: that has to be known first.
                    let made = within(patience, || self.payments.refunds_by_hand(&reference)).await?;
                    let Ok(made) = made else { continue };
                    order = self.learn_by_hand(order, &made, now).await?;
                    tracing::error!(order = %order.id, refund = number, "the payment provider refused a refund");
                    News::RefundRefused(number)
                }
                Err(AnswerLost) => continue,
            };
            order = self.learn(order, news, now).await?;
        }
        Ok(order)
    }
}

/// An answer that takes longer than the caller can wait is lost.
pub(crate) async fn within<'a, T>(
    patience: Patience,
    ask: impl FnOnce() -> Answer<'a, T>,
) -> Result<Result<T, AnswerLost>, SagaError> {
    let limit = patience.for_provider()?;
    Ok(tokio::time::timeout(limit, ask()).await.unwrap_or(Err(AnswerLost)))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_outside_is_begun_with_less_than_three_seconds_left() {
        let now = Timestamp::UNIX_EPOCH;
        for ms in (0..15_000).step_by(250) {
            let limit = Patience::until(now + SignedDuration::from_millis(ms), now).for_provider();

            match limit {
                Err(_) => assert!(ms < 3_000, "{ms} ms"),
                // What is left after waiting is enough to write the answer down.
                Ok(limit) => {
                    assert!(ms >= 3_000 && limit.as_millis() + 2_000 <= u128::try_from(ms).unwrap(), "{ms} ms")
                }
            }
        }
        assert_eq!(Patience::UNLIMITED.for_provider().unwrap(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_goes_before_the_provider_is_asked_counts() {
        let now = Timestamp::UNIX_EPOCH;
        let patience = Patience::until(now + SignedDuration::from_secs(10), now);

        tokio::time::advance(Duration::from_secs(6)).await;
        let four_left = patience.for_provider();
        tokio::time::advance(Duration::from_millis(1_001)).await;

        assert_eq!(four_left.unwrap(), Duration::from_secs(2));
        assert!(patience.for_provider().is_err());
    }
}
