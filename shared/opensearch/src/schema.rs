//! The fields of an index, and how its text is analysed. A product with another field is refused, so that none is added
//! by mistake.

use search::Language;
use serde_json::{Value, json};

/// Fields by what they are for. What a hit shows is not searched and has no name here.
pub(crate) mod field {
    pub(crate) const ID: &str = "id";
    /// Numbers that identify a product, without punctuation.
    pub(crate) const IDENTIFIERS: &str = "identifiers";
    pub(crate) const NAME: &str = "name";
    pub(crate) const MANUFACTURER: &str = "manufacturer";
    /// The category and all above it.
    pub(crate) const CATEGORIES: &str = "categories";
    pub(crate) const CATEGORY_WORDS: &str = "category_words";
    /// Names and values in one.
    pub(crate) const ATTRIBUTES: &str = "attributes";
    pub(crate) const ATTRIBUTE_NAMES: &str = "attribute_names";
    pub(crate) const ATTRIBUTE_WORDS: &str = "attribute_words";
    pub(crate) const DESCRIPTION: &str = "description";
    /// Neighbouring words of the name, written as one, and measures in one spelling.
    pub(crate) const JOINED: &str = "joined";
    /// Words as they are written, which misspelled ones are compared with.
    pub(crate) const SPELLING: &str = "spelling";
    pub(crate) const PRICE: &str = "price";
    pub(crate) const SOLD_OUT: &str = "sold_out";
    pub(crate) const AVERAGE: &str = "average_tenths";
    pub(crate) const REVIEWS: &str = "reviews";
    /// The order by rating.
    pub(crate) const RATING: &str = "rating";
    pub(crate) const CREATED: &str = "created";
    pub(crate) const NAME_PREFIXES: &str = "name.prefixes";
    pub(crate) const MANUFACTURER_PREFIXES: &str = "manufacturer.prefixes";
    pub(crate) const CATEGORY_PREFIXES: &str = "category_words.prefixes";
}

/// Letters of a word that a suggestion can begin with.
const MAX_PREFIX: u32 = 25;

/// The settings and mappings of an index.
pub(crate) fn index(language: Language) -> Value {
    let text = |more: Value| {
        let mut field = json!({"type": "text", "analyzer": "text"});
        merge(&mut field, more);
        field
    };
    let shown = json!({"type": "keyword", "index": false, "doc_values": false});
    let prefixes = json!({"type": "text", "analyzer": "prefixes", "search_analyzer": "words"});
    let searched = json!({
        field::ID: {"type": "keyword"},
        field::IDENTIFIERS: {"type": "keyword"},
        field::NAME: text(json!({"fields": {"prefixes": prefixes}})),
        field::JOINED: text(json!({})),
        field::SPELLING: {"type": "text", "analyzer": "words"},
        field::MANUFACTURER: {"type": "keyword", "fields": {"words": text(json!({})), "prefixes": prefixes}},
        field::CATEGORIES: {"type": "keyword"},
        field::CATEGORY_WORDS: text(json!({"fields": {"prefixes": prefixes}})),
        field::ATTRIBUTES: {"type": "keyword"},
        field::ATTRIBUTE_NAMES: {"type": "keyword"},
        field::ATTRIBUTE_WORDS: text(json!({})),
        field::DESCRIPTION: {"type": "text", "analyzer": "html", "search_analyzer": "text"},
    });
    let mut fields = json!({
        field::PRICE: {"type": "long"},
        field::SOLD_OUT: {"type": "boolean"},
        field::AVERAGE: {"type": "long"},
        field::REVIEWS: {"type": "long"},
        field::RATING: {"type": "long"},
        field::CREATED: {"type": "long"},
        "list_price": {"type": "long", "index": false, "doc_values": false},
        "currency": shown,
        "thumbnail": shown,
        "created_at": shown,
        "version": {"type": "long", "index": false, "doc_values": false},
    });
    merge(&mut fields, searched);
    json!({
        // The number of a deleted product is remembered for longer than any function runs that may still write an older
        // state of it.
        "settings": {"index": {"gc_deletes": "20m"}, "analysis": analysis(language)},
        "mappings": {"dynamic": "strict", "properties": fields},
    })
}

/// All analysers fold case and accents.
fn analysis(language: Language) -> Value {
    let (folding, stem): (&[&str], Value) = match language {
        // English loses its plural only: a full stemmer would make one word of `printer` and `printing`.
        Language::English => (&[], json!({"type": "stemmer", "language": "minimal_english"})),
        Language::German => (&["german_normalization"], json!({"type": "german_stem"})),
    };
    let analyzer = |html: bool, last: Option<&str>| {
        let characters: &[&str] = if html { &["html_strip"] } else { &[] };
        let stems = last == Some("stem");
        let filters = ["lowercase"].iter().chain(folding).copied();
        // A German stemmer knows umlauts; the other accents go after it.
        let (before, after) = if stems { (last, None) } else { (None, last) };
        let filters: Vec<_> = filters.chain(before).chain(["asciifolding"]).chain(after).collect();
        json!({"type": "custom", "char_filter": characters, "tokenizer": "standard", "filter": filters})
    };
    json!({
        "filter": {
            "stem": stem,
            "prefix": {"type": "edge_ngram", "min_gram": 1, "max_gram": MAX_PREFIX},
        },
        "analyzer": {
            "text": analyzer(false, Some("stem")),
            "html": analyzer(true, Some("stem")),
            "words": analyzer(false, None),
            "prefixes": analyzer(false, Some("prefix")),
        },
    })
}

fn merge(field: &mut Value, more: Value) {
    if let (Value::Object(field), Value::Object(more)) = (field, more) {
        field.extend(more);
    }
}
