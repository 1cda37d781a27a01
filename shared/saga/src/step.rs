use std::time::Duration;

use domain::{Order, OrderState, Timestamp, VoidReason};
use payments::{
    Answer, Charge, ChargeOutcome, CloseOutcome, OutcomeUnknown, PaymentToken, RefundCharge, RefundOutcome,
};
use tokio::time::Instant;

use crate::{Charged, Saga, SagaError, apply::PaymentUpdate};

/// Minimum time left to start a provider call: there must be time to record the outcome.
const MIN_TIME_LEFT: Duration = Duration::from_secs(3);

/// The longest wait for a provider.
const MAX_PROVIDER_TIME: Duration = Duration::from_secs(10);

/// How long a caller can wait.
#[derive(Debug, Clone, Copy)]
pub struct TimeBudget(Option<Instant>);

impl TimeBudget {
    /// Until an invocation ends. The time the caller spends before the call counts.
    pub fn until(deadline: Timestamp, now: Timestamp) -> Self {
        let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        Self(Some(Instant::now() + left))
    }

    /// No limit.
    pub const UNLIMITED: TimeBudget = TimeBudget(None);

    /// How long a provider call may take, leaving time to record the answer.
    ///
    /// # Errors
    /// Less than 3 s are left.
    pub fn for_provider(self) -> Result<Duration, SagaError> {
        match self.0.map(|end| end.saturating_duration_since(Instant::now())) {
            None => Ok(MAX_PROVIDER_TIME),
            Some(left) if left < MIN_TIME_LEFT => Err(SagaError::NoTime),
            Some(left) => Ok(MAX_PROVIDER_TIME.min(left - Duration::from_secs(2))),
        }
    }
}

impl Saga {
    /// Charges the order's total, and applies the answer to the order. An order that has an outcome keeps it. This is for
    /// the first request of an attempt to pay; [`Saga::resume`] is for all that follow.
    ///
    /// A declined charge is followed by a second call, which closes the payment: stock and cart are restored only after
    /// that.
    ///
    /// # Errors
    /// [`SagaError::NoTime`] and [`SagaError::NoPayment`] before the provider was called; afterwards if the table
    /// cannot be used, or others keep changing the order.
    pub async fn charge(
        &self,
        order: Order,
        token: Option<PaymentToken>,
        budget: TimeBudget,
        now: Timestamp,
    ) -> Result<Charged, SagaError> {
        if !order.state.awaits_payment() {
            return Ok(order.into());
        }
        if order.totals.total.amount_minor() == 0 {
            return Ok(self.apply(order, PaymentUpdate::Paid { reference: "free" }, now).await?.into());
        }
        let token = token.ok_or(SagaError::NoPayment)?;
        let charge = Charge { order: order.id, amount: order.totals.total, token };
        let outcome = within(budget, || self.payments.charge(&charge)).await?;
        let order = match &outcome {
            Ok(ChargeOutcome::Captured { reference }) => {
                self.apply(order, PaymentUpdate::Paid { reference }, now).await
            }
            Ok(ChargeOutcome::ActionRequired(action)) => return self.asks(order, action.clone(), now).await,
            // This attempt was declined; an earlier one, whose answer was lost, may still be in flight.
            Ok(ChargeOutcome::Declined) => self.give_up(order, PaymentUpdate::Declined, budget, now).await,
            Ok(ChargeOutcome::NotChargeable) => {
                tracing::error!(order = %order.id, amount = %order.totals.total, "the payment provider does not accept an amount");
                self.give_up(order, PaymentUpdate::Void(VoidReason::NotChargeable), budget, now).await
            }
            Err(OutcomeUnknown) => self.apply(order, PaymentUpdate::OutcomeUnknown, now).await,
        };
        Ok(order?.into())
    }

    /// Asks for the outcome of an order's payment and gives the order up if nothing was charged. If the provider does
    /// not answer, the hold stays and the payment's outcome is unknown.
    ///
    /// # Errors
    /// As [`Saga::charge`].
    pub async fn close(
        &self,
        order: Order,
        why: VoidReason,
        budget: TimeBudget,
        now: Timestamp,
    ) -> Result<Order, SagaError> {
        if !order.state.awaits_payment() {
            return Ok(order);
        }
        if order.totals.total.amount_minor() == 0 {
            return self.apply(order, PaymentUpdate::Void(why), now).await;
        }
        self.give_up(order, PaymentUpdate::Void(why), budget, now).await
    }

