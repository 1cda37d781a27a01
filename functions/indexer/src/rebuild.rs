//! A rebuild makes a new index from the whole catalogue, over as many runs as it takes, while the last one answers.
//!
//! The catalogue is read in the order of its price index, and after each run the files so far and the position are
//! stored. What changes meanwhile is applied to both indexes, so a product that the rebuild has passed already is right as
//! well.

use std::collections::BTreeSet;

use domain::Timestamp;
use generations::{Generation, GenerationError};
use jiff::SignedDuration;
use search::{Change, Writer};
use table::{SearchManifest, SearchRebuild, keys::PRICE_SHARDS};

use crate::{State, Stop, documents, documents_of, kept, poison};

/// What is left of an invocation when a rebuild stops reading: enough to store what it has.
const RESERVE: SignedDuration = SignedDuration::from_secs(60);

/// Products of one run, so that what they changed meanwhile does not wait longer than a few minutes.
const OF_A_RUN: u64 = 50_000;

pub enum Progress {
    Finished(SearchManifest, Generation),
    /// The number of products so far.
    Unfinished(u64),
}

/// Begins a rebuild because the index is missing, damaged, or of another version of the program.
pub async fn begin(state: &State, now: Timestamp) -> Result<SearchRebuild, Stop> {
    let rebuild = SearchRebuild {
        requested_at: now,
        by: "indexer".to_owned(),
        list: None,
        schema: state.schema(),
        shard: 0,
        after: None,
        products: 0,
        version: 1,
    };
    state.table.search_rebuild_write(&rebuild).await?;
    Ok(rebuild)
}

/// Applies what has changed, reads on, and stores the result; publishes it if it is complete.
pub async fn go_on(
    state: &State,
    mut rebuild: SearchRebuild,
    serving: Option<&SearchManifest>,
    changes: &[Change],
    began: Timestamp,
    deadline: Option<Timestamp>,
) -> Result<Progress, Stop> {
    if rebuild.schema != state.schema() {
        // Another version of this program began it.
        rebuild = from_the_beginning(state, rebuild);
    }
    let mut stored = rebuild.list.clone();
    let base = match &stored {
        Some(list) => state.generations.load(list, &Generation::default()).await,
        None => Ok(Generation::default()),
    };
    let base = match base {
        Err(GenerationError::Damaged { key, reason }) => {
            tracing::error!(key, reason, "what a rebuild has stored is damaged; it begins again");
            rebuild = from_the_beginning(state, rebuild);
            stored = None;
            Generation::default()
        }
        loaded => loaded?,
    };
    let mut writer = match &stored {
        Some(_) => Writer::open(base.files)?,
        None => Writer::create(state.language),
    };
    writer.apply(changes.iter().cloned())?;

    let has_time = || deadline.is_none_or(|deadline| deadline.duration_since(state.clock.now()) > RESERVE);
    let until = rebuild.products + OF_A_RUN;
    while rebuild.shard < PRICE_SHARDS && rebuild.products < until && has_time() {
        let page = state.table.product_ids_by_shard(rebuild.shard, rebuild.after.take()).await?;
        let mut ids = BTreeSet::new();
        for id in page.items {
            match id {
                Ok(id) => drop(ids.insert(id)),
                Err(error) => {
                    tracing::error!(error = table::error_chain(&error), "an entry of the catalogue is skipped")
                }
            }
        }
        let read = documents::read(state, &ids).await?;
        for poison in &read.poison {
            poison::give_up(state, poison, began).await?;
        }
        writer.apply(read.changes)?;
        rebuild.products += ids.len() as u64;
        rebuild.after = page.next;
        if rebuild.after.is_none() {
            rebuild.shard += 1;
        }
    }

    let files = writer.commit()?;
    let documents = documents_of(&files)?;
    let (list, generation) = state.generations.store(files, &base.list).await?;
    if rebuild.shard < PRICE_SHARDS {
        let products = rebuild.products;
        let next = SearchRebuild { list: Some(list.clone()), version: rebuild.version + 1, ..rebuild };
        state.table.search_rebuild_write(&next).await?;
        remove(state, stored, serving, Some(list)).await;
        return Ok(Progress::Unfinished(products));
    }
    let manifest = SearchManifest {
        generation: serving.map_or(0, |manifest| manifest.generation) + 1,
        lists: kept(list, serving),
        schema: state.schema(),
        documents,
        bytes: generation.list.bytes(),
        as_of: began,
    };
    state.table.search_rebuild_end(&manifest, &rebuild).await?;
    tracing::info!(products = rebuild.products, documents, generation = manifest.generation, "the index was rebuilt");
    remove(state, stored, Some(&manifest), None).await;
    Ok(Progress::Finished(manifest, generation))
}

fn from_the_beginning(state: &State, rebuild: SearchRebuild) -> SearchRebuild {
    SearchRebuild { list: None, schema: state.schema(), shard: 0, after: None, products: 0, ..rebuild }
}

/// Removes what the run before stored.
async fn remove(state: &State, stored: Option<String>, serving: Option<&SearchManifest>, next: Option<String>) {
    let Some(stored) = stored else { return };
    let kept: Vec<_> = serving.into_iter().flat_map(|manifest| manifest.lists.clone()).chain(next).collect();
    if let Err(error) = state.generations.remove(&stored, &kept).await {
        tracing::warn!(list = stored, error = table::error_chain(&error), "files of a rebuild could not be removed");
    }
}
