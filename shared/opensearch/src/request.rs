//! One search as OpenSearch reads it. Whatever a shopper types is a value in it, never syntax.

use search::{Query, Ranking, Rules, alike::identifier};
use serde_json::{Value, json};

use crate::{
    correction, facets, filters, highlights::MARKS, measures::unified, product::SHOWN, rules::Worded, schema::field,
    sorting::Order,
};

/// What matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    All,
    /// What has the words of this text.
    Words(&'a str),
    /// What has any word of this text, or one like it.
    Similar(&'a str),
}

/// Counts what matches before filters.
pub(crate) const MATCHING: &str = "matching";

/// By where a word is. In one analysis, so that a word may be in any of them.
const FIELDS: [&str; 6] =
    ["name^3", "joined^2", "manufacturer.words^2", "category_words^2", "attribute_words", "description^0.5"];

/// Pinned products are this far from each other and from all others.
const PINNED: f32 = 1_000_000.0;
/// More than a text scores, and less than a pinned product.
const IDENTIFIED: f32 = 100_000.0;
const BURIED: f32 = 0.000_1;

pub(crate) fn body(query: &Query, rules: &Rules, wanted: Wanted<'_>) -> Value {
    let order = Order::of(query);
    let mut aggregations = facets::aggregations(&query.filters);
    aggregations[MATCHING] = json!({"filter": {"match_all": {}}});
    let mut body = json!({
        "query": matching(wanted, rules),
        // After the facets are counted, each of which has filters of its own.
        "post_filter": filters::all(&query.filters, None),
        "aggs": aggregations,
        "sort": order.clauses(),
        // One more than a page, to know whether another follows.
        "size": query.limit.min(Query::MAX_LIMIT) + 1,
        "track_total_hits": true,
        "_source": SHOWN,
    });
    if let Some(position) = &query.after {
        body["search_after"] = order.after(position);
    }
    if let Wanted::Words(text) | Wanted::Similar(text) = wanted {
        body["highlight"] = json!({
            "fields": {field::NAME: {"number_of_fragments": 0}},
            "pre_tags": [MARKS[0]],
            "post_tags": [MARKS[1]],
        });
        if query.correct {
            body["suggest"] = correction::request(text);
        }
    }
    body
}

fn matching(wanted: Wanted<'_>, rules: &Rules) -> Value {
    let (Wanted::Words(text) | Wanted::Similar(text)) = wanted else { return json!({"match_all": {}}) };
    let text = cut(text);
    let worded = Worded::of(text, rules);
    let words = match wanted {
        Wanted::Similar(_) => similar(text),
        _ => with_words(&worded),
    };
    let mut first: Vec<Value> = Vec::new();
    let from_the_last = (1_u16..).zip(worded.pinned.iter().rev());
    first.extend(from_the_last.map(|(place, id)| constant(field::ID, id, f32::from(place) * PINNED)));
    let identifier = identifier(text);
    if !identifier.is_empty() {
        first.push(constant(field::IDENTIFIERS, &identifier, IDENTIFIED));
    }
    first.push(json!({"function_score": {
        "query": words,
        "functions": factors(worded.buried),
        "score_mode": "multiply",
        "boost_mode": "multiply",
    }}));
    json!({"bool": {"should": first, "minimum_should_match": 1}})
}

fn with_words(worded: &Worded<'_>) -> Value {
    let Ranking { synonym, joined: weight, .. } = Ranking::default();
    let mut ways = vec![words(&worded.text, 1.0)];
    ways.extend(worded.others.iter().map(|other| words(other, synonym)));
    // `usb stick` finds `usbstick`.
    let joined: String = worded.text.chars().filter(|c| c.is_alphanumeric()).collect();
    if !joined.is_empty() {
        let fields = [field::NAME, field::JOINED];
        ways.push(json!({"multi_match": {"query": joined, "fields": fields, "operator": "and", "boost": weight}}));
    }
    json!({"dis_max": {"queries": ways}})
}

/// All words, or of more than three most of them, each in any field.
fn words(text: &str, boost: f32) -> Value {
    json!({"multi_match": {
        "query": unified(text),
        "fields": FIELDS,
        "type": "cross_fields",
        "minimum_should_match": "3<75%",
        "boost": boost,
    }})
}

/// The first letter is rarely mistyped, and words that begin with another are many.
fn similar(text: &str) -> Value {
    json!({"multi_match": {
        "query": text,
        "fields": ["name^3", "manufacturer.words^2", "category_words^2"],
        "fuzziness": FUZZINESS,
        "prefix_length": 1,
        "max_expansions": MAX_SIMILAR,
    }})
}

/// A cluster refuses a query with more than 1,024 clauses: words times fields times ways to write the text, or times
/// similar words.
/// <https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/search-settings/>
const MAX_WORDS: usize = 24;
pub(crate) const MAX_SIMILAR: usize = 10;

/// The beginning of a text, of as many words as can be searched for. Analysis makes several words of what has punctuation
/// within, and one of each ideograph and of many signs.
pub(crate) fn cut(text: &str) -> &str {
    let mut words = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_sign = c >= '\u{2000}';
        if is_sign || c.is_alphanumeric() && !(before.is_alphanumeric() && before < '\u{2000}') {
            words += 1;
        }
        if words > MAX_WORDS {
            return &text[..at];
        }
        before = c;
    }
    text
}

