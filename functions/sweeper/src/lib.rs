//! The sweeper: once a minute it processes orders with something open. For expired holds and payments without an answer
//! it asks the provider, then confirms the order or gives it up; it pays refunds that are still owed. Orders whose
//! payment is disputed are counted, once a day, for an alarm. Then sales are continued: their lots are written, and what is
//! left of those that are over returns to the stock. In the remaining time, categories are renamed.
//!
//! Any number of runs may overlap. Each step is one of the saga, which writes conditionally on the order's version.

mod renames;
mod sales;

use domain::{Order, OrderState, Timestamp, VoidReason};
use futures::{StreamExt, stream};
use jiff::SignedDuration;
use runtime::Clock;
use saga::{Saga, SagaError, TimeBudget};
use serde::Serialize;
use table::{StoreError, error_chain};

/// Orders in one run, soonest due first; the next run takes the next ones.
const MAX_ORDERS: i32 = 100;

/// Orders processed concurrently: a provider takes about a second for an order, and a run has a minute.
const CONCURRENCY: usize = 8;

#[derive(Clone)]
pub struct State {
    saga: Saga,
    clock: Clock,
}

/// A hold is processed at most a minute after it expired, as long as the sweeper runs and keeps up.
const OVERDUE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SweepReport {
    /// Orders that had something open.
    pub due: usize,
    /// Of these, holds that expired over five minutes ago: the sweeper was late.
    pub overdue: usize,
    /// Paid after all.
    pub confirmed: usize,
    /// Given up; the stock was released.
    pub released: usize,
    /// Owed refunds that were paid, or that the provider will never pay.
    pub refunded: usize,
    /// The provider did not answer: asked again later.
    pub waiting: usize,
    /// Of these, orders whose payment has no outcome.
    pub unknown: usize,
    /// Orders whose payment the customer's bank disputes, of those that were due.
    pub disputed: usize,
    /// Failures of the table, for an order or for a product of a rename; the next run tries again.
    pub failed: usize,
    /// Not started, because too little time was left.
    pub left: usize,
    /// Products that were moved because their category is renamed.
    pub moved: usize,
    /// Sales that were over, and whose units returned to the stock.
    pub sales_ended: usize,
    /// Sales whose units did not return long after their end, or whose lots are not written long after they were created.
    pub sales_stuck: usize,
}

