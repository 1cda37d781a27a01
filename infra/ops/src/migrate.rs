//! Migrates a table of an earlier version. Running it again changes nothing, and completes an interrupted migration: it
//! recognises what is done already.
//!
//! Categories used to be one item with every path, without numbers of products. Now each is an item, with the number of
//! its products. The one item stays unchanged, so that the previous version can still run. Categories that are not
//! stored in NFC are normalised.
//!
//! Orders used to be found by customer, state and day only. Now each has entries by which staff find it.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use domain::{CategoryPath, MAX_CATEGORY_DEPTH, OrderId, OrderState, Timestamp, UserId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{
    ToSpan,
    civil::{Date, date},
    tz::TimeZone,
};
use table::{
    StoreError, Table, keys,
    meter::{self, Cost},
};

/// Products counted concurrently: enough to hide the round trip, too few to be throttled.
const CONCURRENCY: usize = 16;

/// The day of the first version: no order is older.
pub const FIRST_DAY: Date = date(2026, 11, 22);

/// Categories that are created in one call.
const CATEGORIES: usize = 1_000;

/// The progress of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// In the plural.
    pub doing: &'static str,
    pub done: usize,
    /// The total, if known.
    pub of: Option<usize>,
}

/// The result of a migration. Its `Display` is the summary for the operator.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Categories in the old item.
    pub categories: usize,
    /// Paths in it that are not valid categories; no product can be in them.
    pub unreadable: Vec<String>,
    /// Products whose category was not stored in NFC, so that lists did not find them.
    pub respelled: u64,
    /// Products that were checked.
    pub products: usize,
    /// Of these, products that were not counted in their category.
    pub counted: usize,
    /// Orders that were checked.
    pub orders: usize,
    /// Of these, orders that staff did not find by everything they are found by.
    pub found: usize,
    /// Malformed products and orders, each with its error.
    pub damaged: Vec<String>,
    pub cost: Cost,
    pub elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { categories, respelled, products, counted, orders, found, unreadable, damaged, cost, elapsed } = self;
        write!(f, "categories of the old item {categories}, products {products}, of these newly counted {counted}, ")?;
        write!(f, "normalised {respelled}, ")?;
        write!(f, "orders {orders}, of these newly found by number, e-mail or payment {found}, ")?;
        write!(f, "malformed {} ", unreadable.len() + damaged.len())?;
        write!(f, "in {:.1} s, {:.0} WRU, {:.0} RRU", elapsed.as_secs_f64(), cost.wru, cost.rru)
    }
}

/// Whether the table is of an earlier version and is not completely migrated.
///
/// # Errors
/// The table cannot be used.
pub async fn is_due(table: &Table) -> Result<bool, StoreError> {
    Ok(table.categories_before_get().await?.is_some_and(|before| !before.migrated))
}

/// Migrates everything of earlier versions. Customers and staff can use the shop meanwhile. Of orders, those placed since
/// a UTC day; without one, none.
///
/// # Errors
/// The table cannot be used. Running it again continues from there.
pub async fn run(
    table: &Table,
    now: Timestamp,
    orders_since: Option<Date>,
    mut progress: impl FnMut(Progress),
) -> Result<Report, StoreError> {
    let started = Instant::now();
    let work = async {
        let mut report = migrate(table, now, &mut progress).await?;
        if let Some(since) = orders_since {
            find_orders(table, now, since, &mut report, &mut progress).await?;
        }
        Ok::<_, StoreError>(report)
    };
    let (report, costs) = meter::measure(work).await;
    Ok(Report { cost: costs.total, elapsed: started.elapsed(), ..report? })
}

/// Writes what staff find an order by, where it is missing: first of orders with something open, then of every day.
async fn find_orders(
    table: &Table,
    now: Timestamp,
    since: Date,
    report: &mut Report,
    progress: &mut impl FnMut(Progress),
) -> Result<(), StoreError> {
    for shard in 0..keys::DUE_SHARDS {
        let mut after = None;
        loop {
            let page = table.order_ids_by_due_shard(shard, after).await?;
            find_some(table, page.items, report).await?;
            progress(Progress { doing: "orders", done: report.orders, of: None });
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    // A function's clock may be ahead: orders of tomorrow can exist a little before midnight.
    let last = now.to_zoned_datetime(TimeZone::UTC).date().saturating_add(1.day());
    for day in since.series(1.day()).take_while(|day| *day <= last) {
        let settled = OrderState::ALL.into_iter().filter(|state| !state.awaits_payment());
        for (state, shard) in settled.flat_map(|state| (0..keys::STATE_SHARDS).map(move |shard| (state, shard))) {
            let mut after = None;
            loop {
                let page = table.order_ids_by_state(state, &day.to_string(), shard, after).await?;
                find_some(table, page.items, report).await?;
                progress(Progress { doing: "orders", done: report.orders, of: None });
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    Ok(())
}

async fn find_some(
    table: &Table,
    ids: Vec<Result<OrderId, StoreError>>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let find = |id: Result<OrderId, StoreError>| async move {
        let Some(order) = table.order_get_for_shop(id?).await? else { return Ok(false) };
        let missing = !table.order_found_missing(&order).await?.is_empty();
        if missing {
            table.order_found_put(&order, None).await?;
        }
        Ok(missing)
    };
    let mut found = stream::iter(ids).map(find).buffer_unordered(CONCURRENCY);
    while let Some(outcome) = found.next().await {
        report.orders += 1;
        match outcome {
            Ok(missing) => report.found += usize::from(missing),
            Err(error @ StoreError::Corrupt { .. }) => report.damaged.push(table::error_chain(&error)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
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

/// Counts every product in its category.
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

/// Adds the numbers of every category to the one above it, the deepest first.
async fn pass_up(table: &Table, progress: &mut impl FnMut(Progress)) -> Result<(), StoreError> {
    let mut done = 0;
    for depth in (2..=MAX_CATEGORY_DEPTH).rev() {
        let mut after = None;
        loop {
            let page = table.category_counts_by_level(depth, after).await?;
            done += page.items.len();
            let behind = page.items.into_iter().filter(|count| count.is_behind());
            // Grouped by the category above, so that no two writes of it are concurrent.
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
