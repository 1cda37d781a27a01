//! The index: which fields it has, its files, and the schema that its readers and writers must have in common.

mod attributes;
mod card;
pub(crate) mod facts;
pub(crate) mod reader;
pub(crate) mod segment;
mod writer;

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tantivy::{
    Directory, Index, TantivyError,
    directory::RamDirectory,
    schema::{BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions},
};

pub(crate) use self::card::Card;
pub use self::writer::Writer;
use crate::{Language, analysis::Analyser};

/// The files of an index by name. A name is never used again for other content, except `meta.json`, which names the
/// others.
pub type Files = BTreeMap<String, Bytes>;

/// The file that is replaced by every commit.
pub(crate) const META: &str = "meta.json";

/// Why an index cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was made by another version of this crate, or in another language. It has to be made again from the products.
    #[error("the index has schema {found}, and this program reads {expected}")]
    OtherSchema { found: String, expected: String },
    #[error("the index is damaged: {0}")]
    Damaged(String),
}

impl From<TantivyError> for OpenError {
    fn from(error: TantivyError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// An index could not be written. Its files are as before.
#[derive(Debug, thiserror::Error)]
#[error("the index could not be written: {0}")]
pub struct IndexError(String);

impl From<TantivyError> for IndexError {
    fn from(error: TantivyError) -> Self {
        Self(error.to_string())
    }
}

/// The fields of the index. What is ranked is in one field, in which a word counts as often as its place weighs: so a
/// word's frequency over all places saturates together, as BM25F has it, and costs one list of products to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// Stems of all text, repeated by weight.
    pub(crate) text: Field,
    /// Words of name, manufacturer and category as they are written: for suggestions, and what typos are compared with.
    pub(crate) title: Field,
    /// Stems of the words that say what the product is.
    pub(crate) head: Field,
    /// The product's id.
    pub(crate) id: Field,
    /// Ids, article numbers and EANs, without punctuation.
    pub(crate) identifier: Field,
    pub(crate) manufacturer: Field,
    pub(crate) category: Field,
    /// Names of attributes.
    pub(crate) attribute_name: Field,
    /// Name and value of each attribute, separated by [`ATTRIBUTE_SEPARATOR`].
    pub(crate) attribute: Field,
    pub(crate) price: Field,
    pub(crate) sold_out: Field,
    pub(crate) reviews: Field,
    pub(crate) rating: Field,
    pub(crate) created: Field,
    pub(crate) version: Field,
    /// The weighted number of words.
    pub(crate) length: Field,
    /// What a hit shows.
    pub(crate) card: Field,
}

/// Names of columns that are read by name.
pub(crate) mod column {
    pub(crate) const ID: &str = "id";
    pub(crate) const MANUFACTURER: &str = "manufacturer";
    pub(crate) const CATEGORY: &str = "category";
    pub(crate) const ATTRIBUTE_NAME: &str = "attribute_name";
    pub(crate) const ATTRIBUTE: &str = "attribute";
    pub(crate) const PRICE: &str = "price";
    pub(crate) const SOLD_OUT: &str = "sold_out";
    pub(crate) const REVIEWS: &str = "reviews";
    pub(crate) const RATING: &str = "rating";
    pub(crate) const CREATED: &str = "created";
    pub(crate) const VERSION: &str = "version";
    pub(crate) const LENGTH: &str = "length";
}

/// Between name and value of an attribute. It cannot be part of either: both are visible text.
pub const ATTRIBUTE_SEPARATOR: char = '\u{1f}';

/// The schema and its fields.
pub(crate) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words = |option, lengths| {
        let indexing = TextFieldIndexing::default().set_index_option(option).set_fieldnorms(lengths);
        TextOptions::default().set_indexing_options(indexing.set_tokenizer("raw"))
    };
    let label = TextOptions::default().set_fast("raw");
    let number = NumericOptions::default().set_fast();
    let fields = Fields {
        text: builder.add_text_field("text", words(IndexRecordOption::WithFreqs, false)),
        title: builder.add_text_field("title", words(IndexRecordOption::Basic, true)),
        head: builder.add_text_field("head", words(IndexRecordOption::Basic, false)),
        id: builder.add_text_field(column::ID, words(IndexRecordOption::Basic, false).set_fast("raw")),
        identifier: builder.add_text_field("identifier", words(IndexRecordOption::Basic, false)),
        manufacturer: builder.add_text_field(column::MANUFACTURER, label.clone()),
        category: builder.add_text_field(column::CATEGORY, label.clone()),
        attribute_name: builder.add_text_field(column::ATTRIBUTE_NAME, label.clone()),
        attribute: builder.add_text_field(column::ATTRIBUTE, label),
        price: builder.add_i64_field(column::PRICE, number.clone()),
        sold_out: builder.add_bool_field(column::SOLD_OUT, number.clone()),
        reviews: builder.add_u64_field(column::REVIEWS, number.clone()),
        rating: builder.add_u64_field(column::RATING, number.clone()),
        created: builder.add_i64_field(column::CREATED, number.clone()),
        version: builder.add_u64_field(column::VERSION, number.clone()),
        length: builder.add_u64_field(column::LENGTH, number),
        card: builder.add_bytes_field("card", BytesOptions::default().set_stored()),
    };
    (builder.build(), fields)
}

/// A text that shows every rule of the analysis, so that a change of one of them changes the hash of the schema.
const SAMPLE: &str =
    "Größe Müller's 15,6 Zoll 27\" 4GB Wi-Fi WH-1000XM4 ﬁlter² Æther 1,000 batteries boxes Kopfhoerer 802.11ac";

/// Identifies what an index stores and how: it changes with the fields, the analysis, the weights of places, the language
/// and the version of tantivy. An index with another hash has to be made again.
pub fn schema_hash(language: Language) -> String {
    let analyser = Analyser::new(language);
    let mut hash = Sha256::new();
    let (schema, _) = schema();
    hash.update(serde_json::to_vec(&schema).unwrap_or_default());
    hash.update(tantivy::version_string());
    hash.update(language.as_str());
    hash.update(format!("{:?}", facts::WEIGHTS));
    hash.update(facts::CARD_VERSION);
    for head in analyser.heads(SAMPLE, "") {
        hash.update(head);
    }
    for word in analyser.words(SAMPLE) {
        hash.update(analyser.stem(&word.surface));
        hash.update(word.surface);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Opens the index that these files are, in memory.
fn open_in_memory(files: Files) -> Result<Index, OpenError> {
    let directory = RamDirectory::create();
    for (name, content) in files {
        let written = directory.atomic_write(Path::new(&name), &content);
        written.map_err(|error| OpenError::Damaged(format!("{name}: {error}")))?;
    }
    Ok(Index::open(directory)?)
}

/// The language of an index, if its schema is this program's.
fn language_of(index: &Index) -> Result<Language, OpenError> {
    let found = index.load_metas()?.payload.unwrap_or_default();
    let language = Language::ALL.into_iter().find(|language| schema_hash(*language) == found);
    language.ok_or_else(|| {
        let expected = Language::ALL.map(schema_hash).join(" or ");
        OpenError::OtherSchema { found, expected }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_a_schema_of_its_own() {
        assert_ne!(schema_hash(Language::English), schema_hash(Language::German));
        assert_eq!(schema_hash(Language::English), schema_hash(Language::English));
        assert_eq!(schema_hash(Language::English).len(), 16);
    }
}
