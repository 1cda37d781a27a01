//! Amounts that the payment provider cannot charge or refund are refused before anything is written.

use api::{
    Problem,
    codes::{Code, Member, Members, reference},
};
use domain::{Money, TransitionEffects};
use payments::NotChargeable;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::state::State;

const AMOUNT: Members = Members {
    schema: "AmountProblem",
    all: &[
        Member::sometimes("reason", reason),
        Member::sometimes("bound", || reference("Money")),
        Member::sometimes("orderId", || reference("OrderId")),
    ],
};

fn reason() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(NotChargeable::REASONS))
        .description(Some("The reason, if it is known without calling the payment provider."))
        .into()
}

api::codes! {
    pub AmountNotChargeable = Code::unprocessable(
        "amount_not_chargeable",
        "the payment provider does not accept the total; `reason` says why, and `bound` is the amount it refers to; without \
         `reason` the provider refused it, and the order `orderId` is cancelled",
    )
    .with(&AMOUNT);
    pub AmountNotRefundable = Code::unprocessable(
        "amount_not_refundable",
        "the payment provider cannot refund this amount; `reason` says why, and `bound` is the amount it refers to; nothing \
         was changed",
    )
    .with(&AMOUNT);
}

impl State {
    /// Checks that a checkout of this total can be paid. A total of zero needs no provider.
    ///
    /// # Errors
    /// 422 `amount_not_chargeable`.
    pub(crate) fn chargeable(&self, total: Money) -> Result<(), Problem> {
        match total.amount_minor() {
            0 => Ok(()),
            _ => self.saga.payments().chargeable(total).map_err(|why| problem(AmountNotChargeable.into(), why)),
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
        self.saga.payments().refundable(owed.amount).map_err(|why| problem(AmountNotRefundable.into(), why))?;
        Ok(moved)
    }
}

/// With the reason for programs, and the amount that it names.
fn problem(code: Code, why: NotChargeable) -> Problem {
    let problem = Problem::new(code, why.to_string()).with("reason", why.reason());
    match why.bound() {
        Some(bound) => problem.with_money("bound", bound),
        None => problem,
    }
}
