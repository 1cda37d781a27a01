//! Search: what is asked and answered, how text is analysed and ranked, and the index of a shop's products.
//!
//! The index is a set of immutable files, so it can be kept wherever files can be: a [`Writer`] makes the next set from
//! the last one, a [`Reader`] searches one. No network, no clock and no async runtime: callers load and store the files.
//! [`SearchEngine`] is what a function calls, because a search server of a third party can stand in the reader's place.
//!
//! `docs/search.md` explains analysis and ranking, and says what was measured.

mod analysis;
mod counting;
mod document;
mod engine;
mod facets;
mod filters;
mod html;
mod index;
mod language;
mod query;
mod ranking;
mod rules;
mod suggest;
mod top;

/// What every engine counts, and identifies products by, in the same way.
pub mod alike {
    pub use crate::{
        counting::{
            MAX_ATTRIBUTES, MAX_CANDIDATES, MAX_DISTINCT, MAX_VALUES, Prices, STARS, category_tree, may_separate,
            most_frequent, separates,
        },
        index::{
            ATTRIBUTE_SEPARATOR,
            facts::{attribute_text, identifier, identifiers, is_facet},
        },
    };
}

pub use document::{Change, Document};
pub use engine::{EngineError, SearchEngine};
pub use facets::{AttributeFacet, CategoryCount, Facets, PriceRange, RatingCount, ValueCount};
pub use index::{
    Files, IndexError, OpenError, Writer,
    reader::{Explanation, Reader},
    schema_hash,
};
pub use language::Language;
pub use query::{Filters, Found, Hit, Position, Query, QueryText, Sort, SortValue};
pub use ranking::Ranking;
pub use rules::{InvalidRules, QueryRule, Rules, SynonymRule};
pub use suggest::{SuggestQuery, SuggestedProduct, Suggestions};
