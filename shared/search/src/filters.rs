//! Which filters of a query a product fails.

use std::{collections::HashMap, io, ops::Bound};

use tantivy::columnar::StrColumn;

use crate::{
    Filters,
    index::{
        ATTRIBUTE_SEPARATOR,
        segment::{Doc, Segment},
    },
};

/// The filters that a product fails, one bit each. A product is a hit if it fails none; it is counted in the facet of a
/// filter if it fails at most that one.
pub(crate) type Failed = u64;

pub(crate) const CATEGORY: Failed = 1;
pub(crate) const PRICE: Failed = 1 << 1;
pub(crate) const STOCK: Failed = 1 << 2;
pub(crate) const MANUFACTURER: Failed = 1 << 3;
const FIRST_ATTRIBUTE: u32 = 4;

/// The bit of the attribute that is the query's nth. Beyond what a number has bits for, attributes share the last one.
pub(crate) fn attribute(nth: usize) -> Failed {
    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
    1 << (FIRST_ATTRIBUTE.saturating_add(nth)).min(Failed::BITS - 1)
}

/// The filters of a query, with values as their numbers in one segment.
pub(crate) struct SegmentFilters<'a> {
    segment: &'a Segment,
    filters: &'a Filters,
    /// Whether each category is the one that is filtered by, or below it.
    categories: Option<Vec<bool>>,
    manufacturers: Option<Vec<u64>>,
    attributes: Vec<Vec<u64>>,
}

impl<'a> SegmentFilters<'a> {
    pub(crate) fn new(segment: &'a Segment, filters: &'a Filters) -> io::Result<Self> {
        let within = |sought| segment.paths.iter().map(|path| path.is_within(sought)).collect();
        let manufacturers = match filters.manufacturers.is_empty() {
            true => None,
            false => Some(numbers(segment.manufacturers.as_ref(), filters.manufacturers.iter().cloned())?),
        };
        let attribute = |(name, values): (&String, &Vec<String>)| {
            let labels = values.iter().map(|value| format!("{name}{ATTRIBUTE_SEPARATOR}{value}"));
            numbers(segment.attribute_values.as_ref(), labels)
        };
        Ok(Self {
            segment,
            filters,
            categories: filters.category.as_ref().map(within),
            manufacturers,
            attributes: filters.attributes.iter().map(attribute).collect::<io::Result<_>>()?,
        })
    }

    pub(crate) fn failed(&self, doc: Doc) -> Failed {
        let (segment, filters) = (self.segment, self.filters);
        let mut failed = 0;
        if let Some(categories) = &self.categories {
            let number = first(segment.categories.as_ref(), doc);
            let is_within = number.and_then(|number| categories.get(number as usize)).copied().unwrap_or(false);
            failed |= if is_within { 0 } else { CATEGORY };
        }
        if filters.min_price.is_some() || filters.max_price.is_some() {
            let price = segment.price.get_val(doc);
            let is_in_range =
                filters.min_price.is_none_or(|min| price >= min) && filters.max_price.is_none_or(|max| price <= max);
            failed |= if is_in_range { 0 } else { PRICE };
        }
        if filters.in_stock && segment.sold_out.get_val(doc) {
            failed |= STOCK;
        }
        if let Some(manufacturers) = &self.manufacturers {
            let number = first(segment.manufacturers.as_ref(), doc);
            failed |= if number.is_some_and(|number| manufacturers.contains(&number)) { 0 } else { MANUFACTURER };
        }
        for (nth, numbers) in self.attributes.iter().enumerate() {
            let (_, values) = segment.attributes.of(doc);
            let has = values.iter().any(|value| numbers.contains(&u64::from(*value)));
            failed |= if has { 0 } else { attribute(nth) };
        }
        failed
    }
}

/// The number of a product's first value.
pub(crate) fn first(column: Option<&StrColumn>, doc: Doc) -> Option<u64> {
    column.and_then(|column| column.ords().first(doc))
}

fn numbers(column: Option<&StrColumn>, values: impl Iterator<Item = String>) -> io::Result<Vec<u64>> {
    let Some(column) = column else { return Ok(Vec::new()) };
    let mut numbers = Vec::new();
    for value in values {
        numbers.extend(column.dictionary().term_ord(value)?);
    }
    Ok(numbers)
}

/// The numbers of an attribute's values: they are consecutive, because values are sorted and begin with the name.
pub(crate) fn values_of(column: &StrColumn, name: &str) -> io::Result<std::ops::Range<u64>> {
    let lower = format!("{name}{ATTRIBUTE_SEPARATOR}");
    let upper = format!("{name}{}", char::from(ATTRIBUTE_SEPARATOR as u8 + 1));
    let bounds = (Bound::Included(lower), Bound::Excluded(upper));
    let (from, to) = column.dictionary().term_bounds_to_ord(bounds.0, bounds.1)?;
    let count = column.num_terms() as u64;
    let start = match from {
        Bound::Included(number) => number,
        Bound::Excluded(number) => number.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match to {
        Bound::Included(number) => number.saturating_add(1),
        Bound::Excluded(number) => number,
        Bound::Unbounded => count,
    };
    Ok(start.min(count)..end.min(count))
}

/// Counts by number: a table where there are many products, a map where a table would be mostly empty.
pub(crate) enum Counts {
    Table(Vec<u32>),
    Map(HashMap<u64, u32>),
}

impl Counts {
    pub(crate) fn new(numbers: usize, products: usize) -> Self {
        /// Clearing a table costs about as much as counting a few products in a map.
        const VALUES_PER_PRODUCT: usize = 64;
        match numbers <= products.saturating_mul(VALUES_PER_PRODUCT).max(4_096) {
            true => Self::Table(vec![0; numbers]),
            false => Self::Map(HashMap::new()),
        }
    }

    pub(crate) fn add(&mut self, number: u64) {
        match self {
            Self::Table(counts) => {
                if let Some(count) = counts.get_mut(number as usize) {
                    *count += 1;
                }
            }
            Self::Map(counts) => *counts.entry(number).or_default() += 1,
        }
    }

    /// How many different numbers were counted.
    pub(crate) fn distinct(&self) -> usize {
        match self {
            Self::Table(counts) => counts.iter().filter(|count| **count > 0).count(),
            Self::Map(counts) => counts.len(),
        }
    }

    /// Those that were counted.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (u64, u64)> + '_> {
        match self {
            Self::Table(counts) => {
                Box::new((0..).zip(counts).filter(|(_, count)| **count > 0).map(|(at, count)| (at, u64::from(*count))))
            }
            Self::Map(counts) => Box::new(counts.iter().map(|(at, count)| (*at, u64::from(*count)))),
        }
    }
}