impl SweepReport {
    /// The counts that alarms use, with the names of the metrics.
    pub fn metrics(&self) -> [(&'static str, f64); 4] {
        let count = |number: usize| u32::try_from(number).map_or(f64::MAX, f64::from);
        [
            ("OverdueHolds", count(self.overdue)),
            ("UnknownPayments", count(self.unknown)),
            ("Disputes", count(self.disputed)),
            ("StuckSales", count(self.sales_stuck)),
        ]
    }
}

enum Outcome {
    Confirmed,
    Released,
    Refunded,
    Waiting,
    /// As `Waiting`, for the outcome of a payment.
    Unknown,
    /// Nothing for the sweeper to do: staff have to act.
    Disputed,
    Failed,
    Left,
}

impl State {
    pub fn new(saga: Saga, clock: Clock) -> Self {
        Self { saga, clock }
    }
}

/// Processes what is due. `deadline` is when the invocation ends.
///
/// # Errors
/// The list of due orders cannot be read. A failure of one order does not stop the others.
pub async fn sweep(state: &State, deadline: Option<Timestamp>) -> Result<SweepReport, StoreError> {
    let now = state.clock.now();
    let due = state.saga.table().order_list_due(Timestamp::UNIX_EPOCH, now, MAX_ORDERS).await?;
    // The index may lag: an order may have been processed, or postponed, meanwhile.
    let due: Vec<_> = due.into_iter().filter(|order| order.due_at.is_some_and(|at| at <= now)).collect();
    let is_overdue =
        |o: &&Order| o.state == OrderState::PendingPayment && o.due_at.is_some_and(|at| at + OVERDUE_AFTER <= now);
    let overdue = due.iter().filter(is_overdue).count();
    let disputed = due.iter().filter(|order| order.disputes_open().next().is_some()).count();
    let mut swept = SweepReport { due: due.len(), overdue, disputed, ..SweepReport::default() };

    let became: Vec<_> =
        stream::iter(due).map(|order| look_after(state, order, deadline)).buffer_unordered(CONCURRENCY).collect().await;

    for became in became {
        match became {
            Outcome::Confirmed => swept.confirmed += 1,
            Outcome::Released => swept.released += 1,
            Outcome::Refunded => swept.refunded += 1,
            Outcome::Waiting => swept.waiting += 1,
            Outcome::Disputed => {}
            Outcome::Unknown => {
                swept.waiting += 1;
                swept.unknown += 1;
            }
            Outcome::Failed => swept.failed += 1,
            Outcome::Left => swept.left += 1,
        }
    }

    let has_time = |enough| deadline.is_none_or(|deadline| deadline.duration_since(state.clock.now()) >= enough);
    match sales::go_on(state.saga.table(), &state.clock, has_time).await {
        Ok(tended) => {
            swept.sales_ended = tended.ended;
            swept.sales_stuck = tended.stuck;
            swept.failed += tended.failed;
        }
        Err(error) => {
            tracing::error!(error = error_chain(&error), "sales could not be continued");
            swept.failed += 1;
        }
    }
    match renames::go_on(state.saga.table(), now, has_time).await {
        Ok(renamed) => {
            swept.moved = renamed.moved;
            swept.failed += renamed.failed;
        }
        // A failure here does not stop the orders, and the next run continues.
        Err(error) => {
            tracing::error!(error = error_chain(&error), "categories could not be renamed");
            swept.failed += 1;
        }
    }
    Ok(swept)
}

async fn look_after(state: &State, order: Order, deadline: Option<Timestamp>) -> Outcome {
    let now = state.clock.now();
    let budget = deadline.map_or(TimeBudget::UNLIMITED, |deadline| TimeBudget::until(deadline, now));
    let owes = order.refund_owed().is_some() || order.owes_remainder();
    if !order.state.awaits_payment() && !owes && order.disputes_open().next().is_some() {
        return remind(state, &order, now).await;
    }
    let (due, unsettled, before) = (order.clone(), order.state.awaits_payment(), order.version);
    let looked_after = match unsettled {
        true => state.saga.close(order, VoidReason::Expired, budget, now).await,
        false => state.saga.refund(order, budget, now).await,
    };
    match looked_after {
        Ok(order) if order.state.awaits_payment() || order.version == before => put_off(state, &order, now).await,
        Ok(_) if !unsettled => Outcome::Refunded,
        Ok(order) if order.state == OrderState::Cancelled => Outcome::Released,
        Ok(_) => Outcome::Confirmed,
        Err(SagaError::NoTime) => Outcome::Left,
        Err(error) => {
            tracing::error!(order = %due.id, error = error_chain(&error), "an order could not be processed");
            put_off(state, &due, now).await;
            Outcome::Failed
        }
    }
}

/// Staff have to respond to a dispute. It is logged and counted again every day until the provider reports its end.
const REMINDED_AFTER: SignedDuration = SignedDuration::from_hours(24);

async fn remind(state: &State, order: &Order, now: Timestamp) -> Outcome {
    for dispute in order.disputes_open() {
        let reason = dispute.reason.as_deref().unwrap_or_default();
        tracing::error!(order = %order.id, dispute = %dispute.id, amount = %dispute.amount, reason, "a payment is disputed");
    }
    postpone(state, order, now + REMINDED_AFTER).await;
    Outcome::Disputed
}

/// The longest an order waits to be asked about again, once the provider answers.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(4);

/// An order whose provider does not answer is asked about again after as long as it has waited already, at least a
/// minute and at most four, so that it does not keep the others from being processed.
async fn put_off(state: &State, order: &Order, now: Timestamp) -> Outcome {
    let became = if order.state.awaits_payment() { Outcome::Unknown } else { Outcome::Waiting };
    if order.due_at.is_some_and(|at| at > now) {
        return became;
    }
    let since = order.history.last().map_or(now, |t| t.at);
    let wait = now.duration_since(since).clamp(SignedDuration::from_mins(1), LONGEST_WAIT);
    postpone(state, order, now + wait).await;
    became
}

async fn postpone(state: &State, order: &Order, due_at: Timestamp) {
    if let Err(error) = state.saga.table().order_postpone(order, due_at).await {
        tracing::warn!(order = %order.id, error = error_chain(&error), "an order could not be postponed");
    }
}
