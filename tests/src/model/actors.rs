//! The actors that change the order, and their errands.

use std::sync::Arc;

use domain::{
    CancelDecision, HistoryEntry, Order, OrderEvent, OrderState, PaymentState, Quantity, RefundRequest, ReturnedLine,
    TransitionEffects, VoidReason,
};

use super::{Bug, Configuration, world::NOW};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The request that placed the order: charges it.
    Checkout,
    /// The client's retry: charges again if there is no outcome yet.
    Retry,
    /// The provider's event about what it did, at any time and in any order.
    Webhook(Did),
    /// A request that pays with another card, once the authentication of the one before has failed.
    AnotherCard,
    /// The storefront asks how the payment is doing.
    Refresh,
    /// The customer answers the question of their bank; one who abandons it never does.
    Buyer,
    /// One run of the sweeper over one order.
    Sweeper,
    /// Cancels.
    Customer,
    /// Refunds one unit and restocks it.
    Staff,
    /// Ships.
    Warehouse,
}

/// What a webhook reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Did {
    Capture,
    Decline,
    /// The order's first refund.
    Refund,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    pub role: Role,
    pub step: Step,
}

/// What an actor does next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    Asks(Question),
    Reads(Errand),
    /// It has read this order, and has a transition to write.
    Writes(Errand, Arc<Order>),
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    Charge,
    /// The state of the payment. Whether the order that was read had an open question, and the last one that it may have.
    Look {
        was_asked: bool,
        enough: bool,
    },
    /// The customer is authenticated by their bank.
    Authenticate,
    /// Closes the payment: if nothing was taken, nothing will be, and this errand is applied to the order.
    Close(Errand),
    Refund {
        number: u32,
        amount: i64,
    },
}

/// What an actor reports to the order or wants to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Errand {
    Paid,
    Declined,
    OutcomeUnknown,
    Asked,
    ChallengeFailed,
    Void(VoidReason),
    RefundPaid(u32),
    RefundRefused(u32),
    /// Reads the order to decide what to do.
    Look,
    Cancel,
    TakeBack,
    Ship,
}

impl Actor {
    pub fn new(role: Role) -> Self {
        let step = match role {
            Role::Checkout => Step::Asks(Question::Charge),
            Role::Webhook(Did::Capture) => Step::Reads(Errand::Paid),
            Role::Webhook(Did::Refund) => Step::Reads(Errand::RefundPaid(1)),
            Role::Retry | Role::AnotherCard | Role::Refresh | Role::Sweeper | Role::Webhook(Did::Decline) => {
                Step::Reads(Errand::Look)
            }
            Role::Buyer => Step::Asks(Question::Authenticate),
            Role::Customer => Step::Reads(Errand::Cancel),
            Role::Staff => Step::Reads(Errand::TakeBack),
            Role::Warehouse => Step::Reads(Errand::Ship),
        };
        Self { role, step }
    }

    /// Whether it has begun and is not done.
    pub fn is_at_work(&self) -> bool {
        self.step != Step::Gone && self.step != Self::new(self.role).step
    }
}

impl Errand {
    pub const UPDATES: [Errand; 11] = [
        Errand::Paid,
        Errand::Declined,
        Errand::OutcomeUnknown,
        Errand::Asked,
        Errand::ChallengeFailed,
        Errand::Void(VoidReason::Expired),
        Errand::Void(VoidReason::CancelledByCustomer),
        Errand::RefundPaid(1),
        Errand::RefundPaid(2),
        Errand::RefundRefused(1),
        Errand::RefundRefused(2),
    ];

    /// The transition of an order by this errand; `None` if nothing is to be written.
    pub fn moves(self, order: &Order, model: &Configuration) -> Option<TransitionEffects> {
        match self {
            Errand::Paid if model.has(Bug::IgnoresLateMoney) && order.state == OrderState::Cancelled => None,
            Errand::Paid if model.has(Bug::RepeatsNews) && order.payment.state == PaymentState::Captured => {
                let mut order = order.clone();
                order.history.push(HistoryEntry { event: OrderEvent::Confirmed, at: NOW });
                order.version += 1;
                Some(TransitionEffects { order, restock: Vec::new(), restore_cart: false })
            }
            Errand::Paid => order.paid("pay_1", NOW),
            Errand::Declined => order.declined(NOW),
            Errand::OutcomeUnknown => order.outcome_unknown(NOW),
            Errand::Asked => order.action_required(NOW, NOW),
            Errand::ChallengeFailed => order.challenge_failed(NOW),
            Errand::Void(why) => order.void(why, NOW),
            Errand::RefundPaid(number) => order.refund_paid(number, NOW),
            Errand::RefundRefused(number) => order.refund_refused(number, NOW),
            Errand::Look => None,
            Errand::Cancel => match order.cancel(NOW) {
                Ok(CancelDecision::Refund(mut moved)) => {
                    if model.has(Bug::CancelsForNothing) {
                        moved.order.payment.refunds.clear();
                        moved.order.due_at = None;
                    }
                    Some(*moved)
                }
                _ => None,
            },
            Errand::TakeBack => {
                let quantity = Quantity::new(1).expect("one is a quantity");
                let line = ReturnedLine { product: order.lines[0].product.clone(), quantity, restock: true };
                order.refund(&RefundRequest { lines: vec![line], ..RefundRequest::default() }, NOW).ok()
            }
            Errand::Ship => order.ship(NOW).ok().flatten(),
        }
    }
}
