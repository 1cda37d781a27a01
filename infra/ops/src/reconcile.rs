//! Compares derived data with its sources: projections with orders, stock with orders and ledger, objects with the
//! products that point to them. Repairs differences on request.
//!
//! The shop stays open meanwhile. So each difference is checked again a little later, and stock that is changing is not
//! judged.

mod objects;
mod orders;
mod pages;
mod report;
mod stock;

use std::time::{Duration, Instant};

use domain::{ProductId, Timestamp};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use table::{BucketError, Descriptions, StoreError, Table};

use stock::StockAudit;

pub use report::{Finding, LookedAt, NotVerified, Outcome, Problem, Report, Skipped, Why};

/// The default number of days.
const DAYS: i64 = 7;

/// Items read concurrently: enough to hide the round trip, too few to be throttled.
const CONCURRENCY: usize = 16;

/// What can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Orders,
    Stock,
    Objects,
}

#[derive(Debug, Clone)]
pub struct Options {
    /// The first UTC day on which orders were placed; `None` is six days before today, or if only stock is compared,
    /// the day the oldest product was created.
    pub from: Option<Date>,
    /// The last one; `None` is today.
    pub to: Option<Date>,
    /// Empty is everything.
    pub only: Vec<Check>,
    /// Whether to repair what is wrong.
    pub repair: bool,
    /// The time at the start.
    pub now: Timestamp,
    /// The minimum wait before a difference is checked again.
    pub second_look: Duration,
}

impl Options {
    fn includes(&self, check: Check) -> bool {
        self.only.is_empty() || self.only.contains(&check)
    }
}

/// The progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// In the plural.
    pub looking_at: &'static str,
    /// How many of them so far.
    pub seen: usize,
    /// Steps done, and how many there are if that is known.
    pub done: usize,
    pub of: Option<usize>,
}

/// Why it stopped before its end. Repairs stay, and running it again compares everything again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error("the comparison stopped; run it again")]
    Table(#[from] StoreError),
    #[error("the comparison stopped at the objects; run it again")]
    Objects(#[from] BucketError),
}

/// Compares, reports, and repairs if [`Options::repair`] is set.
///
/// # Errors
/// Differences and malformed items are not errors: they are in the report.
pub async fn run(
    table: &Table,
    descriptions: &Descriptions,
    options: &Options,
    mut progress: impl FnMut(Progress),
) -> Result<Report, ReconcileError> {
    let clock = Clock { now: options.now, started: Instant::now() };
    let report = Report { repair: options.repair, ..Report::default() };
    let mut run = Run { table, descriptions, options, clock, report, progress: &mut progress };

    // Stock first: the stock of products whose orders change from here on is not judged.
    let mut audit = match options.includes(Check::Stock) {
        true => Some(stock::read(&mut run).await?),
        false => None,
    };
    let oldest = audit.as_ref().and_then(StockAudit::oldest_day);
    let mut orders = orders::Orders::new(options, oldest);
    if let (Some(_), Some(from)) = (&audit, oldest.filter(|oldest| !orders.are_all_since(*oldest))) {
        run.report.skipped.push(Skipped::Stock { from });
        audit = None;
    }
    let mut look_again = None;
    let in_a_while = || Some(tokio::time::Instant::now() + options.second_look);
    if options.includes(Check::Orders) || audit.is_some() {
        orders.go_through(&mut run, audit.as_mut()).await?;
        look_again = orders.look_wrong().then(in_a_while).flatten();
    }
    if let Some(audit) = &mut audit {
        stock::add_ledgers(&mut run, audit).await?;
        look_again = audit.look_wrong().then(in_a_while).flatten().or(look_again);
    }
    let mut candidates = Vec::new();
    if options.includes(Check::Objects) {
        candidates = objects::candidates(&mut run).await?;
        look_again = (!candidates.is_empty()).then(in_a_while).flatten().or(look_again);
    }

    if let Some(at) = look_again {
        tokio::time::sleep_until(at).await;
    }
    orders.verify(&mut run).await?;
    if let Some(mut audit) = audit.filter(StockAudit::look_wrong) {
        // An index may lag: orders that were not in it before are added.
        orders.go_through(&mut run, Some(&mut audit)).await?;
        stock::verify(&mut run, &audit).await?;
        stock::verify_flags(&mut run, &audit).await?;
        stock::verify_sales(&mut run, &audit).await?;
    }
    objects::verify(&mut run, candidates).await?;
    Ok(run.report)
}

/// Shared by all parts.
struct Run<'a> {
    table: &'a Table,
    descriptions: &'a Descriptions,
    options: &'a Options,
    clock: Clock,
    report: Report,
    progress: &'a mut dyn FnMut(Progress),
}

impl Run<'_> {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reports a malformed item and continues; every other error ends the run.
    fn readable<T>(&mut self, read: Result<T, StoreError>) -> Result<Option<T>, ReconcileError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error @ StoreError::Corrupt { .. }) => {
                self.report.add_damaged(&error);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The time that was passed in, plus the time elapsed since.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Timestamp,
    started: Instant,
}

impl Clock {
    fn now(self) -> Timestamp {
        self.now + self.started.elapsed()
    }
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned_datetime(TimeZone::UTC).date()
}

/// From the first to the last, inclusive.
fn days(from: Date, to: Date) -> Vec<Date> {
    from.series(1.day()).take_while(|day| *day <= to).collect()
}

/// The distinct products among some.
fn distinct(products: impl IntoIterator<Item = ProductId>) -> Vec<ProductId> {
    std::collections::BTreeSet::from_iter(products).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_the_end_of_a_month() {
        let (from, to): (Date, Date) = ("2024-02-28".parse().unwrap(), "2024-03-01".parse().unwrap());

        let days: Vec<_> = days(from, to).iter().map(Date::to_string).collect();

        assert_eq!(days, ["2024-02-28", "2024-02-29", "2024-03-01"]);
        assert_eq!(super::days(to, from), []);
    }

    #[test]
    fn a_day_is_one_of_utc() {
        let late: Timestamp = "2024-01-01T23:59:59.999Z".parse().unwrap();

        assert_eq!(day_of(late).to_string(), "2024-01-01");
    }
}
