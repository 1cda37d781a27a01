//! What is stored of a product in each field.

use std::{borrow::Cow, collections::BTreeSet};

use tantivy::{
    TantivyDocument,
    tokenizer::{PreTokenizedString, Token},
};

use super::{ATTRIBUTE_SEPARATOR, Card, Fields, IndexError};
use crate::{Document, analysis::Analyser, html};

/// How often a word counts by where it is.
#[derive(Debug)]
pub(super) struct Weights {
    name: usize,
    manufacturer: usize,
    category: usize,
    attribute: usize,
    description: usize,
}

pub(super) const WEIGHTS: Weights = Weights { name: 3, manufacturer: 2, category: 3, attribute: 1, description: 1 };

/// Part of the schema's hash: raised when the card's form changes, or anything here.
pub(super) const CARD_VERSION: &str = "1";

/// Of a long description, the words that count. A description that says everything is about nothing in particular.
const MAX_DESCRIPTION_WORDS: usize = 400;

/// A description makes a product longer by at most this many words, so that a product with a long one is not worse than
/// the same product with a short one.
const MAX_DESCRIPTION_LENGTH: usize = 60;

/// Values that are longer are texts, and no way to filter.
const MAX_FACET_CHARS: usize = 60;

/// Attributes whose values identify a product.
const IDENTIFIERS: [&str; 12] = [
    "sku",
    "ean",
    "gtin",
    "upc",
    "isbn",
    "mpn",
    "asin",
    "articlenumber",
    "artikelnummer",
    "partnumber",
    "modelnumber",
    "itemnumber",
];

pub(super) fn stored(document: &Document, fields: &Fields, analyser: &Analyser) -> Result<TantivyDocument, IndexError> {
    let mut stored = TantivyDocument::new();
    stored.add_text(fields.id, document.id.as_str());
    for identifier in identifiers(document) {
        stored.add_text(fields.identifier, identifier);
    }
    if let Some(manufacturer) = &document.manufacturer {
        stored.add_text(fields.manufacturer, manufacturer);
    }
    if !document.category.is_empty() {
        stored.add_text(fields.category, document.category.to_string());
    }
    for (name, value) in &document.attributes {
        if is_facet(name, value) {
            stored.add_text(fields.attribute_name, name);
            stored.add_text(fields.attribute, format!("{name}{ATTRIBUTE_SEPARATOR}{value}"));
        }
    }
    stored.add_i64(fields.price, document.price.amount_minor());
    stored.add_bool(fields.sold_out, document.sold_out);
    stored.add_u64(fields.reviews, document.reviews);
    stored.add_u64(fields.rating, document.average_tenths.unwrap_or(0));
    stored.add_i64(fields.created, document.created_at.as_millisecond());
    stored.add_u64(fields.version, document.version);

    let Text { stems, title, length } = text(document, analyser);
    stored.add_pre_tokenized_text(fields.text, pretokenized(stems));
    stored.add_pre_tokenized_text(fields.title, pretokenized(title));
    for head in heads(document, analyser) {
        stored.add_text(fields.head, head);
    }
    stored.add_u64(fields.length, length as u64);
    let card = serde_json::to_vec(&Card::of(document)).map_err(|error| IndexError(error.to_string()))?;
    stored.add_bytes(fields.card, &card);
    Ok(stored)
}

struct Text {
    stems: Vec<String>,
    title: BTreeSet<String>,
    length: usize,
}

fn text(document: &Document, analyser: &Analyser) -> Text {
    let mut stems = Vec::new();
    let mut title = BTreeSet::new();
    let mut length = 0;
    let mut add = |text: &str, weight: usize, is_title: bool| {
        let words = analyser.words(text);
        length += words.len() * weight;
        for word in words {
            let stem = analyser.stem(&word.surface);
            stems.extend(std::iter::repeat_n(stem, weight));
            if is_title {
                title.insert(word.surface);
            }
        }
    };
    add(&document.name, WEIGHTS.name, true);
    add(document.manufacturer.as_deref().unwrap_or_default(), WEIGHTS.manufacturer, true);
    for segment in document.category.segments() {
        add(segment, WEIGHTS.category, true);
    }
    for (name, value) in &document.attributes {
        if let Some(text) = attribute_text(name, value) {
            add(&text, WEIGHTS.attribute, false);
        }
    }
    let description = analyser.words(&html::text(&document.description));
    length += description.len().min(MAX_DESCRIPTION_LENGTH) * WEIGHTS.description;
    stems.extend(description.iter().take(MAX_DESCRIPTION_WORDS).map(|word| analyser.stem(&word.surface)));
    Text { stems, title, length }
}

/// What the product is: by its name, and by its category.
fn heads(document: &Document, analyser: &Analyser) -> BTreeSet<String> {
    let mut heads = analyser.heads(&document.name, document.manufacturer.as_deref().unwrap_or_default());
    if let Some(category) = document.category.segments().last() {
        heads.extend(analyser.heads(category, ""));
    }
    heads
}

fn pretokenized(words: impl IntoIterator<Item = String>) -> PreTokenizedString {
    let token = |(position, text)| Token { offset_from: 0, offset_to: 0, position, text, position_length: 1 };
    PreTokenizedString { text: String::new(), tokens: words.into_iter().enumerate().map(token).collect() }
}

/// Whether products are counted and filtered by an attribute.
pub fn is_facet(name: &str, value: &str) -> bool {
    !value.is_empty() && value.chars().count() <= MAX_FACET_CHARS && !is_identifier(name)
}

/// What an attribute says: `bluetooth: yes` says that the product has Bluetooth, `touchscreen: false` says nothing to look
/// for.
pub fn attribute_text<'a>(name: &str, value: &'a str) -> Option<Cow<'a, str>> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "ja" => Some(name.replace('_', " ").into()),
        "false" | "no" | "nein" => None,
        _ => Some(value.into()),
    }
}

/// What identifies a product: its id, article numbers and EANs, each as [`identifier`] has it.
pub fn identifiers(document: &Document) -> BTreeSet<String> {
    let values = document.attributes.iter().filter(|(name, _)| is_identifier(name)).map(|(_, value)| value.as_str());
    let all = std::iter::once(document.id.as_str()).chain(values);
    all.map(identifier).filter(|identifier| !identifier.is_empty()).collect()
}

fn is_identifier(name: &str) -> bool {
    IDENTIFIERS.contains(&identifier(name).as_str())
}

/// An id or article number as it is compared: letters and digits, without case. Empty if it is too long to be one.
pub fn identifier(raw: &str) -> String {
    const MAX: usize = 64;
    let folded: String = raw.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if folded.len() > MAX { String::new() } else { folded }
}
