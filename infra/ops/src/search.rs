//! The search index: what it is made of, making it again, comparing it with the table, and explaining an order of hits.

use std::{fmt, time::Duration};

use domain::{ProductId, Timestamp};
use futures::future::try_join_all;
use generations::{Generation, GenerationError, Generations};
use jiff::SignedDuration;
use search::{EngineError, Explanation, Found, InvalidRules, Language, OpenError, Query, Reader, Rules};
use serde::Serialize;
use table::{
    SearchManifest, SearchRebuild, SearchRulesAt, SearchState, SearchWriteError, StoreError, Table,
    keys::{PRICE_SHARDS, SEARCH_SHARDS},
};

/// Waiting products of one shard that are counted.
const COUNTED: i32 = 2_000;

/// What interrupted runs left is deleted once it is older than this, longer than any run lasts.
const LEFT_OVER_AFTER: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("there is no search index yet: does the indexer run?")]
    NoIndex,

    #[error("another process has changed it at the same time; run it again")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error("the index cannot be opened")]
    Open(#[from] OpenError),
    #[error("the rules are not valid")]
    Rules(#[from] InvalidRules),
    #[error("the rules are of version {current} by now, not {replaces}: read them again")]
    RulesChanged { current: u64, replaces: u64 },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<SearchWriteError> for SearchError {
    fn from(error: SearchWriteError) -> Self {
        match error {
            SearchWriteError::Changed => Self::Changed,
            SearchWriteError::Store(error) => Self::Store(error),
        }
    }
}

/// The state of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub generation: u64,
    pub documents: u64,
    pub bytes: u64,
    /// It has every change up to here, RFC 3339.
    pub as_of: Option<String>,
    /// Products that wait to be indexed; of more than 8,000 the first.
    pub waiting: usize,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<String>,
    /// Products that a rebuild has read so far, if one is in progress.
    pub rebuilt: Option<u64>,
    /// Deleted products that are hidden until every reader has a generation without them.
    pub hidden: usize,
    /// The version of the rules; 0 without any.
    pub rules: u64,
}

pub async fn status(table: &Table) -> Result<Status, StoreError> {
    let SearchState { manifest, rebuild, rules, gone } = table.search_state_get_consistent().await?;
    let waiting = try_join_all((0..SEARCH_SHARDS).map(|shard| table.search_changes_get(shard, COUNTED))).await?;
    let waiting: Vec<_> = waiting.into_iter().flatten().collect();
    Ok(Status {
        generation: manifest.as_ref().map_or(0, |manifest| manifest.generation),
        documents: manifest.as_ref().map_or(0, |manifest| manifest.documents),
        bytes: manifest.as_ref().map_or(0, |manifest| manifest.bytes),
        as_of: manifest.map(|manifest| manifest.as_of.to_string()),
        waiting: waiting.len(),
        waiting_since: waiting.iter().map(|change| change.since).min().map(|since| since.to_string()),
        rebuilt: rebuild.map(|rebuild| rebuild.products),
        hidden: gone.len(),
        rules: rules.map_or(0, |rules| rules.version),
    })
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, documents, bytes, as_of, waiting, waiting_since, rebuilt, hidden, rules } = self;
        match as_of {
            Some(as_of) => writeln!(f, "generation {generation}: {documents} products, {bytes} bytes, as of {as_of}")?,
            None => writeln!(f, "no index yet")?,
        }
        match waiting_since {
            Some(since) => writeln!(f, "{waiting} products wait to be indexed, the oldest since {since}")?,
            None => writeln!(f, "no product waits to be indexed")?,
        }
        if let Some(products) = rebuilt {
            writeln!(f, "a rebuild is in progress: {products} products so far")?;
        }
        write!(f, "{hidden} deleted products are hidden; rules of version {rules}")
    }
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub products: u64,
    /// About as many as there are.
    pub of: u64,
}

/// Asks the indexer to make the index again, and waits until it has; the one before answers meanwhile. If that is
/// interrupted, the indexer goes on, and a second call waits for it. At last it deletes what interrupted runs left in S3.
///
/// # Errors
/// The table or the bucket cannot be used, or a rebuild that is in progress was to be begun again by two at once.
pub async fn rebuild(
    table: &Table,
    generations: &Generations,
    by: &str,
    restart: bool,
    poll: Duration,
    mut show: impl FnMut(Progress),
) -> Result<SearchManifest, SearchError> {
    let before = table.search_state_get_consistent().await?;
    let begun = |version| SearchRebuild {
        requested_at: Timestamp::now(),
        by: by.to_owned(),
        list: None,
        // The indexer sees that this is not its own, and begins with an empty index.
        schema: "requested".to_owned(),
        shard: 0,
        after: None,
        products: 0,
        version,
    };
    match &before.rebuild {
        Some(running) if restart => table.search_rebuild_write(&begun(running.version + 1)).await?,
        Some(_) => {}
        None => table.search_rebuild_write(&begun(1)).await?,
    }
    let of = before.manifest.as_ref().map_or(0, |manifest| manifest.documents);
    loop {
        let state = table.search_state_get_consistent().await?;
        match (state.rebuild, state.manifest) {
            (Some(rebuild), _) => show(Progress { products: rebuild.products, of: of.max(rebuild.products) }),
            (None, Some(manifest)) => {
                generations.sweep(&manifest.lists, Timestamp::now() - LEFT_OVER_AFTER).await?;
                return Ok(manifest);
            }
            (None, None) => return Err(SearchError::NoIndex),
        }
        tokio::time::sleep(poll).await;
    }
}

