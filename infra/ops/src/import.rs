//! Imports products from JSON Lines. The records are untrusted: a bad one is rejected and reported, the others are
//! imported. Importing a file again is always safe, and completes an interrupted import.

mod format;
mod intake;
mod lines;
mod record;
mod rejects;

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, BufRead},
    time::{Duration, Instant},
};

use domain::{CategoryPath, Currency, Timestamp};
use futures::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use table::{
    DescriptionError, Descriptions, Existing, ImportOutcome, ImportRecord, ProductRecord, Says, StoreError, Table,
    meter::{self, Cost},
};

use intake::{Accepted, Intake, Place};
pub use lines::open;
pub use record::FIELDS;
pub use rejects::{Reject, RejectsFile, default_rejects_path};

/// Concurrent batches: enough to hide the round trip, too few to be throttled.
const BATCHES_IN_FLIGHT: usize = 4;
/// Batches after which the categories found so far are created, so that products can be browsed during a long import.
const BATCHES_BETWEEN_CATEGORIES: usize = 20;

/// Settings for all records of an import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Whether fields that are not in a line are cleared. Otherwise they stay unchanged.
    pub replace: bool,
    /// Whether to apply lines that are unchanged since their last import, overwriting later changes by staff.
    pub force: bool,
    /// Initial stock of a new product whose record has none: 0 to one billion.
    pub default_stock: i64,
    /// The actor of the first line in the stock ledger.
    pub actor: String,
    /// The shop's currency, if known: lines in another are rejected.
    pub currency: Option<Currency>,
    /// The time of creation and change of the products.
    pub now: Timestamp,
}

impl ImportOptions {
    /// Lines that differ from the last import change the fields they have; new products have no stock.
    pub fn new(actor: &str, now: Timestamp) -> Self {
        Self { replace: false, force: false, default_stock: 0, actor: actor.to_owned(), currency: None, now }
    }
}

/// The result of an import. Its `Display` is the summary for the operator.
#[derive(Debug, Clone, Default)]
pub struct ImportReport {
    pub created: usize,
    pub updated: usize,
    pub unchanged: usize,
    /// Rejected lines, each of which was reported.
    pub rejected: usize,
    pub cost: Cost,
    pub elapsed: Duration,
}

/// The progress of an import.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Products that are in the table now, whether written by this import or before.
    pub products: usize,
    pub rejected: usize,
}