    /// Stock and cart are restored only once the provider has confirmed that nothing was or will be charged.
    pub(crate) async fn give_up(
        &self,
        order: Order,
        why: PaymentUpdate<'_>,
        budget: TimeBudget,
        now: Timestamp,
    ) -> Result<Order, SagaError> {
        let closed = match within(budget, || self.payments.close(order.id, order.totals.total)).await {
            Ok(closed) => closed,
            // A charge was requested already: what it left open is for the sweeper.
            Err(SagaError::NoTime)
                if matches!(why, PaymentUpdate::Declined | PaymentUpdate::Void(VoidReason::NotChargeable)) =>
            {
                Err(OutcomeUnknown)
            }
            Err(error) => return Err(error),
        };
        let update = match &closed {
            Ok(CloseOutcome::Captured { reference }) => PaymentUpdate::Paid { reference },
            Ok(CloseOutcome::Closed) => why,
            Err(OutcomeUnknown) if order.state == OrderState::PaymentUnknown => return Ok(order),
            Err(OutcomeUnknown) => PaymentUpdate::OutcomeUnknown,
        };
        self.apply(order, update, now).await
    }

    /// Pays owed refunds. A refund that the provider does not answer about stays owed, and does not block those after
    /// it. If one is refused because money was refunded by hand meanwhile, a cancelled order pays what is left.
    ///
    /// # Errors
    /// As [`Saga::charge`].
    pub async fn refund(&self, mut order: Order, budget: TimeBudget, now: Timestamp) -> Result<Order, SagaError> {
        loop {
            order = self.pay_owed(order, budget, now).await?;
            // It terminates: the rest is requested once, and again only after another refund by hand.
            if !order.owes_remainder() {
                return Ok(order);
            }
            order = self.apply(order, PaymentUpdate::Rest, now).await?;
        }
    }

    async fn pay_owed(&self, mut order: Order, budget: TimeBudget, now: Timestamp) -> Result<Order, SagaError> {
        let reference = order.payment.reference.clone().unwrap_or_default();
        let owed: Vec<_> = order.refunds_owed().map(|r| (r.number, r.amount)).collect();
        for (number, amount) in owed {
            let refund = RefundCharge { order: order.id, number, reference: reference.clone(), amount };
            let update = match within(budget, || self.payments.refund(&refund)).await? {
                Ok(RefundOutcome::Paid) => PaymentUpdate::RefundPaid(number),
                Ok(RefundOutcome::Refused) => {
                    // It may be too much only because of refunds by hand: look them up first.
                    let made = within(budget, || self.payments.refunds_by_hand(&reference)).await?;
                    let Ok(made) = made else { continue };
                    order = self.learn_by_hand(order, &made, now).await?;
                    tracing::error!(order = %order.id, refund = number, "the payment provider refused a refund");
                    PaymentUpdate::RefundRefused(number)
                }
                Err(OutcomeUnknown) => continue,
            };
            order = self.apply(order, update, now).await?;
        }
        Ok(order)
    }
}

/// An answer that takes longer than the caller can wait counts as lost.
pub(crate) async fn within<'a, T>(
    budget: TimeBudget,
    ask: impl FnOnce() -> Answer<'a, T>,
) -> Result<Result<T, OutcomeUnknown>, SagaError> {
    let limit = budget.for_provider()?;
    Ok(tokio::time::timeout(limit, ask()).await.unwrap_or(Err(OutcomeUnknown)))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_provider_call_starts_with_less_than_three_seconds_left() {
        let now = Timestamp::UNIX_EPOCH;
        for ms in (0..15_000).step_by(250) {
            let limit = TimeBudget::until(now + SignedDuration::from_millis(ms), now).for_provider();

            match limit {
                Err(_) => assert!(ms < 3_000, "{ms} ms"),
                // What is left after waiting is enough to record the answer.
                Ok(limit) => {
                    assert!(ms >= 3_000 && limit.as_millis() + 2_000 <= u128::try_from(ms).unwrap(), "{ms} ms")
                }
            }
        }
        assert_eq!(TimeBudget::UNLIMITED.for_provider().unwrap(), MAX_PROVIDER_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn time_spent_before_the_provider_call_counts() {
        let now = Timestamp::UNIX_EPOCH;
        let budget = TimeBudget::until(now + SignedDuration::from_secs(10), now);

        tokio::time::advance(Duration::from_secs(6)).await;
        let four_left = budget.for_provider();
        tokio::time::advance(Duration::from_millis(1_001)).await;

        assert_eq!(four_left.unwrap(), Duration::from_secs(2));
        assert!(budget.for_provider().is_err());
    }
}
