//! An index of its own for each test, on either engine.

use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
};

use domain::ProductId;
use opensearch::{Endpoint, OpenSearch};
use search::{
    Change, Document, Files, Filters, Found, Hit, Language, Query, QueryText, Reader, Rules, SearchEngine, Sort,
    SuggestQuery, Suggestions, Writer,
};

pub struct Index {
    place: Place,
    rules: Rules,
    /// The number of the last change.
    number: u64,
}

enum Place {
    Files(Files, Box<Reader>),
    OpenSearch(Box<OpenSearch>),
}

impl Index {
    pub async fn open(language: Language) -> Self {
        let place = match open_search(language).await {
            Some(engine) => {
                let index = engine.begin_rebuild().await.unwrap();
                engine.finish_rebuild(&index).await.unwrap();
                Place::OpenSearch(Box::new(engine))
            }
            None => {
                let files = Writer::create(language).commit().unwrap();
                let reader = Reader::in_memory(files.clone()).unwrap();
                Place::Files(files, Box::new(reader))
            }
        };
        Self { place, rules: Rules::default(), number: 0 }
    }

    /// An index in English with these products.
    pub async fn of(products: &[Document]) -> Self {
        let mut index = Self::open(Language::English).await;
        index.put(products).await;
        index
    }

    pub fn with_rules(self, json: &str) -> Self {
        Self { rules: Rules::parse(json.as_bytes(), Language::English).unwrap(), ..self }
    }

    /// Whether scores can be paged through. The imitation of OpenSearch compares them more precisely than it prints
    /// them.
    pub fn pages_scores(&self) -> bool {
        !self.is_open_search()
    }

    pub fn is_open_search(&self) -> bool {
        matches!(self.place, Place::OpenSearch(_))
    }

    pub async fn put(&mut self, products: &[Document]) {
        self.apply(products.iter().cloned().map(Box::new).map(Change::Put)).await;
    }

    pub async fn delete(&mut self, ids: &[&ProductId]) {
        self.apply(ids.iter().map(|id| Change::Delete((*id).clone()))).await;
    }

    /// Applies changes that were read one after the other, and makes them searchable.
    pub async fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        let changes = changes.into_iter().map(|change| {
            self.number += 1;
            (change, self.number)
        });
        let changes: Vec<_> = changes.collect();
        self.apply_numbered(changes).await;
    }

    pub async fn apply_numbered(&mut self, changes: Vec<(Change, u64)>) {
        match &mut self.place {
            Place::Files(files, reader) => {
                let mut writer = Writer::open(files.clone()).unwrap();
                writer.apply(changes.into_iter().map(|(change, _)| change)).unwrap();
                *files = writer.commit().unwrap();
                **reader = Reader::in_memory(files.clone()).unwrap();
            }
            Place::OpenSearch(engine) => {
                let applied = engine.apply(changes).await.unwrap();
                assert_eq!(applied.refused, []);
                engine.refresh().await.unwrap();
            }
        }
    }

    fn engine(&self) -> &dyn SearchEngine {
        match &self.place {
            Place::Files(.., reader) => reader.as_ref(),
            Place::OpenSearch(engine) => engine.as_ref(),
        }
    }

    pub async fn search(&self, query: &Query) -> Found {
        self.engine().search(query, &self.rules).await.unwrap_or_else(|error| panic!("{query:?}: {error:?}"))
    }

    pub async fn suggest(&self, text: &str) -> Suggestions {
        let query = SuggestQuery { text: QueryText::parse(text).unwrap(), limit: SuggestQuery::MAX_LIMIT };
        self.engine().suggest(&query).await.unwrap_or_else(|error| panic!("{query:?}: {error:?}"))
    }

    /// Every hit, page by page.
    pub async fn all(&self, query: &Query) -> Vec<Hit> {
        let mut query = query.clone();
        let mut hits = Vec::new();
        loop {
            let found = self.search(&query).await;
            hits.extend(found.hits);
            assert!(hits.len() < 10_000, "pages without an end: {query:?}");
            let Some(next) = found.next else { return hits };
            query.after = Some(next);
        }
    }

    /// The ids of all hits, in the order of ids.
    pub async fn ids(&self, query: &Query) -> Vec<String> {
        let query = &Query { sort: Sort::Newest, limit: Query::MAX_LIMIT, ..query.clone() };
        let mut ids: Vec<_> = self.all(query).await.into_iter().map(|hit| hit.id.to_string()).collect();
        ids.sort();
        ids
    }
}

/// The engine that the tests are run on, with an alias that no other test has; `None` for the index of `search`.
pub async fn open_search(language: Language) -> Option<OpenSearch> {
    static INDEXES: AtomicU32 = AtomicU32::new(0);
    let endpoint = env::var("TEST_OPENSEARCH_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty())?;
    let alias = format!("products-{language}-{}-{}", process::id(), INDEXES.fetch_add(1, Ordering::Relaxed));
    let config = aws::of_function(table::http_client()).await;
    let endpoint = Endpoint::parse(&endpoint).unwrap();
    Some(OpenSearch::new(&config, &endpoint, alias.parse().unwrap(), language).unwrap())
}

/// A query that lists what passes filters.
pub fn filtered(filters: &Filters) -> Query {
    Query { filters: filters.clone(), sort: Sort::Newest, limit: Query::MAX_LIMIT, ..Query::default() }
}

/// A query for a text, as it is typed.
pub fn text(text: &str) -> Query {
    Query { text: QueryText::parse(text), limit: 20, ..Query::default() }
}
