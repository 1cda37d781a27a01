//! Counts the facets of a result.

use std::{collections::BTreeMap, io};

use domain::CategoryPath;
use tantivy::columnar::StrColumn;

use crate::{
    AttributeFacet, CategoryCount, Facets, Filters, PriceRange, RatingCount, ValueCount,
    filters::{self, Counts, Failed, first, values_of},
    index::{
        ATTRIBUTE_SEPARATOR,
        segment::{Doc, Segment},
    },
};

/// Manufacturers, and values of an attribute, that a facet shows.
pub const MAX_VALUES: usize = 20;
/// Attributes that a result shows, beside those it is filtered by.
pub const MAX_ATTRIBUTES: usize = 8;
/// An attribute with more values in a result is no way to narrow it.
pub const MAX_DISTINCT: usize = 200;
/// Attributes that are looked at more closely.
pub const MAX_CANDIDATES: usize = 24;
const MAX_PRICE_RANGES: usize = 6;

/// The products of a segment that match the text, with the filters that each fails.
pub(crate) struct Counted<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) docs: Vec<(Doc, Failed)>,
}

/// Facets over all segments.
pub(crate) fn facets(counted: &[Counted<'_>], filters: &Filters) -> io::Result<Facets> {
    let mut categories = BTreeMap::<CategoryPath, u64>::new();
    let mut manufacturers = BTreeMap::new();
    let mut prices = Prices::new();
    let (mut in_stock, mut rating) = (0, [0_u64; STARS.len()]);
    for Counted { segment, docs } in counted {
        let mut by_category = Counts::new(segment.paths.len(), docs.len());
        let makers = segment.manufacturers.as_ref().map_or(0, |column| column.num_terms());
        let mut by_manufacturer = Counts::new(makers, docs.len());
        for (doc, failed) in docs {
            let counts_in = |filter: Failed| failed & !filter == 0;
            if counts_in(filters::CATEGORY)
                && let Some(number) = first(segment.categories.as_ref(), *doc)
            {
                by_category.add(number);
            }
            if counts_in(filters::MANUFACTURER)
                && let Some(number) = first(segment.manufacturers.as_ref(), *doc)
            {
                by_manufacturer.add(number);
            }
            if counts_in(filters::PRICE) {
                prices.add(segment.price.get_val(*doc));
            }
            if counts_in(filters::STOCK) {
                in_stock += u64::from(!segment.sold_out.get_val(*doc));
            }
            if counts_in(0) {
                let average = segment.rating.get_val(*doc);
                STARS.iter().zip(&mut rating).for_each(|(stars, count)| *count += u64::from(average >= stars * 10));
            }
        }
        for (number, count) in by_category.iter() {
            if let Some(path) = segment.paths.get(number as usize) {
                *categories.entry(path.clone()).or_default() += count;
            }
        }
        add_named(&mut manufacturers, segment.manufacturers.as_ref(), &by_manufacturer)?;
    }
    let rating = STARS.iter().zip(rating).map(|(stars, count)| RatingCount { stars: *stars, count });
    Ok(Facets {
        categories: tree(&categories),
        manufacturers: most_frequent(manufacturers, MAX_VALUES, &filters.manufacturers),
        prices: prices.ranges(),
        in_stock,
        rating: rating.filter(|rating| rating.count > 0).collect(),
        attributes: attributes(counted, filters)?,
    })
}

/// Averages that are counted, in stars.
pub const STARS: [u64; 4] = [4, 3, 2, 1];

fn add_named(named: &mut BTreeMap<String, u64>, column: Option<&StrColumn>, counts: &Counts) -> io::Result<()> {
    let Some(column) = column else { return Ok(()) };
    each_label(column, 0, counts, |name, count| *named.entry(name.to_owned()).or_default() += count)
}

/// Calls `each` with the labels of numbers that were counted, from `start` on. Labels are compressed in blocks, so they are
/// read in one pass.
fn each_label(column: &StrColumn, start: u64, counts: &Counts, mut each: impl FnMut(&str, u64)) -> io::Result<()> {
    let mut counted: Vec<(u64, u64)> = counts.iter().collect();
    counted.sort_unstable();
    let numbers: Vec<u64> = counted.iter().map(|(number, _)| start + number).collect();
    let mut counted = counted.into_iter();
    column.dictionary().sorted_ords_to_term_cb(&numbers, |label| {
        if let (Some((_, count)), Ok(label)) = (counted.next(), std::str::from_utf8(label)) {
            each(label, count);
        }
    })?;
    Ok(())
}

/// The most frequent values, and those that are filtered by even if they are rarer.
pub fn most_frequent(counts: BTreeMap<String, u64>, limit: usize, chosen: &[String]) -> Vec<ValueCount> {
    let mut values: Vec<_> = counts.into_iter().map(|(value, count)| ValueCount { value, count }).collect();
    // Equally frequent ones stay in the order of their names.
    values.sort_by_key(|value| std::cmp::Reverse(value.count));
    let mut at = 0;
    values.retain(|value| {
        at += 1;
        at <= limit || chosen.contains(&value.value)
    });
    values
}

/// Categories with what is below them counted in.
fn tree(counts: &BTreeMap<CategoryPath, u64>) -> Vec<CategoryCount> {
    let mut totals = BTreeMap::<CategoryPath, u64>::new();
    for (path, count) in counts {
        for level in path.levels() {
            *totals.entry(level).or_default() += count;
        }
    }
    category_tree(&totals)
}

/// Categories as a tree, from the number of products in each and below.
pub fn category_tree(totals: &BTreeMap<CategoryPath, u64>) -> Vec<CategoryCount> {
    children(totals, None)
}

fn children(totals: &BTreeMap<CategoryPath, u64>, parent: Option<&CategoryPath>) -> Vec<CategoryCount> {
    let depth = parent.map_or(0, CategoryPath::depth) + 1;
    let is_child = |path: &&CategoryPath| path.depth() == depth && parent.is_none_or(|parent| path.is_within(parent));
    let count = |path: &CategoryPath| {
        let below = children(totals, Some(path));
        CategoryCount { path: path.clone(), count: totals.get(path).copied().unwrap_or_default(), below }
    };
    let mut all: Vec<_> = totals.keys().filter(is_child).map(count).collect();
    all.sort_by_key(|category| std::cmp::Reverse(category.count));
    all
}

/// Prices, counted in ranges that grow as 1, 2, 5, 10.
pub struct Prices {
    /// Where each range begins.
    from: Vec<i64>,
    counts: Vec<u64>,
}

impl Default for Prices {
    fn default() -> Self {
        Self::new()
    }
}

impl Prices {
    pub fn new() -> Self {
        let powers = std::iter::successors(Some(100_i64), |power| Some(power * 10));
        let powers = powers.take_while(|power| *power <= domain::MAX_PRICE_MINOR);
        let from: Vec<i64> = [0].into_iter().chain(powers.flat_map(|power| [power, 2 * power, 5 * power])).collect();
        Self { counts: vec![0; from.len()], from }
    }

    /// Where each range begins, in ascending order.
    pub fn starts(&self) -> &[i64] {
        &self.from
    }

    fn add(&mut self, price: i64) {
        self.add_many(price, 1);
    }

    /// Adds products of one price, or of prices in one range.
    pub fn add_many(&mut self, price: i64, products: u64) {
        let range = self.from.partition_point(|from| *from <= price).saturating_sub(1);
        self.counts[range] = self.counts[range].saturating_add(products);
    }

    /// Neighbours with few products become one range until there are few ranges.
    pub fn ranges(self) -> Vec<PriceRange> {
        let counted = self.from.into_iter().zip(self.counts).filter(|(_, count)| *count > 0);
        let mut ranges: Vec<(i64, u64)> = counted.collect();
        while ranges.len() > MAX_PRICE_RANGES {
            let together = |at: &usize| ranges[*at].1.saturating_add(ranges[at + 1].1);
            let Some(least) = (0..ranges.len() - 1).min_by_key(together) else { break };
            ranges[least].1 = together(&least);
            ranges.remove(least + 1);
        }
        let below = |at: usize| ranges.get(at + 1).map(|(from, _)| *from);
        let range =
            |(at, (from, count)): (usize, &(i64, u64))| PriceRange { from: *from, below: below(at), count: *count };
        ranges.iter().enumerate().map(range).collect()
    }
}

/// The attributes that are filtered by, and those that separate the hits.
fn attributes(counted: &[Counted<'_>], filters: &Filters) -> io::Result<Vec<AttributeFacet>> {
    let mut named = BTreeMap::new();
    let mut hits = 0;
    for Counted { segment, docs } in counted {
        let found = docs.iter().filter(|(_, failed)| *failed == 0);
        hits += found.clone().count() as u64;
        let Some(column) = &segment.attribute_names else { continue };
        let mut counts = Counts::new(column.num_terms(), docs.len());
        for (doc, _) in found {
            segment.attributes.of(*doc).0.iter().for_each(|name| counts.add(u64::from(*name)));
        }
        add_named(&mut named, Some(column), &counts)?;
    }
    let chosen: Vec<&String> = filters.attributes.keys().collect();
    let mut candidates: Vec<_> = named.into_iter().filter(|(name, _)| !chosen.contains(&name)).collect();
    candidates.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    // What few hits have separates few of them.
    candidates.retain(|(_, count)| may_separate(*count, hits));
    candidates.truncate(MAX_CANDIDATES);

    let mut names: Vec<(String, Failed)> =
        chosen.iter().enumerate().map(|(nth, name)| ((*name).clone(), filters::attribute(nth))).collect();
    names.extend(candidates.iter().map(|(name, _)| (name.clone(), 0)));
    let values = values(counted, &names)?;

    let (of_chosen, others) = values.split_at(chosen.len());
    let mut facets = Vec::new();
    for (name, values) in chosen.iter().zip(of_chosen) {
        let values = values.clone().unwrap_or_default();
        let values = most_frequent(values, MAX_VALUES, &filters.attributes[*name]);
        facets.push(AttributeFacet { name: (*name).clone(), values });
    }
    let known = candidates.iter().zip(others).filter_map(|((name, _), values)| Some((name, values.as_ref()?)));
    let mut separating: Vec<_> = known.map(|(name, values)| (separates(values, hits), name, values)).collect();
    separating.retain(|(separates, ..)| *separates > 0.0);
    separating.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    for (_, name, values) in separating.into_iter().take(MAX_ATTRIBUTES) {
        facets.push(AttributeFacet { name: name.clone(), values: most_frequent(values.clone(), MAX_VALUES, &[]) });
    }
    Ok(facets)
}

/// Whether so many of the hits have an attribute that it can separate them.
pub fn may_separate(having: u64, hits: u64) -> bool {
    having.saturating_mul(5) >= hits
}

/// How well an attribute separates the hits, 0 to 1: the part of them that have it, less where most have the same value
/// and where each has its own.
pub fn separates(values: &BTreeMap<String, u64>, hits: u64) -> f64 {
    let having = values.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    if values.len() < 2 || values.len() as u64 * 2 > having {
        return 0.0;
    }
    let same: f64 = values.values().map(|count| (*count as f64 / having as f64).powi(2)).sum();
    let shown: u64 = {
        let mut counts: Vec<_> = values.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.iter().take(MAX_VALUES).fold(0, |sum: u64, count| sum.saturating_add(*count))
    };
    (having as f64 / hits.max(1) as f64) * (1.0 - same) * (shown as f64 / having as f64)
}

/// How many products have each value of these attributes, counted without the filter that comes with the name. `None` has
/// too many values, and no filter.
fn values(counted: &[Counted<'_>], names: &[(String, Failed)]) -> io::Result<Vec<Option<BTreeMap<String, u64>>>> {
    let mut all = vec![Some(BTreeMap::new()); names.len()];
    for Counted { segment, docs } in counted {
        let (Some(name_column), Some(column)) = (&segment.attribute_names, &segment.attribute_values) else { continue };
        let mut counts = Vec::with_capacity(names.len());
        // Which of the attributes each name of the segment is.
        let mut nth_of_name = vec![usize::MAX; name_column.num_terms()];
        for (nth, (name, filter)) in names.iter().enumerate() {
            let range = values_of(column, name)?;
            let number = name_column.dictionary().term_ord(name)?;
            if let Some(of_name) = number.and_then(|number| nth_of_name.get_mut(number as usize)) {
                *of_name = nth;
            }
            let values = (range.end - range.start) as usize;
            counts.push((range.start, *filter, Counts::new(values, docs.len())));
        }
        for (doc, failed) in docs {
            if *failed != 0 && !names.iter().any(|(_, filter)| failed & !filter == 0) {
                continue;
            }
            let (doc_names, doc_values) = segment.attributes.of(*doc);
            for (name, value) in doc_names.iter().zip(doc_values) {
                let nth = nth_of_name.get(usize::from(*name)).copied().unwrap_or(usize::MAX);
                if let Some((start, filter, counts)) = counts.get_mut(nth)
                    && *failed & !*filter == 0
                {
                    counts.add(u64::from(*value) - *start);
                }
            }
        }
        for (all, (start, filter, counts)) in all.iter_mut().zip(&counts) {
            // What has so many values in one segment has even more of them in all.
            if *filter == 0 && counts.distinct() > MAX_DISTINCT {
                *all = None;
            }
            let Some(all) = all else { continue };
            each_label(column, *start, counts, |label, count| {
                let value = label.split_once(ATTRIBUTE_SEPARATOR).map_or("", |(_, value)| value);
                *all.entry(value.to_owned()).or_default() += count;
            })?;
        }
    }
    let few = |all: &BTreeMap<String, u64>, (_, filter): &(String, Failed)| *filter != 0 || all.len() <= MAX_DISTINCT;
    Ok(all.into_iter().zip(names).map(|(all, name)| all.filter(|all| few(all, name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(prices: &[i64]) -> Vec<(i64, Option<i64>, u64)> {
        let mut all = Prices::new();
        prices.iter().for_each(|price| all.add(*price));
        all.ranges().into_iter().map(|range| (range.from, range.below, range.count)).collect()
    }

    #[test]
    fn prices_are_in_ranges_without_gaps() {
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[99, 100, 199, 450]), [(0, Some(100), 1), (100, Some(200), 2), (200, None, 1)]);
        let many: Vec<i64> = (0..20).map(|i| 1 << i).collect();
        let found = ranges(&many);
        assert_eq!(found.len(), MAX_PRICE_RANGES);
        assert!(found.windows(2).all(|pair| pair[0].1 == Some(pair[1].0)));
        assert_eq!(found.iter().map(|(_, _, count)| count).sum::<u64>(), 20);
    }

    #[test]
    fn a_category_counts_what_is_below_it() {
        let path = |joined: &str| CategoryPath::parse(joined).unwrap();
        let counts = BTreeMap::from([(path("A"), 1), (path("A/B"), 2), (path("C"), 9)]);

        let tree = tree(&counts);

        assert_eq!(
            tree.iter().map(|top| (top.path.to_string(), top.count)).collect::<Vec<_>>(),
            [("C".to_owned(), 9), ("A".to_owned(), 3)]
        );
        assert_eq!(tree[1].below[0].count, 2);
    }

    #[test]
    fn an_attribute_that_all_share_or_none_share_separates_nothing() {
        let values =
            |counts: &[u64]| (0..).zip(counts).map(|(i, count)| (format!("{i}"), *count)).collect::<BTreeMap<_, _>>();

        assert_eq!(separates(&values(&[10]), 10), 0.0);
        assert_eq!(separates(&values(&[1; 10]), 10), 0.0);
        assert!(separates(&values(&[5, 5]), 10) > separates(&values(&[9, 1]), 10));
        assert!(separates(&values(&[5, 5]), 10) > separates(&values(&[5, 5]), 20));
    }
}
