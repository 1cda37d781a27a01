//! Reads of a sale's configuration: every request of every environment wants it, and one key cannot serve them.

use std::{sync::Arc, time::Duration};

use api::Context;
use table::{StoreError, keys::SALE_COPIES};
use tokio::task::JoinSet;

use super::{counts::Counts, random::Random, service::Rules, shop::Shop, wire::Jitter};

/// How an environment reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the product: through `api::SalesCache`.
    Remembered,
    /// Every read is a Query, of a copy by chance.
    AnyCopy,
    /// Every read is a Query, always of the same copy.
    OneCopy,
}

impl Way {
    pub fn copies(self) -> u8 {
        match self {
            Way::Remembered | Way::AnyCopy => SALE_COPIES,
            Way::OneCopy => 1,
        }
    }

    async fn read(self, context: &Context) -> Result<(), StoreError> {
        let [any] = runtime::random();
        match self {
            Way::Remembered => context.open_sales().await.map(drop),
            Way::AnyCopy => context.table.sales_open(any).await.map(drop),
            Way::OneCopy => context.table.sales_open(0).await.map(drop),
        }
    }
}

/// The situation of a run.
#[derive(Debug, Clone, Copy)]
pub struct ConfigReads {
    pub way: Way,
    pub environments: usize,
    /// In all, a second.
    pub rate: f64,
    pub seconds: u64,
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

/// Lets every environment read, each at its own moments.
pub async fn run(reads: ConfigReads) -> ConfigOutcome {
    let shop = Arc::new(Shop::open(Rules::new(reads.seed), Jitter::AsWritten).await);
    let product = shop.product("console", 29_900, 5_000).await;
    shop.sale(&product, 19_900, 5_000, 100.0).await;
    let environments: Vec<_> = (0..reads.environments).map(|_| shop.environment().context).collect();
    shop.start();

    let each = reads.rate / reads.environments as f64;
    let mut running = JoinSet::new();
    for (at, context) in environments.into_iter().enumerate() {
        let (shop, mut random) = (shop.clone(), Random::new(reads.seed ^ at as u64));
        running.spawn(async move {
            let (mut asked, mut failed, mut next) = (0, 0, random.gap(each));
            let end = Duration::from_secs(reads.seconds);
            let mut answers = JoinSet::new();
            while next < end {
                tokio::time::sleep(next.saturating_sub(shop.service.now())).await;
                asked += 1;
                // Moves the wall clock, by which the environment remembers.
                shop.clock();
                let context = context.clone();
                answers.spawn(async move { reads.way.read(&context).await });
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
