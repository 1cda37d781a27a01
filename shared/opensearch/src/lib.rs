//! OpenSearch as the search engine: its REST API, in the dozen requests that the shop makes, without an SDK.
//!
//! [`OpenSearch`] answers what the index of `search` answers, through the same trait. Products are in indexes
//! `<alias>-<number>`, of which the alias names the one that is searched: a rebuild fills the next one and then moves
//! the alias. Each change carries a number of its own, so that a late or repeated one changes nothing.
//!
//! `docs/search.md` says how to set it up, and what differs from the index of `search`.

mod answer;
mod bulk;
mod client;
mod correction;
mod endpoint;
mod facets;
mod filters;
mod highlights;
mod indexes;
mod measures;
mod product;
mod request;
mod rules;
mod schema;
mod sorting;
mod suggest;

pub use bulk::{Applied, Refused};
pub use client::OpenSearch;
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use indexes::{IndexName, InvalidIndexName};
