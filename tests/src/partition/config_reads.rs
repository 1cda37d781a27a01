//! Reads of a sale's configuration: every request of every environment wants it, and one key cannot serve them.

use std::{future::Future, sync::Arc, time::Duration};

use domain::Timestamp;
use dynoxide::types::{AttributeValue, Item};
use jiff::SignedDuration;
use tokio::{sync::Mutex, task::JoinSet};

use super::{
    counts::Counts,
    random::Random,
    service::Rules,
    shop::{Environment, SALE, Shop, TABLE},
    wire::Jitter,
};

/// How long a copy is remembered, and up to how much less: so that environments do not ask at the same moment.
const REMEMBERED_MS: i64 = 1_000;
const JITTER_MS: usize = 100;

/// The situation of a run.
#[derive(Debug, Clone, Copy)]
pub struct ConfigReads {
    pub environments: usize,
    /// In all, a second.
    pub rate: f64,
    pub seconds: u64,
    /// Identical copies of the configuration, each under a key of its own.
    pub copies: usize,
    pub seed: u64,
}

#[derive(Debug, Clone)]
pub struct ConfigOutcome {
    pub reads: ConfigReads,
    pub asked: u64,
    pub failed: u64,
    pub counts: Counts,
}

impl ConfigOutcome {
    /// Requests that reached the table, for each environment and second.
    pub fn reached(&self) -> f64 {
        self.counts.requests() as f64 / (self.reads.environments as f64 * self.reads.seconds as f64)
    }
}

/// What an environment reads with: the table, where the copies are, and dice.
pub struct Reader {
    pub environment: Environment,
    pub copies: usize,
    random: std::sync::Mutex<Random>,
}

impl Reader {
    fn roll(&self, sides: usize) -> usize {
        self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner).below(sides)
    }

    /// One Query of a random copy.
    ///
    /// # Errors
    /// It was throttled to the end.
    pub async fn query(&self) -> Result<(), String> {
        let pk = AttributeValue::S(copy_pk(self.roll(self.copies)));
        let AttributeValue::S(pk) = pk else { return Err("the key is text".to_owned()) };
        let call = self
            .environment
            .client
            .query()
            .table_name(TABLE)
            .consistent_read(false)
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", aws_sdk_dynamodb::types::AttributeValue::S(pk))
            .limit(1)
            .return_consumed_capacity(aws_sdk_dynamodb::types::ReturnConsumedCapacity::Total)
            .send();
        call.await.map(drop).map_err(|e| table::error_chain(&e))
    }
}

fn copy_pk(copy: usize) -> String {
    format!("FLASH_SALE#{SALE}#{copy}")
}

/// Without a cache: every read is a Query.
pub async fn uncached(reader: Arc<Reader>, _now: Timestamp) -> Result<(), String> {
    reader.query().await
}

/// A read-through cache of one environment: expiry by the wall clock, with jitter, and one Query at a time.
pub struct Remembering {
    reader: Arc<Reader>,
    until: Mutex<Option<Timestamp>>,
}

impl Remembering {
    pub fn new(reader: Arc<Reader>) -> Self {
        Self { reader, until: Mutex::default() }
    }

    /// # Errors
    /// The Query failed; the next read asks again.
    pub async fn get(&self, now: Timestamp) -> Result<(), String> {
        // Held during the Query: others wait for its answer instead of sending their own.
        let mut until = self.until.lock().await;
        if until.is_some_and(|until| now < until) {
            return Ok(());
        }
        self.reader.query().await?;
        let jitter = i64::try_from(self.reader.roll(JITTER_MS)).unwrap_or_default();
        *until = Some(now + SignedDuration::from_millis(REMEMBERED_MS + jitter));
        Ok(())
    }
}

/// Lets every environment read, each at its own moments. `open` makes an environment's way to read.
pub async fn run<R, F>(reads: ConfigReads, open: impl Fn(Arc<Reader>) -> R) -> ConfigOutcome
where
    R: Fn(Timestamp) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let shop = Arc::new(Shop::open(Rules::new(reads.seed), Jitter::AsWritten).await);
    for copy in 0..reads.copies {
        let text = |value: String| AttributeValue::S(value);
        let item = Item::from([
            ("PK".to_owned(), text(copy_pk(copy))),
            ("SK".to_owned(), text("CONFIG".to_owned())),
            ("config".to_owned(), text("c".repeat(700))),
        ]);
        shop.service.seed(&item, TABLE);
    }
    let mut environments = Vec::new();
    for at in 0..reads.environments {
        let random = std::sync::Mutex::new(Random::new(reads.seed.wrapping_add(at as u64)));
        let environment = shop.environment().await;
        environments.push(open(Arc::new(Reader { environment, copies: reads.copies, random })));
    }
    shop.start();

    let each = reads.rate / reads.environments as f64;
    let mut running = JoinSet::new();
    for (at, read) in environments.into_iter().enumerate() {
        let (shop, mut random) = (shop.clone(), Random::new(reads.seed ^ at as u64));
        running.spawn(async move {
            let (mut asked, mut failed, mut next) = (0, 0, random.gap(each));
            let end = Duration::from_secs(reads.seconds);
            let mut answers = JoinSet::new();
            while next < end {
                tokio::time::sleep(next.saturating_sub(shop.service.now())).await;
                asked += 1;
                answers.spawn(read(shop.now()));
                while let Some(done) = answers.try_join_next() {
                    failed += u64::from(!matches!(done, Ok(Ok(()))));
                }
                next += random.gap(each);
            }
            while let Some(done) = answers.join_next().await {
                failed += u64::from(!matches!(done, Ok(Ok(()))));
            }
            (asked, failed)
        });
    }
    let (asked, failed) = running.join_all().await.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    ConfigOutcome { reads, asked, failed, counts: shop.service.counts() }
}
