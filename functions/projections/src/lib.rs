//! Everything that follows from a change of the table, other than what customers are told: an order's projections, what
//! lists say of stock, how many products are in a category, what reviews add up to, and the audit log.
//!
//! Records come at least once, and those of one transaction apart. So a projection is made from what an item is at its
//! version, or from what the table holds this moment, under a condition; never from the order in which records come.
//!
//! A later consumer, a search index or reporting, is a module with one function of a [`Change`], called from `project`.

mod audit;
mod categories;
mod guest_accounts;
mod orders;
mod reviews;
mod stock;

use std::{sync::Arc, time::Duration};

use api::Clock;
use categories::Touched;
use domain::Timestamp;
use futures::{FutureExt as _, future::join_all};
use stream::{Answer, Batch, Change, DeadLetters, Failure, Mapping, Runner};
use table::{Bucket, Table, keys::Entity};
use tokio::sync::Mutex;

pub use guest_accounts::{claim, claim_all};

/// How the stream is delivered. Carts, sessions and counters, the busiest items, are of no concern here.
pub const MAPPING: Mapping = Mapping {
    function: "projections",
    batch_size: 100,
    // The request that moves an order projects it itself; a second later there is mostly nothing left to do.
    window: Duration::from_secs(1),
    retries: 5,
    max_age: Duration::from_hours(6),
    bisect: true,
    events: &[],
    entities: &[
        Entity::Order,
        Entity::Product,
        Entity::Stock,
        Entity::StockMove,
        Entity::Review,
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

    /// Under the name that the function is deployed by, if it is.
    pub fn deployed_as(mut self, name: Option<String>) -> Self {
        self.runner = self.runner.deployed_as(name);
        self
    }
}

/// Handles a batch of stream records. `deadline` is when Lambda cuts the invocation off.
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

/// Has every consumer see the change, also when another of them cannot use it.
async fn project(state: &State, change: &Change, touched: &Touched) -> Result<(), Failure> {
    // Boxed: side by side, futures of the SDK are large for a thread's stack.
    let consumers = [
        orders::project(&state.table, change, state.clock.now()).boxed(),
        guest_accounts::project(&state.table, change, state.clock.now()).boxed(),
        stock::project(&state.table, change).boxed(),
        categories::project(&state.table, change, &state.counting, touched).boxed(),
        reviews::project(&state.table, change).boxed(),
        audit::record(&state.audit, change).boxed(),
    ];
    let mut outcome = Ok(());
    for consumed in join_all(consumers).await {
        match (&outcome, consumed) {
            // Delivered again, all of them see it again.
            (Ok(()) | Err(Failure::Never(_)), Err(Failure::Again(error))) => outcome = Err(Failure::Again(error)),
            (Ok(()), Err(error)) => outcome = Err(error),
            _ => {}
        }
    }
    outcome
}
