//! Products and searches for tests, which say only what the test is about.

// Each test binary uses a part of it.
#![allow(dead_code)]

use domain::{CategoryPath, Currency, Money, Timestamp};
use search::{Change, Document, Files, Found, Language, Query, QueryText, Reader, Rules, Writer};

/// A product of which only the name is said.
pub fn product(id: &str, name: &str) -> Document {
    Document {
        id: id.parse().expect("an id"),
        name: name.to_owned(),
        manufacturer: None,
        category: CategoryPath::default(),
        attributes: Vec::new(),
        description: String::new(),
        price: Money::price(1_000, Currency::USD).expect("a price"),
        list_price: Money::price(1_000, Currency::USD).expect("a price"),
        thumbnail: None,
        sold_out: false,
        reviews: 0,
        average_tenths: None,
        created_at: Timestamp::UNIX_EPOCH,
        version: 1,
    }
}

/// A product that goes with the others and matches nothing that is searched for.
pub fn filler(at: usize) -> Document {
    product(&format!("filler-{at}"), &format!("Garden gnome number {at}"))
}

pub fn put(document: &Document) -> Change {
    Change::Put(Box::new(document.clone()))
}

pub fn indexed(language: Language, documents: &[Document]) -> Files {
    let mut writer = Writer::create(language);
    writer.apply(documents.iter().map(put)).expect("an index in memory");
    writer.commit().expect("an index in memory")
}

pub fn reader(documents: &[Document]) -> Reader {
    Reader::in_memory(indexed(Language::English, documents)).expect("an index of this schema")
}

pub fn german(documents: &[Document]) -> Reader {
    Reader::in_memory(indexed(Language::German, documents)).expect("an index of this schema")
}

pub fn query(text: &str) -> Query {
    Query { text: QueryText::parse(text), limit: Query::MAX_LIMIT, correct: true, ..Query::default() }
}

pub fn search(reader: &Reader, text: &str) -> Found {
    reader.search_now(&query(text), &Rules::default()).expect("an index in memory")
}

pub fn ids(found: &Found) -> Vec<&str> {
    found.hits.iter().map(|hit| hit.id.as_str()).collect()
}

/// The ids of what a text finds, best first.
pub fn found(reader: &Reader, text: &str) -> Vec<String> {
    ids(&search(reader, text)).into_iter().map(str::to_owned).collect()
}
