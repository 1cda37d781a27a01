//! Reads the stream and delivers it: every shard to its end, in order, from the function's checkpoint on.

use std::{
    collections::{HashSet, VecDeque},
    future::ready,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use stream::{Batch, DeadLetterError};
use table::error_chain;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Consumer,
    checkpoint::Checkpoint,
    delivery::{Delivered, deliver},
    record::sequence_number,
    source::{Shard, SourceError},
};
use crate::stop_requested;

/// The interval of polling a stream without new records, at first and at most.
const IDLE: Duration = Duration::from_millis(100);
const IDLE_LONGEST: Duration = Duration::from_millis(250);

/// The wait between two deliveries of the same records, and after a failure: at first and at most.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_LONGEST: Duration = Duration::from_secs(10);

/// The interval of looking for the shards that follow those that ended.
const SHARDS: Duration = Duration::from_secs(2);

/// Why a batch is not done.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("the stack stops")]
    Stopped,
    #[error("records that were given up could not be kept")]
    Unkept(#[from] DeadLetterError),
}

/// Why the stream could not be delivered to its end.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("records that were given up could not be kept")]
    Unkept(#[from] DeadLetterError),
}

/// Delivers the stream until the stack stops.
pub async fn follow(consumer: Arc<Consumer>, stopped: watch::Receiver<bool>) {
    let (mut begun, mut finished) = (HashSet::new(), HashSet::new());
    let mut workers = JoinSet::new();
    let stop = stop_requested(stopped.clone());
    tokio::pin!(stop);
    loop {
        let found = consumer.source.stream().await;
        match &found {
            Ok(stream) => {
                for shard in stream.ready(|id| finished.contains(id)) {
                    if begun.insert(shard.id.clone()) {
                        let (consumer, arn, shard) = (consumer.clone(), stream.arn.clone(), shard.clone());
                        let stopped = stopped.clone();
                        workers.spawn(async move {
                            Reader::open(&consumer, arn, &shard).await.follow(stopped).await;
                            shard.id
                        });
                    }
                }
            }
            Err(error) => {
                let function = consumer.mapping.function;
                tracing::warn!(function, error = error_chain(error), "the stream's shards cannot be listed");
            }
        }
        // Shards follow shards that end: as long as none has ended, there is nothing to look for.
        let look_again = found.is_err() || workers.is_empty() || !finished.is_empty();
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = workers.join_next() => match ended {
                Ok(shard) => {
                    finished.insert(shard);
                }
                Err(error) => tracing::error!(%error, "a shard is not delivered any more until the next start"),
            },
            () = sleep(SHARDS), if look_again => {}
        }
    }
    // Each finishes its current delivery.
    while workers.join_next().await.is_some() {}
}

/// Delivers what is on the stream now, without waiting.
pub async fn drain(consumer: &Consumer) -> Result<Delivered, DrainError> {
    let mut delivered = Delivered::default();
    let stream = consumer.source.stream().await?;
    let mut finished = HashSet::new();
    // Parents first: each round reads the shards that became ready in the one before.
    loop {
        let next = stream.ready(|id| finished.contains(id)).filter(|shard| !finished.contains(&shard.id));
        let next: Vec<Shard> = next.cloned().collect();
        if next.is_empty() {
            return Ok(delivered);
        }
        for shard in next {
            let mut reader = Reader::open(consumer, stream.arn.clone(), &shard).await;
            loop {
                let read = reader.read().await?;
                let at_end = read == 0 || reader.ended;
                while reader.is_full() || (at_end && !reader.pending.is_empty()) {
                    delivered += reader.deliver(|_| ready(Ok::<_, DeadLetterError>(()))).await?;
                }
                if at_end {
                    break;
                }
            }
            finished.insert(shard.id);
        }
    }
}

/// A function's reader of a shard.
struct Reader<'a> {
    consumer: &'a Consumer,
    stream: String,
    shard: String,
    iterator: Option<String>,
    /// Sequence number of the last record that was read, whether it matched the filter or not.
    read: Option<String>,
    /// The next records to deliver, in order: all that matched the filter after the checkpoint.
    pending: VecDeque<Value>,
    /// Since when the first of them waits.
    waits_since: Option<Instant>,
    /// Nothing will ever follow what was read.
    ended: bool,
}

impl<'a> Reader<'a> {
    /// Starts after the checkpoint, or at the oldest record.
    async fn open(consumer: &'a Consumer, stream: String, shard: &Shard) -> Self {
        let checkpoint = consumer.checkpoints.get(consumer.mapping.function, &shard.id).await;
        let read = checkpoint.filter(|checkpoint| checkpoint.stream == stream).map(|checkpoint| checkpoint.done);
        Self {
            consumer,
            stream,
            shard: shard.id.clone(),
            iterator: None,
            read,
            pending: VecDeque::new(),
            waits_since: None,
            ended: false,
        }
    }

