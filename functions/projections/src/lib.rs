//! Consumers of the table's stream, except notifications: an order's projections, the sold-out flag in lists, the
//! number of products in a category, the sum of reviews, the products that search has to index, and the audit log.
//!
//! Records are delivered at least once, and those of one transaction separately. So a projection is made from an item's
//! version, or from the current state of the table, under a condition; never from the order in which records arrive.
//!
//! A further consumer, such as reporting, is a module with one function of a [`Change`], called from
//! `project`.

mod audit;
mod categories;
mod guest_accounts;
mod orders;
mod reviews;
mod search;
mod stock;

use std::{sync::Arc, time::Duration};

use categories::Touched;
use domain::Timestamp;
use futures::{FutureExt as _, future::join_all};
use runtime::Clock;
use stream::{Answer, Batch, Change, DeadLetters, Failure, Mapping, Runner};
use table::{Bucket, Table, keys::Entity};
use tokio::sync::Mutex;

pub use guest_accounts::{claim, claim_all};

/// How the stream is delivered. Carts, sessions and counters, the busiest items, are filtered out.
pub const MAPPING: Mapping = Mapping {
    function: "projections",
    batch_size: 100,
    // The request that changes an order projects it itself; a second later there is mostly nothing left to do.
    window: Duration::from_secs(1),
    retries: 5,
    max_age: Duration::from_hours(6),
    bisect: true,
    events: &[],
    entities: &[
        Entity::Order,
        Entity::Product,
        Entity::Rating,
        Entity::Stock,
        Entity::StockMove,
        Entity::Review,
        Entity::Sale,
        Entity::Profile,
        Entity::GuestAccount,
        Entity::Address,
        Entity::Credential,
    ],
};

#[derive(Debug, Clone)]
pub struct State {
    table: Table,
    audit: Bucket,
    clock: Clock,
    runner: Runner,
    counting: Arc<Mutex<()>>,
}

impl State {
    /// `audit` is the bucket of the audit log.
    pub fn new(table: Table, audit: Bucket, dead_letters: DeadLetters, clock: Clock) -> Self {
        let runner = Runner::new(MAPPING.function, dead_letters);
        Self { table, audit, clock, runner, counting: Arc::default() }
    }

    /// Under the name the function is deployed by, if any.
    pub fn deployed_as(mut self, name: Option<String>) -> Self {
        self.runner = self.runner.deployed_as(name);
        self
    }
}

/// Handles a batch of stream records. `deadline` is when Lambda ends the invocation.
pub async fn handle(state: &State, batch: Batch, deadline: Option<Timestamp>) -> Answer {
    let (now, again, touched) = (state.clock.now(), batch.again(), Touched::default());
    let each = |change| {
        let touched = &touched;
        async move { project(state, &change, touched).await }
    };
    let answer = state.runner.run(batch, deadline, now, each).await;
    match touched.settle(&state.table).await {
        true => answer,
        false => again,
    }
}

/// Passes the change to every consumer, even if one of them fails.
async fn project(state: &State, change: &Change, touched: &Touched) -> Result<(), Failure> {
    // Boxed: concurrent futures of the SDK are large for a thread's stack.
    let consumers = [
        orders::project(&state.table, change, state.clock.now()).boxed(),
        guest_accounts::project(&state.table, change, state.clock.now()).boxed(),
        stock::project(&state.table, change).boxed(),
        categories::project(&state.table, change, &state.counting, touched).boxed(),
        reviews::project(&state.table, change).boxed(),
        search::project(&state.table, change, &state.clock).boxed(),
        audit::record(&state.audit, change).boxed(),
    ];
    let mut outcome = Ok(());
    for consumed in join_all(consumers).await {
        match (&outcome, consumed) {
            // If it is delivered again, all consumers see it again.
            (Ok(()) | Err(Failure::Never(_)), Err(Failure::Again(error))) => outcome = Err(Failure::Again(error)),
            (Ok(()), Err(error)) => outcome = Err(error),
            _ => {}
        }
    }
    outcome
}
