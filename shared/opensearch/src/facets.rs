//! Counts over all hits: asked for as aggregations, each below the filters that apply to it.

use std::collections::BTreeMap;

use domain::CategoryPath;
use search::{
    AttributeFacet, Facets, Filters, PriceRange, RatingCount,
    alike::{
        ATTRIBUTE_SEPARATOR, MAX_ATTRIBUTES, MAX_CANDIDATES, MAX_DISTINCT, MAX_VALUES, Prices, STARS, category_tree,
        may_separate, most_frequent, separates,
    },
};
use serde_json::{Value, json};

use crate::{
    answer::{Aggregation, Aggregations},
    filters::{self, Filter},
    schema::field,
};

/// Manufacturers that are looked at: one that is filtered by is shown even if it is rare.
const MAX_MANUFACTURERS: usize = 1_000;
/// Categories of one result.
const MAX_CATEGORIES: usize = 2_000;
/// Pairs of name and value that are looked at.
const MAX_PAIRS: usize = 1_000;

const CATEGORIES: &str = "categories";
const MANUFACTURERS: &str = "manufacturers";
const PRICES: &str = "prices";
const IN_STOCK: &str = "in_stock";
const RATING: &str = "rating";
const NAMES: &str = "attribute_names";
const PAIRS: &str = "attributes";

pub(crate) fn aggregations(filters: &Filters) -> Value {
    let of = |without: Option<Filter<'_>>, values: Value| {
        let filter = filters::all(filters, without);
        json!({"filter": filter, "aggs": {"values": values}})
    };
    let terms = |field: &str, size: usize| json!({"terms": {"field": field, "size": size}});
    let starts = Prices::new();
    let starts = starts.starts();
    let price = |(nth, from): (usize, &i64)| match starts.get(nth + 1) {
        Some(below) => json!({"key": from.to_string(), "from": from, "to": below}),
        None => json!({"key": from.to_string(), "from": from}),
    };
    let prices: Vec<_> = starts.iter().enumerate().map(price).collect();
    let stars = STARS.map(|stars| json!({"key": stars.to_string(), "from": stars * 10}));
    let in_stock = json!({"filter": {"term": {field::SOLD_OUT: false}}});
    let mut all = json!({
        CATEGORIES: of(Some(Filter::Category), terms(field::CATEGORIES, MAX_CATEGORIES)),
        MANUFACTURERS: of(Some(Filter::Manufacturer), terms(field::MANUFACTURER, MAX_MANUFACTURERS)),
        PRICES: of(Some(Filter::Price), json!({"range": {"field": field::PRICE, "ranges": prices}})),
        IN_STOCK: of(Some(Filter::Stock), in_stock),
        RATING: of(None, json!({"range": {"field": field::AVERAGE, "ranges": stars}})),
        NAMES: of(None, terms(field::ATTRIBUTE_NAMES, MAX_CANDIDATES)),
        PAIRS: of(None, terms(field::ATTRIBUTES, MAX_PAIRS)),
    });
    for (nth, name) in filters.attributes.keys().enumerate() {
        let mut values = terms(field::ATTRIBUTES, MAX_PAIRS);
        values["terms"]["include"] = json!(format!("{}.*", literal(&format!("{name}{ATTRIBUTE_SEPARATOR}"))));
        all[chosen(nth)] = of(Some(Filter::Attribute(name)), values);
    }
    all
}

/// The aggregation of the nth attribute that is filtered by. The name itself could be one of another.
fn chosen(nth: usize) -> String {
    format!("chosen {nth}")
}

/// A regular expression that matches this text alone.
/// <https://lucene.apache.org/core/9_11_0/core/org/apache/lucene/util/automaton/RegExp.html>
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

pub(crate) fn read(aggregations: &Aggregations, filters: &Filters, total: u64) -> Facets {
    let of = |name: &str| aggregations.get(name).map(Aggregation::counts).unwrap_or_default();
    let rating = of(RATING);
    let count = |stars: u64| rating.iter().find(|(key, _)| *key == stars.to_string()).map_or(0, |(_, count)| *count);
    let rating = STARS.iter().map(|stars| RatingCount { stars: *stars, count: count(*stars) });
    let prices = of(PRICES).into_iter().filter_map(|(from, count)| Some((from.parse().ok()?, count)));
    let categories = of(CATEGORIES).into_iter().map(|(path, count)| (CategoryPath::stored(&path), count));
    Facets {
        // Each product is counted in its category and in all above it, so the counts are those of the tree.
        categories: category_tree(&categories.collect()),
        manufacturers: most_frequent(of(MANUFACTURERS).into_iter().collect(), MAX_VALUES, &filters.manufacturers),
        prices: ranges(prices),
        in_stock: aggregations.get(IN_STOCK).and_then(Aggregation::inner_count).unwrap_or_default(),
        rating: rating.filter(|rating| rating.count > 0).collect(),
        attributes: attributes(aggregations, filters, total),
    }
}

fn ranges(counts: impl Iterator<Item = (i64, u64)>) -> Vec<PriceRange> {
    let mut prices = Prices::new();
    counts.for_each(|(from, count)| prices.add_many(from, count));
    prices.ranges()
}

fn attributes(aggregations: &Aggregations, filters: &Filters, total: u64) -> Vec<AttributeFacet> {
    let of = |name: &str| aggregations.get(name).map(Aggregation::counts).unwrap_or_default();
    let mut facets = Vec::new();
    for (nth, (name, values)) in filters.attributes.iter().enumerate() {
        let counts = of(&chosen(nth)).into_iter().filter_map(|(pair, count)| Some((value_of(&pair, name)?, count)));
        facets.push(AttributeFacet { name: name.clone(), values: most_frequent(counts.collect(), MAX_VALUES, values) });
    }
    let pairs = of(PAIRS);
    let mut separating = Vec::new();
    for (name, having) in of(NAMES) {
        if filters.attributes.contains_key(&name) || !may_separate(having, total) {
            continue;
        }
        let counts: BTreeMap<_, _> =
            pairs.iter().filter_map(|(pair, count)| Some((value_of(pair, &name)?, *count))).collect();
        let separates = separates(&counts, total);
        if separates > 0.0 && counts.len() <= MAX_DISTINCT {
            separating.push((separates, AttributeFacet { name, values: most_frequent(counts, MAX_VALUES, &[]) }));
        }
    }
    separating.sort_by(|(a, first), (b, second)| b.total_cmp(a).then_with(|| first.name.cmp(&second.name)));
    facets.extend(separating.into_iter().take(MAX_ATTRIBUTES).map(|(_, facet)| facet));
    facets
}

fn value_of(pair: &str, name: &str) -> Option<String> {
    pair.strip_prefix(name)?.strip_prefix(ATTRIBUTE_SEPARATOR).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_regular_expression() {
        assert_eq!(literal("a.b* (x)"), r"a\.b\* \(x\)");
        assert_eq!(literal("größe"), "größe");
    }
}
