//! Amounts that the payment provider cannot charge or refund are refused before anything is written.

use api::Problem;
use domain::{Money, TransitionEffects};
use payments::NotChargeable;

use crate::state::State;

impl State {
    /// Checks that a checkout of this total can be paid. A total of zero needs no provider.
    ///
    /// # Errors
    /// 422 `amount_not_chargeable`.
    pub(crate) fn chargeable(&self, total: Money) -> Result<(), Problem> {
        match total.amount_minor() {
            0 => Ok(()),
            _ => self.saga.payments().chargeable(total).map_err(|why| problem("amount_not_chargeable", why)),
        }
    }

    /// Checks that the refund which a change of an order requested can be paid.
    ///
    /// # Errors
    /// 422 `amount_not_refundable`.
    pub(crate) fn refundable(&self, moved: TransitionEffects) -> Result<TransitionEffects, Problem> {
        let Some(owed) =
            moved.order.last_event().refund().and_then(|n| moved.order.payment.refunds.iter().find(|r| r.number == n))
        else {
            return Ok(moved);
        };
        self.saga.payments().refundable(owed.amount).map_err(|why| problem("amount_not_refundable", why))?;
        Ok(moved)
    }
}

/// With the reason for programs, and the amount that it names.
fn problem(code: &'static str, why: NotChargeable) -> Problem {
    let problem = Problem::unprocessable(code, why.to_string()).with("reason", why.reason());
    match why.bound() {
        Some(bound) => problem.with_money("bound", bound),
        None => problem,
    }
}
