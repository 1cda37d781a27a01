//! Brings a table of an earlier version to what this one expects. Running it again changes nothing, and completes a
//! migration that was interrupted: what is done already is seen to be done.
//!
//! Categories were once one item that held every path, and nobody counted what was in them. Now each is an item, with the
//! number of its products. The one item stays as it is, so that the version before can still be run. Categories that were
//! stored in another spelling than NFC are spelled anew.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use domain::{CategoryPath, MAX_CATEGORY_DEPTH, Timestamp, UserId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use table::{
    StoreError, Table, keys,
    meter::{self, Cost},
};

/// Products counted side by side: enough to hide the round trip, too few to be throttled for.
const CONCURRENCY: usize = 16;

/// Categories that are made known at once.
const CATEGORIES: usize = 1_000;

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// In the plural.
    pub doing: &'static str,
    pub done: usize,
    /// How many there are, if that is known.
    pub of: Option<usize>,
}

/// What a migration came to. Its `Display` is the summary an operator reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Categories of the one item of before.
    pub categories: usize,
    /// Paths in it that are no category of today; nothing can be in them.
    pub unreadable: Vec<String>,
    /// Products whose category was stored in another spelling than NFC, in which lists do not find it.
    pub respelled: u64,
    /// Products that were looked at.
    pub products: usize,
    /// Of these, products that were not counted where they are.
    pub counted: usize,
    /// Products that do not read back, each with why.
    pub damaged: Vec<String>,
    pub cost: Cost,
    pub elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { categories, respelled, products, counted, unreadable, damaged, cost, elapsed } = self;
        write!(f, "categories of before {categories}, products {products}, of which counted anew {counted}, ")?;
        write!(f, "spelled anew {respelled}, ")?;
        write!(f, "not readable {} ", unreadable.len() + damaged.len())?;
        write!(f, "in {:.1} s, {:.0} WRU, {:.0} RRU", elapsed.as_secs_f64(), cost.wru, cost.rru)
    }
}

/// Whether the table is of a version before and was not migrated to the end yet.
///
/// # Errors
/// The table cannot be used.
pub async fn is_due(table: &Table) -> Result<bool, StoreError> {
    Ok(table.categories_before_get().await?.is_some_and(|before| !before.migrated))
}

/// Migrates everything that is of before. Customers can go on buying meanwhile, and staff can go on changing products.
///
/// # Errors
/// The table cannot be used. What was done stays done; running it again does the rest.
pub async fn run(table: &Table, now: Timestamp, progress: impl FnMut(Progress)) -> Result<Report, StoreError> {
    let started = Instant::now();
    let (report, costs) = meter::measure(migrate(table, now, progress)).await;
    Ok(Report { cost: costs.total, elapsed: started.elapsed(), ..report? })
}

async fn migrate(table: &Table, now: Timestamp, mut progress: impl FnMut(Progress)) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let before = table.categories_before_get().await?;
    if let Some(before) = &before {
        report.unreadable.clone_from(&before.unreadable);
        let actor: UserId = "migration".parse().expect("an id");
        for (done, path) in before.misspelled.iter().enumerate() {
            report.respelled += table.category_respell(path, &actor, now).await?;
            progress(Progress { doing: "spellings", done: done + 1, of: Some(before.misspelled.len()) });
        }
        let paths: Vec<&CategoryPath> = before.paths.iter().collect();
        for some in paths.chunks(CATEGORIES) {
            table.categories_add(&some.iter().copied().cloned().collect()).await?;
            report.categories += some.len();
            progress(Progress { doing: "categories", done: report.categories, of: Some(paths.len()) });
        }
    }
    count_products(table, &mut report, &mut progress).await?;
    pass_up(table, &mut progress).await?;
    if before.is_some() {
        table.categories_before_migrated().await?;
    }
    Ok(report)
}

/// Counts every product in the category that it is in.
async fn count_products(
    table: &Table,
    report: &mut Report,
    progress: &mut impl FnMut(Progress),
) -> Result<(), StoreError> {
    for shard in 0..keys::PRICE_SHARDS {
        let mut after = None;
        loop {
            let page = table.product_ids_by_shard(shard, after).await?;
            let count = |id: Result<_, StoreError>| async move { table.product_category_count(&id?).await };
            let mut counted = stream::iter(page.items).map(count).buffer_unordered(CONCURRENCY);
            while let Some(outcome) = counted.next().await {
                report.products += 1;
                match outcome {
                    Ok(outcome) => report.counted += usize::from(outcome.changed),
                    Err(error @ StoreError::Corrupt { .. }) => report.damaged.push(table::error_chain(&error)),
                    Err(error) => return Err(error),
                }
            }
            progress(Progress { doing: "products", done: report.products, of: None });
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Has every category pass on what it has to the one above it, the deepest first.
async fn pass_up(table: &Table, progress: &mut impl FnMut(Progress)) -> Result<(), StoreError> {
    let mut done = 0;
    for depth in (2..=MAX_CATEGORY_DEPTH).rev() {
        let mut after = None;
        loop {
            let page = table.category_counts_by_level(depth, after).await?;
            done += page.items.len();
            let behind = page.items.into_iter().filter(|count| count.is_behind());
            // By the category above, so that no two write the same one at once.
            let mut families: Vec<BTreeSet<CategoryPath>> = Vec::new();
            let mut last = None;
            for count in behind {
                let parent = count.category.path.parent();
                if parent != last || families.is_empty() {
                    families.push(BTreeSet::new());
                }
                families.last_mut().into_iter().for_each(|family| {
                    family.insert(count.category.path.clone());
                });
                last = parent;
            }
            let settle = |family| table.categories_settle(family);
            stream::iter(families).map(settle).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
            progress(Progress { doing: "numbers", done, of: None });
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}
