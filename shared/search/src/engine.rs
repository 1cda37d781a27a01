use std::error::Error;

use futures::future::BoxFuture;

use crate::{Found, Query, Rules, SuggestQuery, Suggestions};

/// A search engine: the index of this crate, or a server of a third party.
pub trait SearchEngine: Send + Sync {
    fn search<'a>(&'a self, query: &'a Query, rules: &'a Rules) -> BoxFuture<'a, Result<Found, EngineError>>;

    fn suggest<'a>(&'a self, query: &'a SuggestQuery) -> BoxFuture<'a, Result<Suggestions, EngineError>>;
}

/// The engine does not answer, or its files are damaged. The query is never the reason.
#[derive(Debug, thiserror::Error)]
#[error("the search engine failed: {context}")]
pub struct EngineError {
    pub context: &'static str,
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
