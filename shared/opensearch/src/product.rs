//! A product as it is stored.

use std::{borrow::Cow, collections::BTreeSet, ops::Range};

use domain::{CategoryPath, Money, ProductId, Timestamp, parse_currency};
use search::{
    Document, EngineError, Hit,
    alike::{ATTRIBUTE_SEPARATOR, attribute_text, identifiers, is_facet},
};
use serde::{Deserialize, Serialize};

use crate::{client::failed, measures::measures};

/// All that is stored of a product; the names of its members are the fields of the index.
#[derive(Debug, Serialize)]
pub(crate) struct Stored<'a> {
    id: &'a str,
    identifiers: BTreeSet<String>,
    name: &'a str,
    joined: Vec<String>,
    spelling: Vec<&'a str>,
    manufacturer: Option<&'a str>,
    categories: Vec<String>,
    category_words: &'a [String],
    attributes: Vec<String>,
    attribute_names: Vec<&'a str>,
    attribute_words: Vec<Cow<'a, str>>,
    description: &'a str,
    price: i64,
    list_price: i64,
    currency: &'a str,
    thumbnail: Option<&'a str>,
    sold_out: bool,
    average_tenths: Option<u64>,
    reviews: u64,
    rating: i64,
    created: i64,
    created_at: String,
    version: u64,
}

impl<'a> Stored<'a> {
    pub(crate) fn of(document: &'a Document) -> Self {
        let segments = document.category.segments();
        let facts = || document.attributes.iter().filter(|(name, value)| is_facet(name, value));
        let spelling = [document.name.as_str()].into_iter().chain(document.manufacturer.as_deref());
        Self {
            id: document.id.as_str(),
            identifiers: identifiers(document),
            name: &document.name,
            joined: joined(document),
            spelling: spelling.chain(segments.iter().map(String::as_str)).collect(),
            manufacturer: document.manufacturer.as_deref(),
            categories: document.category.levels().map(|level| level.to_string()).collect(),
            category_words: segments,
            attributes: facts().map(|(name, value)| attribute(name, value)).collect(),
            attribute_names: facts().map(|(name, _)| name.as_str()).collect(),
            attribute_words: document
                .attributes
                .iter()
                .filter_map(|(name, value)| attribute_text(name, value))
                .collect(),
            description: &document.description,
            price: document.price.amount_minor(),
            list_price: document.list_price.amount_minor(),
            currency: document.price.currency().code(),
            thumbnail: document.thumbnail.as_deref(),
            sold_out: document.sold_out,
            average_tenths: document.average_tenths,
            reviews: document.reviews,
            rating: rating(document.average_tenths, document.reviews),
            created: document.created_at.as_millisecond(),
            created_at: document.created_at.to_string(),
            version: document.version,
        }
    }
}

/// What is read of a hit.
#[derive(Debug, Deserialize)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) name: String,
    manufacturer: Option<String>,
    #[serde(default)]
    categories: Vec<String>,
    price: i64,
    list_price: Option<i64>,
    currency: String,
    pub(crate) thumbnail: Option<String>,
    sold_out: bool,
    average_tenths: Option<u64>,
    reviews: u64,
    created_at: String,
    version: u64,
}

/// Members of [`Shown`].
pub(crate) const SHOWN: [&str; 13] = [
    "id",
    "name",
    "manufacturer",
    "categories",
    "price",
    "list_price",
    "currency",
    "thumbnail",
    "sold_out",
    "average_tenths",
    "reviews",
    "created_at",
    "version",
];

impl Shown {
    pub(crate) fn id(&self) -> Result<ProductId, EngineError> {
        self.id.parse().map_err(unreadable)
    }

    pub(crate) fn created_at(&self) -> Result<Timestamp, EngineError> {
        self.created_at.parse::<Timestamp>().map_err(|error| failed(UNREADABLE, error))
    }

    pub(crate) fn into_hit(self, highlights: Vec<Range<usize>>) -> Result<Hit, EngineError> {
        let currency = parse_currency(&self.currency).map_err(unreadable)?;
        Ok(Hit {
            id: self.id()?,
            price: Money::amount(self.price, currency),
            list_price: Money::amount(self.list_price.unwrap_or(self.price), currency),
            // The levels are in the order of the path.
            category: self.categories.last().map_or_else(CategoryPath::default, |path| CategoryPath::stored(path)),
            created_at: self.created_at()?,
            name: self.name,
            thumbnail: self.thumbnail,
            sold_out: self.sold_out,
            manufacturer: self.manufacturer,
            reviews: self.reviews,
            average_tenths: self.average_tenths,
            version: self.version,
            highlights,
        })
    }
}

const UNREADABLE: &str = "a product on OpenSearch is not one that was stored there";

fn unreadable(invalid: domain::Invalid) -> EngineError {
    failed(UNREADABLE, invalid.reason)
}

/// A name and a value as they are counted and filtered by.
pub(crate) fn attribute(name: &str, value: &str) -> String {
    format!("{name}{ATTRIBUTE_SEPARATOR}{value}")
}

fn joined(document: &Document) -> Vec<String> {
    let values = document.attributes.iter().map(|(_, value)| value.as_str());
    let texts = [document.name.as_str()].into_iter().chain(values);
    pairs(&document.name).into_iter().chain(texts.flat_map(measures)).collect()
}

/// Neighbouring words as one, so that `wifi` finds `Wi-Fi`.
fn pairs(name: &str) -> Vec<String> {
    let words: Vec<_> = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(2).map(<[_]>::concat).collect()
}

/// By the average; of the same average, what more people have reviewed is first. What has no review is last.
fn rating(average_tenths: Option<u64>, reviews: u64) -> i64 {
    const REVIEWS_BITS: u32 = 40;
    let reviews = reviews.min((1 << REVIEWS_BITS) - 1);
    let value = average_tenths.unwrap_or(0).min(50) << REVIEWS_BITS | reviews;
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_words_are_also_one() {
        assert_eq!(pairs("Wi-Fi USB stick"), ["WiFi", "FiUSB", "USBstick"]);
        assert_eq!(pairs("Kopfhörer"), [""; 0]);
    }

    /// Mappings are strict: a product with another member would be refused.
    #[test]
    fn each_member_has_its_field_and_each_field_its_member() {
        let document = Document {
            id: "lamp".parse().unwrap(),
            name: "Lamp".to_owned(),
            manufacturer: None,
            category: CategoryPath::default(),
            attributes: Vec::new(),
            description: String::new(),
            price: Money::amount(100, parse_currency("EUR").unwrap()),
            list_price: Money::amount(100, parse_currency("EUR").unwrap()),
            thumbnail: None,
            sold_out: false,
            reviews: 0,
            average_tenths: None,
            created_at: Timestamp::UNIX_EPOCH,
            version: 1,
        };
        let stored = serde_json::to_value(Stored::of(&document)).unwrap();
        let index = crate::schema::index(search::Language::English);

        let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&stored), names(&index["mappings"]["properties"]));
        assert!(SHOWN.iter().all(|name| names(&stored).contains(*name)));
    }

    #[test]
    fn no_review_is_worse_than_any() {
        assert!(rating(Some(50), 1) > rating(Some(49), 1_000));
        assert!(rating(Some(40), 7) > rating(Some(40), 6));
        assert!(rating(Some(10), 1) > rating(None, 0));
        assert!(rating(Some(u64::MAX), u64::MAX) > 0);
    }
}
