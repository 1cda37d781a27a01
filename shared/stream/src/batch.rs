use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aws_lambda_events::streams::DynamoDbBatchItemFailure;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Answer, Change, Condition, DeadLetter, DeadLetters, Failure,
    change::{Malformed, position},
};

/// Items handled concurrently. The table answers in milliseconds; this many keep a function of one core busy.
const CONCURRENCY: usize = 8;

/// With less time left than this no further record is started; the rest is delivered again.
const ENOUGH: Duration = Duration::from_secs(3);

/// A batch of stream records, as an event source mapping delivers it: from one shard, in order.
///
/// The records are not parsed yet, so that an unreadable one affects only itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    pub records: Vec<Value>,
}

impl Batch {
    /// The answer that requests all of it again.
    pub fn again(&self) -> Answer {
        let mut answer = Answer::default();
        answer.batch_item_failures.extend(self.records.first().map(failed));
        answer
    }
}

/// Names the first record to be delivered again; all after it are delivered again too.
fn failed(record: &Value) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    // A record without a sequence number cannot be named; an empty id means that the whole batch failed.
    failure.item_identifier = Some(position(record).unwrap_or_default());
    failure
}

/// Processes batches for one function.
#[derive(Debug, Clone)]
pub struct Runner {
    function: String,
    dead_letters: DeadLetters,
}

impl Runner {
    pub fn new(function: &str, dead_letters: DeadLetters) -> Self {
        Self { function: function.to_owned(), dead_letters }
    }

    /// Under the name the function is deployed by, if any: dead letters are replayed by invoking that name.
    pub fn deployed_as(self, name: Option<String>) -> Self {
        Self { function: name.unwrap_or(self.function), ..self }
    }

    /// Passes each record to `handle`: those of one item one after another, different items concurrently.
    ///
    /// A record that cannot be handled, now or ever, becomes a dead letter with its payload and counts as done. After
    /// the first record that is to be delivered again no later one is started, and the answer names it, so that the
    /// mapping continues from there: everything before it is done. An empty answer means that all are done.
    ///
    /// `deadline` is when Lambda ends the invocation.
    pub async fn run<H, F>(&self, batch: Batch, deadline: Option<Timestamp>, now: Timestamp, handle: H) -> Answer
    where
        H: Fn(Change) -> F,
        F: Future<Output = Result<(), Failure>>,
    {
        let records = batch.records;
        // The first record that is not done. Records from here on are not started.
        let stop = AtomicUsize::new(records.len());
        let began = Instant::now();
        let time = deadline.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default());
        let too_late = || time.is_some_and(|time| time.saturating_sub(began.elapsed()) < ENOUGH);
        stream::iter(by_item(&records))
            .for_each_concurrent(CONCURRENCY, async |item| {
                for (at, change) in item {
                    if at >= stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let done = !too_late() && self.one(&records[at], change, now, &handle).await;
                    if !done {
                        stop.fetch_min(at, Ordering::SeqCst);
                        return;
                    }
                }
            })
            .await;

        let mut answer = Answer::default();
        answer.batch_item_failures.extend(records.get(stop.into_inner()).map(failed));
        answer
    }

    /// Whether the record is done.
    async fn one<H, F>(&self, record: &Value, change: Result<Change, Malformed>, now: Timestamp, handle: &H) -> bool
    where
        H: Fn(Change) -> F,
        F: Future<Output = Result<(), Failure>>,
    {
        let number = position(record).unwrap_or_default();
        let handled = match change {
            // Boxed: eight of these futures at once are large for a thread's stack.
            Ok(change) => Box::pin(handle(change)).await,
            Err(malformed) => Err(Failure::Never(malformed.to_string().into())),
        };
        let error = match handled {
            Ok(()) => return true,
            Err(Failure::Again(error)) => {
                let error = table::error_chain(&*error);
                tracing::warn!(function = self.function, number, error, "a record is to be delivered again");
                return false;
            }
            Err(Failure::Never(error)) => table::error_chain(&*error),
        };
        let records = std::slice::from_ref(record);
        let dead_letter = DeadLetter::new(&self.function, records, Condition::Unprocessable, 1, now).because(&error);
        match self.dead_letters.put(&dead_letter).await {
            Ok(dead_letter) => {
                tracing::error!(
                    function = self.function,
                    number,
                    error,
                    dead_letter,
                    "a record went to the dead letters"
                );
                true
            }
            Err(unkept) => {
                let unkept = table::error_chain(&unkept);
                tracing::error!(function = self.function, number, error, unkept, "a dead letter could not be kept");
                false
            }
        }
    }
}

/// The records of each item, with their places in the batch; items in the order of their first record.
fn by_item(records: &[Value]) -> Vec<Vec<(usize, Result<Change, Malformed>)>> {
    let (mut items, mut known) = (Vec::<Vec<_>>::new(), HashMap::new());
    for (at, record) in records.iter().enumerate() {
        let change = Change::parse(record);
        match &change {
            Ok(read) => {
                let item = *known.entry(read.key.clone()).or_insert_with(|| {
                    items.push(Vec::new());
                    items.len() - 1
                });
                items[item].push((at, change));
            }
            // The item is unknown, so there is no order to keep.
            Err(_) => items.push(vec![(at, change)]),
        }
    }
    items
}
