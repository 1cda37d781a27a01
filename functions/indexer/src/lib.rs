//! The indexer: once a minute it brings the index of the search up to date with the table.
//!
//! `projections` notes which products have changed. A run reads the notes, then the products, changes the last generation
//! of the index, stores the files of the next one, and only then names that in the manifest, on condition of the one
//! before. Notes are removed last. So whatever is interrupted is done again, and of two runs at the same time the second
//! one has no effect. A rebuild walks through the whole catalogue, over as many runs as it takes, while the last
//! generation answers.

mod documents;
mod poison;
mod queue;
mod rebuild;

use std::{collections::BTreeSet, sync::Arc};

use domain::{ProductId, Timestamp};
use futures::FutureExt as _;
use generations::{Generation, GenerationError, Generations};
use jiff::SignedDuration;
use runtime::Clock;
use search::{Change, Files, IndexError, Language, OpenError, Reader, Writer, schema_hash};
use serde::Serialize;
use stream::{DeadLetterError, DeadLetters};
use table::{
    ChangedProduct, Descriptions, GoneProduct, SearchManifest, SearchState, SearchWriteError, StoreError, Table,
    error_chain,
};
use tokio::sync::Mutex;

pub use poison::replay;

/// Generations that are kept: readers open the newest within seconds, and the others are there for those that are late.
const KEPT: usize = 3;

/// A deleted product is remembered for this long after a generation without it was published, so that every reader has
/// that generation by then.
const GONE_AFTER: SignedDuration = SignedDuration::from_mins(10);

#[derive(Debug, Clone)]
pub struct State {
    table: Table,
    descriptions: Descriptions,
    generations: Generations,
    dead_letters: DeadLetters,
    clock: Clock,
    language: Language,
    /// The name the function is deployed by: dead letters are replayed by it.
    name: String,
    /// What the last run of this environment published, so that the next one reads none of it again.
    last: Arc<Mutex<Generation>>,
}

impl State {
    pub fn new(
        table: Table,
        descriptions: Descriptions,
        dead_letters: DeadLetters,
        clock: Clock,
        language: Language,
    ) -> Self {
        let generations = Generations::new(descriptions.bucket().clone());
        let name = "indexer".to_owned();
        Self { table, descriptions, generations, dead_letters, clock, language, name, last: Arc::default() }
    }

    /// Under the name the function is deployed by, if any.
    #[must_use]
    pub fn deployed_as(mut self, name: Option<String>) -> Self {
        self.name = name.unwrap_or(self.name);
        self
    }

