//! What a hit shows, as it is stored beside the index.

use std::ops::Range;

use domain::{CategoryPath, Money, ProductId, Timestamp, parse_currency};
use serde::{Deserialize, Serialize};

use crate::{Document, Hit};

/// The stored form of a hit. Members have short names because there is one card for each product.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Card {
    #[serde(rename = "i")]
    pub(crate) id: String,
    #[serde(rename = "n")]
    pub(crate) name: String,
    #[serde(rename = "p")]
    price_minor: i64,
    /// Outside of a sale, if that is another.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    list_price_minor: Option<i64>,
    #[serde(rename = "u")]
    currency: String,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) thumbnail: Option<String>,
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    sold_out: bool,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    category: Vec<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub(crate) manufacturer: Option<String>,
    #[serde(rename = "r", default)]
    reviews: u64,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    average_tenths: Option<u64>,
    /// Seconds and nanoseconds.
    #[serde(rename = "d")]
    created_at: (i64, i32),
    #[serde(rename = "v")]
    version: u64,
}

impl Card {
    pub(crate) fn of(document: &Document) -> Self {
        Self {
            id: document.id.as_str().to_owned(),
            name: document.name.clone(),
            price_minor: document.price.amount_minor(),
            list_price_minor: (document.list_price != document.price).then(|| document.list_price.amount_minor()),
            currency: document.price.currency().code().to_owned(),
            thumbnail: document.thumbnail.clone(),
            sold_out: document.sold_out,
            category: document.category.segments().to_vec(),
            manufacturer: document.manufacturer.clone(),
            reviews: document.reviews,
            average_tenths: document.average_tenths,
            created_at: (document.created_at.as_second(), document.created_at.subsec_nanosecond()),
            version: document.version,
        }
    }

    pub(crate) fn category(&self) -> CategoryPath {
        CategoryPath::stored_segments(&self.category)
    }

    /// `None` if it is not what [`Card::of`] makes.
    pub(crate) fn id(&self) -> Option<ProductId> {
        self.id.parse().ok()
    }

    /// `None` if it is not what [`Card::of`] makes.
    pub(crate) fn created_at(&self) -> Option<Timestamp> {
        let (second, nanosecond) = self.created_at;
        Timestamp::new(second, nanosecond).ok()
    }

    /// `None` if it is not what [`Card::of`] makes.
    pub(crate) fn into_hit(self, highlights: Vec<Range<usize>>) -> Option<Hit> {
        let currency = parse_currency(&self.currency).ok()?;
        Some(Hit {
            id: self.id()?,
            price: Money::amount(self.price_minor, currency),
            list_price: Money::amount(self.list_price_minor.unwrap_or(self.price_minor), currency),
            category: self.category(),
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
