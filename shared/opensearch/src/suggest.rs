//! What a shopper may be about to type.

use domain::CategoryPath;
use search::{EngineError, Ranking, SuggestQuery, SuggestedProduct, Suggestions, ValueCount};
use serde_json::{Value, json};

use crate::{
    OpenSearch,
    answer::{Aggregation, SearchAnswer},
    product::Shown,
    request::{FUZZINESS, MAX_SIMILAR, cut},
    schema::field,
};

const CATEGORIES: &str = "categories";
const MANUFACTURERS: &str = "manufacturers";
/// In one analysis, so that each word may begin a word of any of them.
const FIELDS: [&str; 3] = ["name.prefixes^3", "manufacturer.prefixes", "category_words.prefixes"];
/// Categories that are looked at; of a product's categories only those with the typed name are shown.
const MAX_CATEGORIES: usize = 200;

impl OpenSearch {
    pub(crate) async fn suggestions(&self, query: &SuggestQuery) -> Result<Suggestions, EngineError> {
        let path = format!("/{}/_search", self.alias);
        let answer: SearchAnswer = self.read(&path, &body(query)).await?;
        read(answer.complete()?, query)
    }
}

fn limit(query: &SuggestQuery) -> usize {
    query.limit.min(SuggestQuery::MAX_LIMIT)
}

fn body(query: &SuggestQuery) -> Value {
    let text = cut(query.text.as_str());
    let below = |prefixes: &str, values: &str, size: usize| {
        let begins = json!({"match": {prefixes: {"query": text, "operator": "and"}}});
        json!({"filter": begins, "aggs": {"values": {"terms": {"field": values, "size": size}}}})
    };
    json!({
        "query": {"function_score": {
            "query": {"bool": {"should": [
                {"multi_match": {
                    "query": text,
                    "fields": FIELDS,
                    "type": "cross_fields",
                    "operator": "and",
                    "boost": 4,
                }},
                {"match": {field::NAME_PREFIXES: {
                    "query": text, "operator": "and", "fuzziness": FUZZINESS, "prefix_length": 1, "max_expansions": MAX_SIMILAR,
                    "boost": 0.1,
                }}},
            ]}},
            "functions": [{"filter": {"term": {field::SOLD_OUT: true}}, "weight": Ranking::default().sold_out}],
            "boost_mode": "multiply",
        }},
        "aggs": {
            MANUFACTURERS: below(field::MANUFACTURER_PREFIXES, field::MANUFACTURER, limit(query).max(1)),
            CATEGORIES: below(field::CATEGORY_PREFIXES, field::CATEGORIES, MAX_CATEGORIES),
        },
        "sort": [{"_score": "desc"}, {field::ID: "asc"}],
        "size": limit(query),
        "_source": crate::product::SHOWN,
    })
}

fn read(answer: SearchAnswer, query: &SuggestQuery) -> Result<Suggestions, EngineError> {
    let of = |name: &str| answer.aggregations.get(name).map(Aggregation::counts).unwrap_or_default();
    let typed = query.text.as_str();
    let manufacturers =
        of(MANUFACTURERS).into_iter().map(|(value, count)| ValueCount { value, count }).take(limit(query));
    let manufacturers = manufacturers.collect();
    let categories = of(CATEGORIES).into_iter().map(|(path, count)| (CategoryPath::stored(&path), count));
    let has_typed_name =
        |(path, _): &(CategoryPath, u64)| path.segments().last().is_some_and(|name| begins(name, typed));
    let categories = categories.filter(has_typed_name).take(limit(query)).collect();
    let product = |shown: Shown| {
        let (id, created_at) = (shown.id()?, shown.created_at()?);
        Ok(SuggestedProduct { id, name: shown.name, thumbnail: shown.thumbnail, created_at })
    };
    let products = answer.sources().map(product).take(limit(query)).collect::<Result<_, EngineError>>()?;
    Ok(Suggestions { products, categories, manufacturers })
}

/// Whether each word that is typed begins a word of the name.
fn begins(name: &str, typed: &str) -> bool {
    let (name, typed) = (name.to_lowercase(), typed.to_lowercase());
    let is_word = |word: &&str| !word.is_empty();
    let words = |text| str::split(text, |c: char| !c.is_alphanumeric()).filter(is_word);
    words(&typed).all(|typed| words(&name).any(|word| word.starts_with(typed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_suggested_by_its_own_name() {
        assert!(begins("USB Sticks", "sti") && begins("USB Sticks", "usb st") && begins("Möbel", "MÖ"));
        assert!(!begins("USB Sticks", "usb cable") && !begins("Audio", "dio"));
    }
}
