//! Mappings in a stack: its engine's stream, its S3 for dead letters, and functions that record what they get.

use std::{path::Path, sync::Arc};

use domain::OrderId;
use futures::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use stream::{Answer, Batch, DeadLetters, Mapping};
use table::keys::Entity;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{checkpoint::Checkpoint, *};
use crate::{Stack, StackOptions, Streams};

const MAPPING: Mapping = Mapping {
    function: "test",
    batch_size: 3,
    window: std::time::Duration::ZERO,
    retries: 1,
    max_age: std::time::Duration::from_hours(6),
    bisect: true,
    events: &[],
    entities: &[Entity::Notification],
};

/// A port that nothing listens on.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A function named "test" that panics over any record, without a stream.
pub fn consumer() -> Arc<Consumer> {
    let handler: Handler = Arc::new(|batch| {
        async move {
            assert!(batch.records.is_empty(), "there are records");
            Answer::default()
        }
        .boxed()
    });
    let source = Source::new(NOWHERE, "none", table::http_client());
    let checkpoints = Checkpoints::new("none");
    Arc::new(Consumer::new(MAPPING, handler, None, source, checkpoints, letters_nowhere()).unwrap())
}

/// Dead letters in an S3 that does not exist.
fn letters_nowhere() -> DeadLetters {
    let config = table::TableConfig {
        tables: table::TableNames::one("none"),
        bucket: "none".to_owned(),
        place: table::Place::Local(table::Endpoints { dynamodb: NOWHERE.to_owned(), s3: NOWHERE.to_owned() }),
        timeouts: table::Timeouts::LOCAL,
        transport: table::Transport::default(),
    };
    DeadLetters::new(config.descriptions().bucket().clone())
}

/// A stack whose table a test writes to.
struct Bench {
    stack: Stack,
    checkpoints: TempDir,
    got: mpsc::UnboundedReceiver<Vec<u64>>,
    sent: mpsc::UnboundedSender<Vec<u64>>,
}

impl Bench {
    async fn start() -> Self {
        let stack = Stack::start(StackOptions {
            sweep_every: None,
            index_every: None,
            streams: Streams::Off,
            ..StackOptions::default()
        });
        let stack = stack.await.unwrap_or_else(|e| panic!("{}", table::error_chain(&e)));
        let (sent, got) = mpsc::unbounded_channel();
        Self { stack, checkpoints: tempfile::tempdir().unwrap(), got, sent }
    }

    /// Writes items that are distinguished by a number.
    async fn write(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let order: OrderId = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
            self.stack.table.notification_claim(order, number, "a-writer", Timestamp::now()).await.unwrap();
        }
    }

    fn consumer(&self, mapping: Mapping) -> Consumer {
        self.consumer_with(mapping, self.stack.dead_letters.clone())
    }

    /// A function that reports what it got and fails, without a message, over the number 666.
    fn consumer_with(&self, mapping: Mapping, dead_letters: DeadLetters) -> Consumer {
        let sent = self.sent.clone();
        let handler: Handler = Arc::new(move |batch: Batch| {
            let numbers: Vec<u64> = batch.records.iter().map(number).collect();
            let poisoned = numbers.contains(&666);
            sent.send(numbers).unwrap();
            async move {
                assert!(!poisoned, "poison");
                Answer::default()
            }
            .boxed()
        });
        let source = Source::new(&self.stack.dynamodb, self.stack.table.name(), table::http_client());
        let checkpoints = Checkpoints::new(self.checkpoints.path());
        Consumer::new(mapping, handler, None, source, checkpoints, dead_letters).unwrap()
    }

    fn got(&mut self) -> Vec<Vec<u64>> {
        std::iter::from_fn(|| self.got.try_recv().ok()).collect()
    }
}

/// 0 if it is not an item of these tests.
fn number(record: &Value) -> u64 {
    let pk = record["dynamodb"]["Keys"]["PK"]["S"].as_str().unwrap();
    pk.rsplit('#').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn only_checkpoint(folder: &Path) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(folder.join("test")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "one shard, one checkpoint");
    file
}

