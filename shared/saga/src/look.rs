//! Steps of a payment that another request, or the customer's bank, may be working on. They look at the payment before
//! they do anything, and only [`Saga::resume`] may charge.

use domain::{Order, PaymentState, Timestamp, VoidReason};
use payments::{PaymentAction, PaymentStatus, PaymentToken};

use crate::{Charged, Saga, SagaError, TimeBudget, apply::PaymentUpdate, step::within};

/// What the provider says of a payment.
enum Looked {
    At(Charged),
    Silent(Order),
}

impl Saga {
    /// Asks the provider for the state of an order's payment, and applies it. It never charges.
    ///
    /// # Errors
    /// As [`Saga::charge`]; [`SagaError::Silent`] if the provider does not answer.
    pub async fn refresh(&self, order: Order, budget: TimeBudget, now: Timestamp) -> Result<Charged, SagaError> {
        match self.look(order, budget, now).await? {
            Looked::At(charged) => Ok(charged),
            Looked::Silent(_) => Err(SagaError::Silent),
        }
    }

    /// Continues the payment of an order: another request may have charged it, or asked its customer. It charges only
    /// if the provider has no attempt that is open, and if no attempt that began after `failed_before` failed
    /// authentications has failed. An order whose customer was asked is given up once its hold has ended.
    ///
    /// # Errors
    /// As [`Saga::charge`]; [`SagaError::Silent`] if the customer was asked before, and the provider does not answer.
    pub async fn resume(
        &self,
        order: Order,
        token: Option<PaymentToken>,
        failed_before: u32,
        budget: TimeBudget,
        now: Timestamp,
    ) -> Result<Charged, SagaError> {
        if order.totals.total.amount_minor() == 0 {
            return self.charge(order, token, budget, now).await;
        }
        // The sweeper would close a question that is asked now before it can be answered.
        if order.challenges() > 0 && now >= self.hold.end(order.placed_at()) {
            let order = self.close(order, VoidReason::Expired, budget, now).await?;
            return if order.state.awaits_payment() { Err(SagaError::Silent) } else { Ok(order.into()) };
        }
        let charged = match self.look(order, budget, now).await? {
            Looked::At(charged) => charged,
            // The customer may still be asked, and the stock is held for that.
            Looked::Silent(order) if order.challenges() > 0 => return Err(SagaError::Silent),
            Looked::Silent(order) => return Ok(self.apply(order, PaymentUpdate::OutcomeUnknown, now).await?.into()),
        };
        let Charged { order, action } = &charged;
        let is_over = !order.state.awaits_payment() || action.is_some() || order.failed_challenges() > failed_before;
        if is_over { Ok(charged) } else { self.charge(charged.order, token, budget, now).await }
    }

    async fn look(&self, order: Order, budget: TimeBudget, now: Timestamp) -> Result<Looked, SagaError> {
        if !order.state.awaits_payment() || order.totals.total.amount_minor() == 0 {
            return Ok(Looked::At(order.into()));
        }
        let Ok(status) = within(budget, || self.payments.look(order.id, order.totals.total)).await? else {
            return Ok(Looked::Silent(order));
        };
        let order = match status {
            PaymentStatus::ActionRequired(action) => return Ok(Looked::At(self.asks(order, action, now).await?)),
            PaymentStatus::Captured { reference } => {
                self.apply(order, PaymentUpdate::Paid { reference: &reference }, now).await?
            }
            // The provider closes it only on request of this shop, or of its staff in the dashboard.
            PaymentStatus::Closed => self.apply(order, PaymentUpdate::Declined, now).await?,
            PaymentStatus::Unpaid => self.unpaid(order, budget, now).await?,
        };
        Ok(Looked::At(order.into()))
    }

    /// The customer is asked: the hold stays until its end.
    pub(crate) async fn asks(&self, order: Order, action: PaymentAction, now: Timestamp) -> Result<Charged, SagaError> {
        if order.payment.state == PaymentState::ActionRequired {
            return Ok(Charged { order, action: Some(action) });
        }
        let (hold_ends, failed) = (self.hold.end(order.placed_at()), order.failed_challenges());
        let order = self.apply(order, PaymentUpdate::ActionRequired { hold_ends, failed }, now).await?;
        // Others may have given it an outcome meanwhile.
        let action = Some(action).filter(|_| order.payment.state == PaymentState::ActionRequired);
        Ok(Charged { order, action })
    }

    /// If the customer was asked, the authentication has failed: the hold stays for another card, unless this was the
    /// last attempt or the hold has ended.
    async fn unpaid(&self, order: Order, budget: TimeBudget, now: Timestamp) -> Result<Order, SagaError> {
        if order.payment.state != PaymentState::ActionRequired {
            return Ok(order);
        }
        match order.was_challenged_enough() || now >= self.hold.end(order.placed_at()) {
            true => self.give_up(order, PaymentUpdate::Declined, budget, now).await,
            false => {
                let asked = order.challenges();
                self.apply(order, PaymentUpdate::ChallengeFailed { asked }, now).await
            }
        }
    }
}
