//! What OpenSearch answers to a search. It may be anything: what cannot be read is an error, never a panic.

use std::collections::{BTreeMap, HashMap};

use search::{EngineError, Found, Hit, Position, Query};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    client::failed,
    correction::{self, Word},
    facets, highlights,
    product::Shown,
    request::MATCHING,
    schema::field,
    sorting::Order,
};

#[derive(Debug, Deserialize)]
pub(crate) struct SearchAnswer {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
    #[serde(default)]
    pub(crate) aggregations: Aggregations,
    #[serde(default)]
    suggest: HashMap<String, Vec<Word>>,
}

#[derive(Debug, Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Debug, Deserialize)]
struct Hits {
    total: Total,
    hits: Vec<StoredHit>,
}

#[derive(Debug, Deserialize)]
struct Total {
    value: u64,
}

#[derive(Debug, Deserialize)]
struct StoredHit {
    #[serde(rename = "_source")]
    source: Shown,
    #[serde(default)]
    sort: Vec<Value>,
    #[serde(default)]
    highlight: HashMap<String, Vec<String>>,
}

pub(crate) type Aggregations = BTreeMap<String, Aggregation>;

/// What is counted below a filter.
#[derive(Debug, Deserialize)]
pub(crate) struct Aggregation {
    doc_count: u64,
    values: Option<Values>,
}

#[derive(Debug, Deserialize)]
struct Values {
    doc_count: Option<u64>,
    #[serde(default)]
    buckets: Vec<Bucket>,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    key: String,
    doc_count: u64,
}

impl Aggregation {
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let buckets = self.values.iter().flat_map(|values| &values.buckets);
        buckets.map(|bucket| (bucket.key.clone(), bucket.doc_count)).collect()
    }

    /// Of a filter below the filter.
    pub(crate) fn inner_count(&self) -> Option<u64> {
        self.values.as_ref()?.doc_count
    }
}

impl SearchAnswer {
    /// # Errors
    /// It is the answer of a part of the index.
    pub(crate) fn complete(self) -> Result<Self, EngineError> {
        let complete = !self.timed_out && self.shards.failed == 0;
        complete
            .then_some(self)
            .ok_or_else(|| failed("OpenSearch searched a part of the index only", "shards failed or were late"))
    }

    /// Products that match, before filters.
    pub(crate) fn matching(&self) -> u64 {
        self.aggregations.get(MATCHING).map_or(self.hits.total.value, |matching| matching.doc_count)
    }

    /// The text with its misspelled words corrected, if it has any.
    pub(crate) fn correction(&self, text: &str) -> Option<String> {
        correction::corrected(text, self.suggest.get(correction::NAME)?)
    }

    pub(crate) fn sources(self) -> impl Iterator<Item = Shown> {
        self.hits.hits.into_iter().map(|hit| hit.source)
    }

    pub(crate) fn found(self, query: &Query, corrected: Option<String>) -> Result<Found, EngineError> {
        let limit = query.limit.min(Query::MAX_LIMIT);
        let total = self.hits.total.value;
        let next = match self.hits.hits.len() > limit {
            true => limit.checked_sub(1).map(|last| position(&self.hits.hits[last], query)).transpose()?,
            false => None,
        };
        let facets = facets::read(&self.aggregations, &query.filters, total);
        let hits = self.hits.hits.into_iter().take(limit).map(hit).collect::<Result<_, _>>()?;
        Ok(Found { hits, total, facets, corrected, next })
    }
}

fn position(hit: &StoredHit, query: &Query) -> Result<Position, EngineError> {
    let position = Order::of(query).position(&hit.sort);
    position.ok_or_else(|| {
        failed("a hit of OpenSearch has no place in the order", "its sort values are missing or of another kind")
    })
}

fn hit(StoredHit { source, highlight, .. }: StoredHit) -> Result<Hit, EngineError> {
    let marked = highlight.get(field::NAME).and_then(|fragments| fragments.first());
    let highlights = marked.map(|marked| highlights::ranges(&source.name, marked)).unwrap_or_default();
    source.into_hit(highlights)
}
