//! How many products of a result have which property.

use domain::CategoryPath;

/// Counts over all hits. What a query filters by is counted without that filter, so that a shopper sees the
/// alternatives to what they chose.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facets {
    /// The categories at the top.
    pub categories: Vec<CategoryCount>,
    pub manufacturers: Vec<ValueCount>,
    /// In ascending order, each with at least one product.
    pub prices: Vec<PriceRange>,
    /// Products that are not sold out.
    pub in_stock: u64,
    /// By the least average of their reviews, 4 stars first.
    pub rating: Vec<RatingCount>,
    /// The attributes that separate the products of this result best, and those that the query filters by.
    pub attributes: Vec<AttributeFacet>,
}

/// A category with the products in it and below.
#[derive(Debug, Clone, PartialEq)]
pub struct CategoryCount {
    pub path: CategoryPath,
    pub count: u64,
    pub below: Vec<CategoryCount>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueCount {
    pub value: String,
    pub count: u64,
}

/// Prices from `from` to less than `below`, in minor units; `None` has no upper end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRange {
    pub from: i64,
    pub below: Option<i64>,
    pub count: u64,
}

/// Products whose reviews average this many stars or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatingCount {
    pub stars: u64,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AttributeFacet {
    pub name: String,
    /// The most frequent first.
    pub values: Vec<ValueCount>,
}
