//! The steps of the checkout saga that call the payment provider: each sends a request and applies the answer to the
//! order. All callers that drive an order on use them: the request that placed it, its retry, a webhook, a
//! cancellation, staff, and the sweeper.
//!
//! Every step can be repeated by any caller at any time. The provider acts once for each order id; each write is
//! conditional on the order's version, and a result that is not new changes nothing.

mod apply;
mod handle_event;
mod look;
mod step;

use std::sync::Arc;

use domain::{HoldLength, Order};
use payments::{PaymentAction, PaymentProvider};
use table::{StoreError, Table};

pub use handle_event::EventOutcome;
pub use step::TimeBudget;

/// What the steps need. Cheap to clone.
#[derive(Clone)]
pub struct Saga {
    table: Table,
    payments: Arc<dyn PaymentProvider>,
    hold: HoldLength,
}

/// An order after a step of its payment.
#[derive(Debug)]
pub struct Charged {
    pub order: Order,
    /// What the customer has to do before the provider charges. It is only sent to the customer.
    pub action: Option<PaymentAction>,
}

impl From<Order> for Charged {
    fn from(order: Order) -> Self {
        Self { order, action: None }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SagaError {
    /// Too little time is left to start a provider call. The order is unchanged.
    #[error("too little time is left to call the payment provider")]
    NoTime,
    /// Others changed the order again and again.
    #[error("the order kept changing")]
    Contended,
    #[error("the order is gone")]
    Gone,
    /// The payment provider did not answer a question that has to be answered first.
    #[error("the payment provider did not answer")]
    Silent,
    /// There is a total to pay, but no payment token. The provider was not called.
    #[error("the order has to be paid")]
    NoPayment,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Saga {
    pub fn new(table: Table, payments: Arc<dyn PaymentProvider>) -> Self {
        Self { table, payments, hold: HoldLength::default() }
    }

    /// With another length of holds. Only charging needs it.
    pub fn holding(self, hold: HoldLength) -> Self {
        Self { hold, ..self }
    }

    pub fn payments(&self) -> &dyn PaymentProvider {
        &*self.payments
    }

    pub fn table(&self) -> &Table {
        &self.table
    }
}
