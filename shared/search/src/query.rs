//! What is asked, and what is answered.

use std::{collections::BTreeMap, ops::Range};

use domain::{CategoryPath, Money, ProductId, Timestamp, visible_text};
use serde::{Deserialize, Serialize};

use crate::Facets;

/// A search, or without a text a filtered list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    pub text: Option<QueryText>,
    pub filters: Filters,
    pub sort: Sort,
    /// At most [`Query::MAX_LIMIT`] hits are returned.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Position>,
    /// Whether words that are probably misspelled are corrected; `false` searches for the text as it was typed.
    pub correct: bool,
}

impl Query {
    pub const MAX_LIMIT: usize = 100;
}

/// The text of a query: one line without invisible characters, of at most [`QueryText::MAX_CHARS`] characters and
/// [`QueryText::MAX_WORDS`] words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryText(String);

impl QueryText {
    pub const MAX_CHARS: usize = 200;
    pub const MAX_WORDS: usize = 16;
    /// What is looked at of a longer text before it is normalised.
    const MAX_RAW_CHARS: usize = 1_000;

    /// The text in NFC, with one space between words. Control and invisible characters separate words. What is too long
    /// is cut, never refused: a search has no wrong input. `None` if nothing is left.
    pub fn parse(raw: &str) -> Option<Self> {
        let raw: String = raw.chars().take(Self::MAX_RAW_CHARS).collect();
        let text: String = visible_text(&raw).chars().take(Self::MAX_CHARS).collect();
        let words: Vec<_> = text.split_whitespace().take(Self::MAX_WORDS).collect();
        (!words.is_empty()).then(|| Self(words.join(" ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a product has to be, besides matching the text. Several values of one filter are alternatives; several filters
/// all apply.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filters {
    /// This category or one below it.
    pub category: Option<CategoryPath>,
    /// The lowest price, in minor units.
    pub min_price: Option<i64>,
    /// The highest price, in minor units.
    pub max_price: Option<i64>,
    /// Only what is not sold out.
    pub in_stock: bool,
    pub manufacturers: Vec<String>,
    /// Values by the attribute's name.
    pub attributes: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// The best match first; of a query without text, the newest.
    #[default]
    Relevance,
    /// The cheapest first.
    Price,
    /// The dearest first.
    PriceDescending,
    Newest,
    /// The best rated first; what has no review is last.
    Rating,
}

/// Where a page ended: the last hit's sort value and id. It names no place in an index, so the next page can come from
/// another generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub value: SortValue,
    pub id: String,
}

/// What hits are sorted by, largest first: a number whose order is the sort's, made by the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SortValue(pub i64);

/// A page of hits, and what is known about all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// Hits of all pages.
    pub total: u64,
    pub facets: Facets,
    /// The text that was searched instead of the one in the query.
    pub corrected: Option<String>,
    /// Where this page ended, if another one follows.
    pub next: Option<Position>,
}

/// A product as a list shows it, as it was when it was indexed.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub id: ProductId,
    pub name: String,
    pub price: Money,
    /// What it costs outside of a sale.
    pub list_price: Money,
    pub thumbnail: Option<String>,
    pub sold_out: bool,
    pub category: CategoryPath,
    pub manufacturer: Option<String>,
    pub reviews: u64,
    pub average_tenths: Option<u64>,
    pub created_at: Timestamp,
    /// The product's version that was indexed.
    pub version: u64,
    /// Byte ranges of the name that match the query, in order, without overlaps.
    pub highlights: Vec<Range<usize>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &str) -> Option<String> {
        QueryText::parse(raw).map(|text| text.0)
    }

    #[test]
    fn a_text_is_one_line_of_visible_words() {
        assert_eq!(parsed("  usb\tstick\u{200b}\n64 GB \u{0}").as_deref(), Some("usb stick 64 GB"));
        assert_eq!(parsed("Cafe\u{301}").as_deref(), Some("Café"));
        assert_eq!((parsed(""), parsed(" \u{202e}\u{7} ")), (None, None));
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(parsed(&"ab ".repeat(5_000)).unwrap().split(' ').count(), QueryText::MAX_WORDS);
        assert_eq!(parsed(&"ö".repeat(10_000)).unwrap().chars().count(), QueryText::MAX_CHARS);
    }
}