/// Why an import stopped before its end. What was imported stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Every line would be rejected, for one reason. Nothing was written.
    #[error("the file is not JSON Lines: {0}")]
    Format(String),
    #[error("line {line} cannot be read; the file may be damaged or cut off")]
    Read { line: usize, source: io::Error },
    #[error("the rejected lines cannot be reported")]
    Rejects(#[source] io::Error),
    #[error("the import stopped; run the same import again to complete it")]
    Table(#[from] StoreError),
    #[error("the import stopped at a description; run the same import again to complete it")]
    Descriptions(#[from] DescriptionError),
}

/// Imports every valid record of `input`, in batches of 50; existing products get the values of their line, and their
/// stock stays unchanged. Each rejected record is passed to `reject`, in no particular order; `progress` is called
/// after each batch.
///
/// `input` is text; [`open`] makes it from a plain or a gzip file. Reading it blocks the task.
///
/// # Errors
/// Bad records are not errors. Unless the file has another format, running the import again completes it.
pub async fn import(
    table: &Table,
    descriptions: &Descriptions,
    input: impl BufRead,
    options: &ImportOptions,
    reject: impl FnMut(Reject) -> io::Result<()>,
    progress: impl FnMut(Progress),
) -> Result<ImportReport, ImportError> {
    let started = Instant::now();
    let tally = Tally { report: ImportReport::default(), reject, progress };
    let work = load_all(table, descriptions, Intake::new(input, options), options, tally);
    let (report, costs) = meter::measure(work).await;
    Ok(ImportReport { cost: costs.total, elapsed: started.elapsed(), ..report? })
}

impl ImportReport {
    /// Products of the input that are in the table now.
    pub fn products(&self) -> usize {
        self.created + self.updated + self.unchanged
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created, updated, unchanged, rejected, cost, elapsed } = self;
        let seconds = elapsed.as_secs_f64();
        // Avoids a division by zero for an empty file.
        let per_second = self.products() as f64 / seconds.max(0.001);
        write!(f, "created {created}, updated {updated}, unchanged {unchanged}, rejected {rejected} ")?;
        write!(f, "in {seconds:.1} s ({per_second:.0} products/s), {:.0} WRU, {:.0} RRU", cost.wru, cost.rru)
    }
}

async fn load_all<I, J, P>(
    table: &Table,
    descriptions: &Descriptions,
    mut intake: Intake<'_, I>,
    options: &ImportOptions,
    mut tally: Tally<J, P>,
) -> Result<ImportReport, ImportError>
where
    I: BufRead,
    J: FnMut(Reject) -> io::Result<()>,
    P: FnMut(Progress),
{
    let mut in_flight = FuturesUnordered::new();
    let mut batches = 0_usize;
    let mut known = BTreeSet::new();
    loop {
        let batch = intake.batch(|reject| tally.reject(reject))?;
        if batch.is_empty() {
            break;
        }
        in_flight.push(load(table, descriptions, batch, options));
        batches += 1;
        if in_flight.len() >= BATCHES_IN_FLIGHT
            && let Some(loaded) = in_flight.next().await
        {
            tally.settle(loaded?)?;
        }
        if batches.is_multiple_of(BATCHES_BETWEEN_CATEGORIES) {
            make_known(table, &intake.categories, &mut known).await?;
        }
    }
    while let Some(loaded) = in_flight.next().await {
        tally.settle(loaded?)?;
    }
    make_known(table, &intake.categories, &mut known).await?;
    Ok(tally.report)
}

/// Creates the new categories, each of which is checked only once in an import.
async fn make_known(
    table: &Table,
    seen: &BTreeSet<CategoryPath>,
    known: &mut BTreeSet<CategoryPath>,
) -> Result<(), StoreError> {
    let new: BTreeSet<_> = seen.difference(known).cloned().collect();
    table.categories_add(&new).await?;
    known.extend(new);
    Ok(())
}

async fn load(
    table: &Table,
    descriptions: &Descriptions,
    batch: Vec<Accepted>,
    options: &ImportOptions,
) -> Result<Vec<(Place, ImportOutcome)>, ImportError> {
    // S3 first, then the item: an item never points to a missing object.
    let described =
        try_join_all(batch.into_iter().map(|accepted| with_description(descriptions, accepted, options))).await?;
    let (places, records): (Vec<Place>, Vec<ImportRecord>) = described.into_iter().unzip();
    let existing = if options.force { Existing::ChangeAll } else { Existing::Change };
    let outcomes = table.products_import(&records, existing, &options.actor, options.now).await?;
    Ok(places.into_iter().zip(outcomes).collect())
}

async fn with_description(
    descriptions: &Descriptions,
    accepted: Accepted,
    options: &ImportOptions,
) -> Result<(Place, ImportRecord), DescriptionError> {
    let Accepted { place, parsed } = accepted;
    let description = match parsed.description {
        Some(text) => Some(descriptions.store(&parsed.product.id, text, options.now).await?),
        None => None,
    };
    let record = ProductRecord { product: parsed.product, description, imported: Some(parsed.digest) };
    let says = if options.replace { Says::Everything } else { Says::Only(Box::new(parsed.said)) };
    Ok((place, ImportRecord { record, stock: parsed.stock, says }))
}

/// Counts, and reports the progress.
struct Tally<J, P> {
    report: ImportReport,
    reject: J,
    progress: P,
}

impl<J, P> Tally<J, P>
where
    J: FnMut(Reject) -> io::Result<()>,
    P: FnMut(Progress),
{
    fn reject(&mut self, reject: Reject) -> Result<(), ImportError> {
        self.report.rejected += 1;
        (self.reject)(reject).map_err(ImportError::Rejects)
    }

    fn settle(&mut self, loaded: Vec<(Place, ImportOutcome)>) -> Result<(), ImportError> {
        for (place, outcome) in loaded {
            match outcome {
                ImportOutcome::Created => self.report.created += 1,
                ImportOutcome::Updated | ImportOutcome::Unfinished => self.report.updated += 1,
                ImportOutcome::Unchanged | ImportOutcome::Exists => self.report.unchanged += 1,
                ImportOutcome::AttributesRefused => {
                    let reason = "attrs: together with the existing ones they exceed the limits of a product; put all attributes in the line";
                    self.reject(place.rejected(reason))?;
                }
                ImportOutcome::Unwritten => {
                    self.reject(place.rejected("the table did not write it; run the import again"))?;
                }
            }
        }
        (self.progress)(Progress { products: self.report.products(), rejected: self.report.rejected });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_shows_counts_time_and_cost() {
        let report = ImportReport {
            created: 9_000,
            updated: 20,
            unchanged: 80,
            rejected: 29,
            cost: Cost { wru: 40_512.0, rru: 9_129.0, ..Cost::default() },
            elapsed: Duration::from_millis(10_000),
        };

        assert_eq!(
            report.to_string(),
            "created 9000, updated 20, unchanged 80, rejected 29 in 10.0 s (910 products/s), 40512 WRU, 9129 RRU"
        );
    }

    #[test]
    fn a_product_that_was_not_written_is_reported_with_its_line() {
        let mut rejects = Vec::new();
        let reject = |r: Reject| -> io::Result<()> {
            rejects.push(r);
            Ok(())
        };
        let mut tally = Tally { report: ImportReport::default(), reject, progress: |_: Progress| {} };
        let place = |line| Place { line, text: "{}".to_owned() };

        tally.settle(vec![(place(1), ImportOutcome::Created), (place(2), ImportOutcome::Unwritten)]).unwrap();

        let report = tally.report;
        assert_eq!((report.created, report.rejected), (1, 1));
        let reason = "the table did not write it; run the import again".to_owned();
        assert_eq!(rejects, [Reject { line: 2, reason, text: "{}".to_owned() }]);
    }
}