    fn schema(&self) -> String {
        schema_hash(self.language)
    }
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct IndexReport {
    /// The generation that answers after the run; 0 if there is none yet.
    pub generation: u64,
    /// Products that were indexed again, or removed from the index.
    pub changed: usize,
    /// Products that cannot be indexed: each became a dead letter.
    pub poison: usize,
    /// Products that a rebuild has read so far, if one is not finished.
    pub rebuilt: Option<u64>,
    /// How long the oldest change waits that is not in the index after the run.
    pub oldest_seconds: i64,
    /// Whether another process has published at the same time, so that this run had no effect.
    pub lost: bool,
}

impl IndexReport {
    /// What alarms use, with the names of the metrics.
    pub fn metrics(&self) -> [(&'static str, f64); 2] {
        let seconds = i32::try_from(self.oldest_seconds).map_or(f64::MAX, f64::from);
        let poison = u32::try_from(self.poison).map_or(f64::MAX, f64::from);
        [("SearchDelay", seconds), ("SearchPoison", poison)]
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error("the index cannot be opened")]
    Open(#[from] OpenError),
    #[error("the index cannot be changed")]
    Index(#[from] IndexError),
    #[error("a dead letter cannot be written")]
    DeadLetter(#[from] DeadLetterError),
}

/// One run. `deadline` is when Lambda ends the invocation: a rebuild stops in time before it.
///
/// # Errors
/// Nothing was published, or what was published is not cleaned up yet; the next run continues.
pub async fn run(state: &State, deadline: Option<Timestamp>) -> Result<IndexReport, RunError> {
    // Boxed: together the futures of the SDK are too deep for the compiler.
    match go(state, deadline).boxed().await {
        // The other process had the same notes, or leaves them to the next run.
        Err(Stop::Lost) => Ok(IndexReport { lost: true, ..IndexReport::default() }),
        Err(Stop::Failed(error)) => Err(error),
        Ok(report) => Ok(report),
    }
}

/// Why a run ends early.
enum Stop {
    Lost,
    Failed(RunError),
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<SearchWriteError> for Stop {
    fn from(error: SearchWriteError) -> Self {
        match error {
            SearchWriteError::Changed => Self::Lost,
            SearchWriteError::Store(error) => Self::Failed(error.into()),
        }
    }
}

async fn go(state: &State, deadline: Option<Timestamp>) -> Result<IndexReport, Stop> {
    let began = state.clock.now();
    let before = state.table.search_state_get_consistent().await?;
    let waiting = queue::waiting(&state.table).await?;
    let since = match (&before.manifest, &before.rebuild) {
        (Some(manifest), _) => manifest.as_of,
        (None, Some(rebuild)) => rebuild.requested_at,
        (None, None) => began,
    };
    let mut ids: BTreeSet<ProductId> = waiting.changes.iter().map(|change| change.id.clone()).collect();
    ids.extend(queue::sales_between(&state.table, since, began).await?);
    let mut last = state.last.lock().await;

    let serving = before.manifest.as_ref().filter(|manifest| manifest.schema == state.schema());
    let rebuild = match (&before.rebuild, serving) {
        (Some(rebuild), _) => Some(rebuild.clone()),
        (None, Some(_)) => None,
        // The first index, or the first one of another version of this program.
        (None, None) => Some(rebuild::begin(state, began).await?),
    };
    let mut report = IndexReport {
        generation: before.manifest.as_ref().map_or(0, |manifest| manifest.generation),
        ..IndexReport::default()
    };
    if ids.is_empty() && rebuild.is_none() {
        forget_gone(state, &before, began).await?;
        return Ok(report);
    }

    let read = documents::read(state, &ids).boxed().await?;
    let mut published = None;
    if let Some(rebuild) = rebuild {
        let go_on = rebuild::go_on(state, rebuild, before.manifest.as_ref(), &read.changes, began, deadline);
        match go_on.boxed().await? {
            rebuild::Progress::Finished(manifest, generation) => published = Some((manifest, generation)),
            rebuild::Progress::Unfinished(products) => report.rebuilt = Some(products),
        }
    }
    if published.is_none()
        && let Some(serving) = serving
        && !read.changes.is_empty()
    {
        match state.generations.load(serving.list(), &last).await {
            Ok(base) => published = Some(change(state, serving, base, &read.changes, began).await?),
            // Files of the generation were deleted or changed by others. Readers that have it open keep it.
            Err(GenerationError::Damaged { key, reason }) => {
                tracing::error!(key, reason, "the index is damaged; it is made again");
                rebuild::begin(state, began).await?;
                return Ok(report);
            }
            Err(error) => return Err(error.into()),
        }
    }

    // A product that cannot be indexed would otherwise be tried again every minute.
    for poison in &read.poison {
        poison::give_up(state, poison, began).await?;
    }
    report.poison = read.poison.len();
    // Without an index the notes wait: the rebuild may have passed these products already.
    let is_indexed = published.is_some() || report.rebuilt.is_some();
    if let Some((manifest, generation)) = published {
        report.generation = manifest.generation;
        *last = generation;
        clean_up(state, &before, &manifest).await;
    }
    if is_indexed {
        report.changed = ids.len();
        queue::done(&state.table, &waiting.changes, began).await?;
    }
    forget_gone(state, &before, began).await?;
    report.oldest_seconds = waiting.left_since.map_or(0, |since| began.duration_since(since).as_secs());
    Ok(report)
}

/// Makes and publishes the generation after `serving`.
async fn change(
    state: &State,
    serving: &SearchManifest,
    base: Generation,
    changes: &[Change],
    as_of: Timestamp,
) -> Result<(SearchManifest, Generation), Stop> {
    let before = base.list.clone();
    let mut writer = Writer::open(base.files)?;
    writer.apply(changes.iter().cloned())?;
    let files = writer.commit()?;
    let documents = documents_of(&files)?;
    let (list, generation) = state.generations.store(files, &before).await?;
    let manifest = SearchManifest {
        generation: serving.generation + 1,
        lists: kept(list, Some(serving)),
        schema: state.schema(),
        documents,
        bytes: generation.list.bytes(),
        as_of,
    };
    state.table.search_publish(&manifest).await?;
    Ok((manifest, generation))
}

/// The number of products in an index; nothing is published that cannot be opened.
fn documents_of(files: &Files) -> Result<u64, OpenError> {
    Ok(Reader::in_memory(files.clone())?.documents())
}

/// The lists that are kept once this one is published.
fn kept(list: String, before: Option<&SearchManifest>) -> Vec<String> {
    let before = before.into_iter().flat_map(|manifest| manifest.lists.iter().cloned());
    [list].into_iter().chain(before).take(KEPT).collect()
}

/// Removes the files of generations that are not kept any more. A failure costs only their storage, and
/// `ops search rebuild` removes them.
async fn clean_up(state: &State, before: &SearchState, published: &SearchManifest) {
    let old = before.manifest.iter().flat_map(|manifest| &manifest.lists);
    let old: Vec<_> = old.filter(|list| !published.lists.contains(list)).collect();
    let mut needed = published.lists.clone();
    needed.extend(before.rebuild.iter().filter_map(|rebuild| rebuild.list.clone()));
    for list in old {
        if let Err(error) = state.generations.remove(list, &needed).await {
            tracing::warn!(list, error = error_chain(&error), "an old generation could not be removed");
        }
    }
}

/// Forgets deleted products that no generation has which anybody may still read.
async fn forget_gone(state: &State, before: &SearchState, now: Timestamp) -> Result<(), StoreError> {
    let Some(manifest) = &before.manifest else { return Ok(()) };
    let over = |gone: &&GoneProduct| gone.at < manifest.as_of && now.duration_since(gone.at) > GONE_AFTER;
    for gone in before.gone.iter().filter(over) {
        state.table.search_gone_delete(gone).await?;
    }
    Ok(())
}

/// Products that wait, and how long those wait that this run does not reach.
#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<ChangedProduct>,
    left_since: Option<Timestamp>,
}
