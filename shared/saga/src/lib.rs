//! The checkout saga's steps that reach outside: each asks the payment provider something, and moves the order to where
//! the answer puts it. Whoever drives an order on uses them: the request that placed it, its retry, a webhook, a
//! customer who cancels, staff, and the sweeper.
//!
//! Every step can be taken again by anybody at any time. What the provider did it did once, under the order's id; what
//! follows is written on condition of the order's version, and update that is not new changes nothing.

mod apply;
mod handle_event;
mod step;

use std::sync::Arc;

use payments::PaymentProvider;
use table::{StoreError, Table};

pub use handle_event::EventOutcome;
pub use step::TimeBudget;

/// What the steps need. Cheap to clone.
#[derive(Clone)]
pub struct Saga {
    table: Table,
    payments: Arc<dyn PaymentProvider>,
}

#[derive(Debug, thiserror::Error)]
pub enum SagaError {
    /// Too little time is left to begin anything outside. The order stands where it stood.
    #[error("too little time is left to ask the payment provider")]
    NoTime,
    /// Others moved the order again and again.
    #[error("the order would not stand still")]
    Contended,
    #[error("the order is gone")]
    Gone,
    /// What has to be known first, the payment provider did not answer.
    #[error("the payment provider did not answer")]
    Silent,
    /// There is something to pay, and nothing was given to pay it with. The provider was not asked.
    #[error("the order has to be paid")]
    NoPayment,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Saga {
    pub fn new(table: Table, payments: Arc<dyn PaymentProvider>) -> Self {
        Self { table, payments }
    }

    pub fn payments(&self) -> &dyn PaymentProvider {
        &*self.payments
    }

    pub fn table(&self) -> &Table {
        &self.table
    }
}
