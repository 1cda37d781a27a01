//! What a search engine has to do, as sentences: the same for the index of `search` and for OpenSearch. How well they
//! rank is measured elsewhere.
//!
//! With `TEST_OPENSEARCH_ENDPOINT` set to a URL the sentences are about the OpenSearch there: `cargo xtask opensearch`.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

mod catalogue;
mod changes;
mod facets;
mod filters;
mod hostile;
mod index;
mod pages;
mod texts;
