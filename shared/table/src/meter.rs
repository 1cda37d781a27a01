//! The cost of a request: the capacity that its calls consumed, in total and by access pattern.
//!
//! The sum is task-local: [`measure`] opens it around a request and every table method adds to it. Outside of
//! [`measure`] nothing is counted.

use std::{cell::RefCell, collections::BTreeMap, future::Future, ops::AddAssign};

use aws_sdk_dynamodb::{
    operation::{
        batch_get_item::BatchGetItemOutput, batch_write_item::BatchWriteItemOutput, delete_item::DeleteItemOutput,
        get_item::GetItemOutput, put_item::PutItemOutput, query::QueryOutput,
        transact_write_items::TransactWriteItemsOutput, update_item::UpdateItemOutput,
    },
    types::ConsumedCapacity,
};

/// Read and write request units, as the engine reports them, and calls made.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Read request units: 0.5 for each 4 KB read eventually consistent, 1 consistent.
    pub rru: f64,
    /// Write request units: 1 for each KB written, on the table and on each index; 2 on the table in a transaction.
    pub wru: f64,
    pub dynamodb_calls: u32,
    pub s3_calls: u32,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.rru += other.rru;
        self.wru += other.wru;
        self.dynamodb_calls += other.dynamodb_calls;
        self.s3_calls += other.s3_calls;
    }
}

impl Cost {
    /// Number of calls; some are concurrent.
    pub fn round_trips(&self) -> u32 {
        self.dynamodb_calls + self.s3_calls
    }
}

/// An access pattern by its number in `docs/access-patterns.md`, such as `AP-06`.
pub type Pattern = &'static str;

/// The cost of some work.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Costs {
    pub total: Cost,
    /// The part caused by the table. A method that calls others counts as one pattern, its own.
    pub by_pattern: BTreeMap<Pattern, Cost>,
}

tokio::task_local! {
    static COSTS: RefCell<Costs>;
}

/// Runs `work` and returns the cost of its table calls.
pub async fn measure<F: Future>(work: F) -> (F::Output, Costs) {
    COSTS
        .scope(RefCell::default(), async {
            let output = work.await;
            (output, COSTS.with(|costs| costs.take()))
        })
        .await
}

pub(crate) fn add(pattern: Option<Pattern>, cost: Cost) {
    // Not measured: the table is used outside of a request, such as by an operator's command.
    let _ = COSTS.try_with(|costs| {
        let mut costs = costs.borrow_mut();
        costs.total += cost;
        if let Some(pattern) = pattern {
            *costs.by_pattern.entry(pattern).or_default() += cost;
        }
    });
}

/// Awaits one DynamoDB call and counts it for its access pattern, whether or not it succeeds.
pub(crate) fn metered<O: Metered, E>(
    pattern: Pattern,
    call: impl Future<Output = Result<O, E>>,
) -> impl Future<Output = Result<O, E>> {
    // The SDK's futures have kilobytes, and each function that awaits this one would hold them by value.
    let call = Box::pin(call);
    async move {
        let result = call.await;
        let mut cost = Cost { dynamodb_calls: 1, ..Cost::default() };
        if let Ok(output) = &result {
            let units = output.capacity().filter_map(|c| c.capacity_units()).sum();
            if O::WRITES { cost.wru = units } else { cost.rru = units }
        }
        add(Some(pattern), cost);
        result
    }
}

pub(crate) trait Metered {
    const WRITES: bool;
    fn capacity(&self) -> impl Iterator<Item = &ConsumedCapacity>;
}

macro_rules! metered {
    ($($output:ident: $writes:literal),+) => {$(
        impl Metered for $output {
            const WRITES: bool = $writes;
            fn capacity(&self) -> impl Iterator<Item = &ConsumedCapacity> {
                self.consumed_capacity().into_iter()
            }
        }
    )+};
}

metered!(GetItemOutput: false, QueryOutput: false, BatchGetItemOutput: false);
metered!(PutItemOutput: true, UpdateItemOutput: true, DeleteItemOutput: true);
metered!(BatchWriteItemOutput: true, TransactWriteItemsOutput: true);