#[tokio::test]
async fn what_is_on_the_stream_is_delivered_in_order_and_only_once() {
    let mut bench = Bench::start().await;
    bench.write(1..=7).await;

    let first = bench.consumer(MAPPING).drain().await.unwrap();
    assert_eq!(first, Delivered { handled: 7, given_up: 0, invocations: 3 });
    assert_eq!(bench.got(), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);

    // Another one, as after a restart, continues from the checkpoint.
    let again = bench.consumer(MAPPING);
    assert_eq!(again.drain().await.unwrap(), Delivered::default());
    bench.write(8..=8).await;
    assert_eq!(again.drain().await.unwrap().handled, 1);
    assert_eq!(bench.got(), [[8]]);
}

#[tokio::test]
async fn a_checkpoint_includes_filtered_records_and_belongs_to_one_stream() {
    let mut bench = Bench::start().await;
    bench.write(1..=2).await;
    let nothing = Mapping { entities: &[Entity::Cart], ..MAPPING };

    assert_eq!(bench.consumer(nothing).drain().await.unwrap(), Delivered::default());
    bench.write(3..=3).await;
    bench.consumer(MAPPING).drain().await.unwrap();
    assert_eq!(bench.got(), [[3]], "what was left out is not delivered again");

    let file = only_checkpoint(bench.checkpoints.path());
    let mut checkpoint: Checkpoint = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    checkpoint.stream = "of a deleted table".to_owned();
    std::fs::write(&file, serde_json::to_vec(&checkpoint).unwrap()).unwrap();
    bench.consumer(MAPPING).drain().await.unwrap();
    assert_eq!(bench.got(), [[1, 2, 3]]);
}

#[tokio::test]
async fn a_poison_record_goes_to_the_dead_letters_alone_and_with_its_payload() {
    let mut bench = Bench::start().await;
    bench.write([1, 666, 3, 4]).await;

    let delivered = bench.consumer(MAPPING).drain().await.unwrap();

    assert_eq!((delivered.handled, delivered.given_up), (3, 1));
    assert_eq!(bench.got().last(), Some(&vec![4]));
    let dead_letters = bench.stack.dead_letters.list(None).await.unwrap().objects;
    assert_eq!(dead_letters.len(), 1);
    let dead_letter = bench.stack.dead_letters.get(&dead_letters[0].key).await.unwrap();
    assert_eq!(
        (dead_letter.function(), dead_letter.request_context.condition.as_str()),
        ("test", "RetryAttemptsExhausted")
    );
    let payload: Batch = serde_json::from_str(&dead_letter.payload).unwrap();
    assert_eq!(payload.records.iter().map(number).collect::<Vec<_>>(), [666]);
    assert_eq!(payload.records[0]["dynamodb"]["SequenceNumber"], json!(dead_letter.batch.start_sequence_number));
}

#[tokio::test]
async fn as_long_as_a_dead_letter_cannot_be_kept_nothing_behind_it_is_delivered() {
    let mut bench = Bench::start().await;
    bench.write([666, 2]).await;

    assert!(matches!(bench.consumer_with(MAPPING, letters_nowhere()).drain().await, Err(DrainError::Unkept(_))));
    assert_eq!(bench.got(), [vec![666, 2], vec![666], vec![666]]);

    let delivered = bench.consumer(MAPPING).drain().await.unwrap();
    assert_eq!((delivered.handled, delivered.given_up), (1, 1));
    assert_eq!(bench.got().last(), Some(&vec![2]));
}

#[tokio::test]
async fn records_are_delivered_as_they_come_until_the_stack_stops() {
    let mut bench = Bench::start().await;
    let (stop, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    serve(Arc::new(bench.consumer(MAPPING)), stopped, &mut servers);

    for number in 1..=3 {
        bench.write([number]).await;
        assert_eq!(bench.got.recv().await.unwrap(), [number]);
    }

    stop.send(true).unwrap();
    assert!(servers.join_next().await.unwrap().is_ok());
}

#[tokio::test]
async fn every_consumer_of_the_shop_handles_its_stream() {
    let stack = StackOptions {
        streams: Streams::Off,
        sweep_every: None,
        index_every: None,
        seed: crate::Seed::Sample,
        ..Default::default()
    };
    let stack = Stack::start(stack).await.unwrap_or_else(|e| panic!("{}", table::error_chain(&e)));

    let delivered = stack.drain_streams().await.unwrap();

    assert!(delivered.handled >= 60 && delivered.given_up == 0, "{delivered:?}");
    assert_eq!(stack.drain_streams().await.unwrap(), Delivered::default());
    assert_eq!(stack.dead_letters.list(None).await.unwrap().objects, []);
}