    /// Until the shard ends, or the stack stops.
    async fn follow(mut self, stopped: watch::Receiver<bool>) {
        let (mut idle, mut troubles) = (IDLE, 0);
        while !*stopped.borrow() {
            let trouble = if self.is_due() {
                match self.deliver(|attempt| pause(again(attempt), &stopped)).await {
                    Ok(_) => None,
                    Err(Undelivered::Stopped) => return,
                    Err(unkept) => Some(error_chain(&unkept)),
                }
            } else if self.ended {
                return;
            } else {
                match self.read().await {
                    Ok(0) => {
                        let left =
                            self.waits_since.map(|since| self.consumer.mapping.window.saturating_sub(since.elapsed()));
                        if pause(left.map_or(idle, |left| idle.min(left)), &stopped).await.is_err() {
                            return;
                        }
                        idle = (idle * 3 / 2).min(IDLE_LONGEST);
                        None
                    }
                    Ok(_) => {
                        idle = IDLE;
                        None
                    }
                    Err(error) => Some(error_chain(&error)),
                }
            };
            let Some(error) = trouble else {
                troubles = 0;
                continue;
            };
            troubles += 1;
            let (function, shard) = (self.consumer.mapping.function, &self.shard);
            tracing::error!(function, shard, error, "the stream could not be delivered; trying again");
            if pause(again(troubles), &stopped).await.is_err() {
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= self.consumer.mapping.batch_size
    }

    fn is_due(&self) -> bool {
        let waited = self.waits_since.is_some_and(|since| since.elapsed() >= self.consumer.mapping.window);
        self.is_full() || (!self.pending.is_empty() && (waited || self.ended))
    }

    /// Reads a page, and returns its number of records.
    async fn read(&mut self) -> Result<usize, SourceError> {
        let source = &self.consumer.source;
        let page = loop {
            let page = async {
                let iterator = match self.iterator.take() {
                    Some(iterator) => iterator,
                    None => source.iterator(&self.stream, &self.shard, self.read.as_deref()).await?,
                };
                source.page(&self.stream, &iterator).await
            };
            match page.await {
                Ok(page) => break page,
                // Iterators are valid for fifteen minutes; the next one continues where this one was.
                Err(SourceError::Expired) => {}
                Err(SourceError::Trimmed) if self.read.is_some() => {
                    let (function, shard) = (self.consumer.mapping.function, &self.shard);
                    tracing::warn!(
                        function,
                        shard,
                        "records left the stream before they were delivered; run `ops reconcile` to find orders and sold-out flags that are behind"
                    );
                    self.read = None;
                }
                Err(error) => return Err(error),
            }
        };
        let count = page.records.len();
        if let Some(last) = page.records.last().and_then(sequence_number) {
            self.read = Some(last.to_owned());
        }
        self.ended = page.next.is_none();
        self.iterator = page.next;
        self.pending.extend(page.records.into_iter().filter(|record| self.consumer.filter.fits(record)));
        match self.pending.is_empty() {
            // These are not delivered to any function, now or after a restart.
            true if count > 0 => self.keep_checkpoint(self.read.clone()).await,
            true => {}
            false => self.waits_since = self.waits_since.or_else(|| Some(Instant::now())),
        }
        Ok(count)
    }

    /// Delivers a batch of what was read and moves the checkpoint after it. After an error the batch is still pending.
    async fn deliver<E, Waited>(&mut self, wait: impl Fn(u32) -> Waited) -> Result<Delivered, E>
    where
        E: From<DeadLetterError>,
        Waited: Future<Output = Result<(), E>>,
    {
        let Consumer { mapping, target, dead_letters, .. } = self.consumer;
        let batch: Vec<Value> = self.pending.iter().take(mapping.batch_size).cloned().collect();
        let size = batch.len();
        let delivered = deliver(
            mapping,
            batch,
            // The engine dates records by the machine's clock, even if the shop runs on another one.
            Timestamp::now,
            |records| target.invoke(mapping.function, Batch { records }),
            wait,
            |records, condition, deliveries| async move {
                let dead_letter =
                    dead_letters.give_up(mapping, &records, condition, deliveries, Timestamp::now()).await?;
                let (function, condition, records) = (mapping.function, condition.as_str(), records.len());
                tracing::error!(function, condition, records, dead_letter, "records went to the dead letters");
                Ok(())
            },
        )
        .await?;
        let last = self.pending.drain(..size).next_back();
        let done = match self.pending.is_empty() {
            // Including the records after the batch that the filter left out.
            true => self.read.clone(),
            false => last.as_ref().and_then(sequence_number).map(str::to_owned),
        };
        self.waits_since = (!self.pending.is_empty()).then(Instant::now);
        self.keep_checkpoint(done).await;
        tracing::debug!(function = mapping.function, ?delivered, "delivered");
        Ok(delivered)
    }

    async fn keep_checkpoint(&self, done: Option<String>) {
        let Some(done) = done else { return };
        let checkpoint = Checkpoint { stream: self.stream.clone(), done };
        let function = self.consumer.mapping.function;
        if let Err(error) = self.consumer.checkpoints.put(function, &self.shard, checkpoint).await {
            // Nothing is lost: after a restart these records are delivered again.
            tracing::error!(function, shard = self.shard, %error, "a checkpoint could not be kept");
        }
    }
}

/// The wait before the nth repetition: 100 ms, then twice as long each time, up to 10 s.
fn again(times: u32) -> Duration {
    AGAIN.saturating_mul(2_u32.saturating_pow(times.saturating_sub(1))).min(AGAIN_LONGEST)
}

/// Waits, unless the stack stops meanwhile.
async fn pause(pause: Duration, stopped: &watch::Receiver<bool>) -> Result<(), Undelivered> {
    tokio::select! {
        () = stop_requested(stopped.clone()) => Err(Undelivered::Stopped),
        () = sleep(pause) => Ok(()),
    }
}