/// The generation that answers, opened.
async fn open(table: &Table, generations: &Generations) -> Result<(SearchState, Reader), SearchError> {
    let state = table.search_state_get_consistent().await?;
    let manifest = state.manifest.as_ref().ok_or(SearchError::NoIndex)?;
    let generation = generations.load(manifest.list(), &Generation::default()).await?;
    Ok((state, Reader::in_memory(generation.files.clone())?))
}

/// The index compared with the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub in_table: u64,
    pub in_index: u64,
    /// Products that wait to be indexed, so that both may differ by as many.
    pub waiting: usize,
    pub compared: usize,
    /// Of those that were compared, the products whose version in the index is another, or that are not in it.
    pub differ: Vec<String>,
}

impl Verified {
    /// Whether everything that differs is explained by what waits.
    pub fn is_right(&self) -> bool {
        let waiting = self.waiting as u64;
        self.in_table.abs_diff(self.in_index) <= waiting && self.differ.is_empty()
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_table, in_index, waiting, compared, differ } = self;
        for product in differ {
            writeln!(f, "{product} differs in the index")?;
        }
        let differ = differ.len();
        write!(
            f,
            "{in_table} products in the table, {in_index} in the index, {waiting} wait; {compared} compared, {differ} differ"
        )
    }
}

/// Compares the number of products, and a sample of them: each `every`th.
///
/// # Errors
/// The index cannot be opened, or the table cannot be read.
pub async fn verify(table: &Table, generations: &Generations, sample: usize) -> Result<Verified, SearchError> {
    let (_, reader) = open(table, generations).await?;
    let mut ids: Vec<ProductId> = Vec::new();
    for shard in 0..PRICE_SHARDS {
        let mut after = None;
        loop {
            let page = table.product_ids_by_shard(shard, after).await?;
            // An entry that cannot be read is what `reconcile` reports.
            ids.extend(page.items.into_iter().flatten());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let waiting = try_join_all((0..SEARCH_SHARDS).map(|shard| table.search_changes_get(shard, COUNTED))).await?;
    let waiting: Vec<_> = waiting.into_iter().flatten().map(|change| change.id).collect();
    let step = ids.len().div_ceil(sample.max(1)).max(1);
    let sample: Vec<_> = ids.iter().step_by(step).filter(|id| !waiting.contains(id)).cloned().collect();
    let mut differ = Vec::new();
    for (id, product) in table.search_products_get(&sample).await? {
        let indexed = reader.product(&id)?.map(|hit| hit.version);
        if product.ok().map(|product| product.record.product.version) != indexed {
            differ.push(id.to_string());
        }
    }
    Ok(Verified {
        in_table: ids.len() as u64,
        in_index: reader.documents(),
        waiting: waiting.len(),
        compared: sample.len(),
        differ,
    })
}

/// The rules that apply, as JSON, and their version: those of staff, or the starter rules of the language as version 0.
///
/// # Errors
/// The table or the bucket cannot be used.
pub async fn rules(table: &Table, generations: &Generations, language: Language) -> Result<(u64, String), SearchError> {
    match table.search_state_get_consistent().await?.rules {
        Some(rules) => Ok((rules.version, generations.load_rules(&rules.s3_key).await?)),
        None => Ok((0, Rules::starter_json(language).to_owned())),
    }
}

/// Replaces the rules of this version, and returns the next one. Searches use them within seconds; the rules before stay in
/// S3.
///
/// # Errors
/// They are not valid, they were changed since they were read, or the table or the bucket cannot be used.
pub async fn put_rules(
    table: &Table,
    generations: &Generations,
    language: Language,
    text: String,
    replaces: u64,
) -> Result<u64, SearchError> {
    Rules::parse(text.as_bytes(), language)?;
    let current = table.search_state_get_consistent().await?.rules.map_or(0, |rules| rules.version);
    if current != replaces {
        return Err(SearchError::RulesChanged { current, replaces });
    }
    let by = "ops".parse().map_err(|e| StoreError::Unavailable(Box::new(e)))?;
    let s3_key = generations.store_rules(text).await?;
    let next = SearchRulesAt { version: current + 1, s3_key, updated_at: Timestamp::now(), by };
    table.search_rules_put(&next).await?;
    Ok(next.version)
}

/// What a query finds, and why in this order.
pub struct Tried {
    pub found: Found,
    pub explained: Vec<(ProductId, Option<Explanation>)>,
}

/// Answers a query as the function would, and explains the score of each hit.
///
/// # Errors
/// The index cannot be opened.
pub async fn explain(table: &Table, generations: &Generations, query: &Query) -> Result<Tried, SearchError> {
    let (state, reader) = open(table, generations).await?;
    let rules = match &state.rules {
        Some(rules) => Rules::parse(generations.load_rules(&rules.s3_key).await?.as_bytes(), reader.language())?,
        None => Rules::starter(reader.language()),
    };
    let found = reader.search_now(query, &rules)?;
    let explain = |id: &ProductId| reader.explain(query, &rules, id);
    let explained =
        found.hits.iter().map(|hit| Ok((hit.id.clone(), explain(&hit.id)?))).collect::<Result<_, EngineError>>()?;
    Ok(Tried { found, explained })
}