/// One letter may differ in words of four, two in words of eight.
pub(crate) const FUZZINESS: &str = "AUTO:4,8";

fn constant(field: &str, value: &str, boost: f32) -> Value {
    json!({"constant_score": {"filter": {"term": {field: value}}, "boost": boost}})
}

/// What a score is multiplied by. Few reviews say little; many move a product as far as those between the best and the
/// middle do.
fn factors(buried: &[String]) -> Value {
    let Ranking { sold_out, rating, .. } = Ranking::default();
    let rated = |range: Value| {
        let many = json!({"range": {field::REVIEWS: {"gte": 10}}});
        json!({"bool": {"filter": [many, {"range": {field::AVERAGE: range}}]}})
    };
    let mut factors = json!([
        {"filter": {"term": {field::SOLD_OUT: true}}, "weight": sold_out},
        {"filter": rated(json!({"gte": 40})), "weight": 1.0 + rating / 2.0},
        {"filter": rated(json!({"lt": 25})), "weight": 1.0 - rating / 2.0},
    ]);
    if let (false, Value::Array(factors)) = (buried.is_empty(), &mut factors) {
        factors.push(json!({"filter": {"terms": {field::ID: buried}}, "weight": BURIED}));
    }
    factors
}

#[cfg(test)]
mod tests {
    use search::QueryText;

    use super::*;

    fn query(text: &str) -> Query {
        Query { text: QueryText::parse(text), limit: 20, correct: true, ..Query::default() }
    }

    #[test]
    fn what_is_typed_is_a_value_and_never_syntax() {
        let text = r#"name:x" OR *:* {"match_all":{}} \ /.*/ ~2"#;

        let body = body(&query(text), &Rules::default(), Wanted::Words(text));

        let words = &body["query"]["bool"]["should"][1]["function_score"]["query"];
        assert_eq!(words["dis_max"]["queries"][0]["multi_match"]["query"], text);
        assert!(!body.to_string().contains("query_string"));
    }

    #[test]
    fn a_text_is_cut_before_it_has_too_many_words() {
        assert_eq!(cut("usb-stick 64 GB"), "usb-stick 64 GB");
        assert_eq!(cut(&"a.".repeat(30)), "a.".repeat(MAX_WORDS));
        assert_eq!(cut(&"漢".repeat(30)), "漢".repeat(MAX_WORDS));
        assert_eq!(cut(&"x".repeat(200)), "x".repeat(200));
    }

    #[test]
    fn a_page_asks_for_one_hit_more_than_it_has() {
        let mut query = query("usb");
        assert_eq!(body(&query, &Rules::default(), Wanted::Words("usb"))["size"], 21);
        query.limit = usize::MAX;
        assert_eq!(body(&query, &Rules::default(), Wanted::All)["size"], Query::MAX_LIMIT + 1);
    }

    #[test]
    fn only_a_text_that_may_be_corrected_asks_for_corrections() {
        let mut query = query("usb");
        assert!(body(&query, &Rules::default(), Wanted::Words("usb"))["suggest"].is_object());
        query.correct = false;
        assert!(body(&query, &Rules::default(), Wanted::Words("usb"))["suggest"].is_null());
    }
}
