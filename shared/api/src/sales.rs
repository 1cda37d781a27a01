use std::sync::Arc;

use domain::{OpenSales, Timestamp};
use jiff::SignedDuration;
use runtime::{Clock, random};
use table::{StoreError, Table};
use tokio::sync::Mutex;

/// How long what was read is used, and how much of that differs from one read to the next, so that many environments do
/// not read at the same moment. Together they are well below `domain::SALE_LEAD`.
const TTL: SignedDuration = SignedDuration::from_millis(1_000);
const JITTER_MILLIS: u16 = 500;

/// The sales that are not over, read at most once in a second or so, also if there are none.
///
/// The deadline is wall-clock time: a Lambda environment is frozen between requests. Callers that find it passed wait for
/// one of them to read.
#[derive(Debug, Clone, Default)]
pub struct SalesCache(Arc<Mutex<Option<Kept>>>);

#[derive(Debug)]
struct Kept {
    until: Timestamp,
    sales: Arc<OpenSales>,
}

impl SalesCache {
    /// # Errors
    /// The table cannot be read. What was read before is not used instead: it may offer what is over.
    pub async fn get(&self, table: &Table, clock: &Clock) -> Result<Arc<OpenSales>, StoreError> {
        let mut kept = self.0.lock().await;
        let now = clock.now();
        if let Some(Kept { until, sales }) = &*kept
            && now < *until
        {
            return Ok(sales.clone());
        }
        let [copy, low, high] = random();
        let sales = Arc::new(table.sales_open(copy).await?);
        let jitter = i64::from(u16::from_be_bytes([low, high]) % JITTER_MILLIS);
        *kept = Some(Kept { until: now + TTL + SignedDuration::from_millis(jitter), sales: sales.clone() });
        Ok(sales)
    }

    /// So that the next request of this environment sees its own change.
    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}
