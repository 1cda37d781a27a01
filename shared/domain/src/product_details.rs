//! The fields of a product that the shop sets.

use std::collections::BTreeMap;

use iso_currency::Currency;

use crate::{Attributes, CategoryPath, Invalid, Money, parse_currency, text::text_line};

/// The fields of a product that the shop sets, but for id, stock and description.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductDetails {
    pub name: ProductName,
    pub category: CategoryPath,
    pub price: Money,
    pub thumbnail: Option<Thumbnail>,
    pub manufacturer: Option<Manufacturer>,
    pub attributes: Attributes,
    /// Rank among the featured products, lowest first; `None` is not featured.
    pub featured_rank: Option<u32>,
}

text_line!(ProductName, "name", "name_invalid", 200);
text_line!(Manufacturer, "manufacturer", "manufacturer_invalid", 100);

/// A picture of the product: an `https:` URL, or a path relative to the storefront.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail(String);

impl Thumbnail {
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let invalid = |reason| Invalid::new("thumbnail", "thumbnail_invalid", reason);
        let safe = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`');
        if raw.is_empty() || raw.len() > 300 || !raw.bytes().all(safe) {
            return Err(invalid("must be 1 to 300 printable ASCII characters without quotes or angle brackets"));
        }
        let relative = !raw.contains(':') && !raw.starts_with("//");
        if !relative && !raw.starts_with("https://") {
            return Err(invalid("must be an https: URL or a relative path"));
        }
        Ok(Self(raw.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Details as they arrive, in an HTTP body or a line of an import, before any of them is parsed. `None` is a field that is
/// absent, and `Some(None)` one that is cleared.
#[derive(Debug, Clone, Default)]
pub struct GivenDetails {
    pub name: Option<String>,
    pub category: Option<Vec<String>>,
    pub price: Option<GivenPrice>,
    pub thumbnail: Option<Option<String>>,
    pub manufacturer: Option<Option<String>>,
    pub attributes: Option<GivenAttributes>,
    pub featured_rank: Option<Option<u32>>,
}

#[derive(Debug, Clone)]
pub enum GivenPrice {
    Minor { amount: i64, currency: String },
    Decimal { amount: String, currency: String },
}

#[derive(Debug, Clone, Default)]
pub struct GivenAttributes {
    /// `None` is a value that has no form as one line of text.
    pub entries: BTreeMap<String, Option<String>>,
    /// The bytes that values are cut to if they are too large together. `None`: they are refused.
    pub shortened_to: Option<usize>,
}

/// Fields to set. `None` stays unchanged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DetailsChange {
    pub name: Option<ProductName>,
    pub category: Option<CategoryPath>,
    pub price: Option<Money>,
    pub thumbnail: Option<Option<Thumbnail>>,
    pub manufacturer: Option<Option<Manufacturer>>,
    pub attributes: Option<Attributes>,
    pub featured_rank: Option<Option<u32>>,
}

/// All details that are refused, in the order of their fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDetails {
    /// Separate from the rest: there is always at least one.
    pub first: Invalid,
    pub others: Vec<Invalid>,
}

impl ProductDetails {
    /// With no other field.
    pub fn new(name: ProductName, price: Money) -> Self {
        Self {
            name,
            category: CategoryPath::default(),
            price,
            thumbnail: None,
            manufacturer: None,
            attributes: Attributes::default(),
            featured_rank: None,
        }
    }

    /// The details of a new product. An absent field has its default; name and price have none.
    ///
    /// # Errors
    /// All fields that are refused.
    pub fn parse(given: GivenDetails) -> Result<Self, InvalidDetails> {
        Self::of_change(given.parse()?)
    }

    /// The same, of parsed fields.
    ///
    /// # Errors
    /// It has no name or no price.
    pub fn of_change(mut change: DetailsChange) -> Result<Self, InvalidDetails> {
        let missing = |field, code| InvalidDetails::from(Invalid::new(field, code, "is missing"));
        let name = change.name.take().ok_or_else(|| missing("name", "name_invalid"))?;
        let price = change.price.take().ok_or_else(|| missing("price", "price_out_of_range"))?;
        Ok(Self::new(name, price).changed(change))
    }

    pub fn changed(self, change: DetailsChange) -> Self {
        let DetailsChange { name, category, price, thumbnail, manufacturer, attributes, featured_rank } = change;
        Self {
            name: name.unwrap_or(self.name),
            category: category.unwrap_or(self.category),
            price: price.unwrap_or(self.price),
            thumbnail: thumbnail.unwrap_or(self.thumbnail),
            manufacturer: manufacturer.unwrap_or(self.manufacturer),
            attributes: attributes.unwrap_or(self.attributes),
            featured_rank: featured_rank.unwrap_or(self.featured_rank),
        }
    }

    /// A shop sells in one currency: a product in another could not be bought, and would be sorted wrongly in a list by
    /// price.
    pub fn is_priced_in(&self, currency: Currency) -> Result<(), Invalid> {
        if self.price.currency() == currency {
            return Ok(());
        }
        let reason = format!("must be in {}, the currency that this shop sells in", currency.code());
        Err(Invalid::new("price", "currency_mismatch", reason))
    }
}

impl GivenDetails {
    /// # Errors
    /// All fields that are refused.
    pub fn parse(self) -> Result<DetailsChange, InvalidDetails> {
        let Self { name, category, price, thumbnail, manufacturer, attributes, featured_rank } = self;
        let mut refused = Refused(Vec::new());
        let change = DetailsChange {
            name: refused.unless(name, |raw| ProductName::parse(&raw)),
            category: refused.unless(category, CategoryPath::new),
            price: refused.unless(price, GivenPrice::parse),
            thumbnail: refused.unless(thumbnail, |raw| raw.as_deref().map(Thumbnail::parse).transpose()),
            manufacturer: refused.unless(manufacturer, |raw| raw.as_deref().map(Manufacturer::parse).transpose()),
            attributes: refused.unless(attributes, GivenAttributes::parse),
            featured_rank,
        };
        let mut refused = refused.0.into_iter();
        match refused.next() {
            None => Ok(change),
            Some(first) => Err(InvalidDetails { first, others: refused.collect() }),
        }
    }
}

impl GivenPrice {
    fn parse(self) -> Result<Money, Invalid> {
        match self {
            Self::Minor { amount, currency } => {
                let currency = parse_currency(&currency).map_err(|e| Invalid { field: "price.currency", ..e })?;
                Money::price(amount, currency)
            }
            Self::Decimal { amount, currency } => Money::parse_decimal(&amount, parse_currency(&currency)?),
        }
    }
}

impl GivenAttributes {
    fn parse(self) -> Result<Attributes, Invalid> {
        let text = |(name, value): (String, Option<String>)| match value {
            Some(value) => Ok((name, value)),
            None => {
                let reason = format!("{name} must be a string, a number or a boolean");
                Err(Invalid::new("attributes", "attributes_invalid", reason))
            }
        };
        let entries = self.entries.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        match self.shortened_to {
            None => Attributes::new(entries),
            Some(bytes) => Attributes::truncated(entries, bytes),
        }
    }
}

struct Refused(Vec<Invalid>);

impl Refused {
    /// The parsed field, unless it is absent or refused.
    fn unless<G, T>(&mut self, given: Option<G>, parse: impl FnOnce(G) -> Result<T, Invalid>) -> Option<T> {
        match parse(given?) {
            Ok(parsed) => Some(parsed),
            Err(invalid) => {
                self.0.push(invalid);
                None
            }
        }
    }
}

impl From<Invalid> for InvalidDetails {
    fn from(first: Invalid) -> Self {
        Self { first, others: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(amount: i64, currency: &str) -> Option<GivenPrice> {
        Some(GivenPrice::Minor { amount, currency: currency.to_owned() })
    }

    fn mug() -> GivenDetails {
        GivenDetails { name: Some("Mug".to_owned()), price: minor(899, "USD"), ..GivenDetails::default() }
    }

    #[test]
    fn an_absent_field_of_a_new_product_has_its_default_but_name_and_price_are_required() {
        let price = Money::price(899, Currency::USD).unwrap();
        let field = |given| ProductDetails::parse(given).unwrap_err().first.field;

        assert_eq!(ProductDetails::parse(mug()), Ok(ProductDetails::new(ProductName::parse("Mug").unwrap(), price)));
        assert_eq!(field(GivenDetails { name: None, ..mug() }), "name");
        assert_eq!(field(GivenDetails { price: None, ..mug() }), "price");
    }

    #[test]
    fn all_refused_details_are_reported_in_the_order_of_their_fields() {
        let entries = BTreeMap::from([("size".to_owned(), None)]);
        let given = GivenDetails {
            name: Some(String::new()),
            category: Some(vec!["Mugs".to_owned(); 5]),
            price: minor(899, "XXX"),
            thumbnail: Some(Some("javascript:alert(1)".to_owned())),
            manufacturer: Some(Some("x".repeat(101))),
            attributes: Some(GivenAttributes { entries, shortened_to: None }),
            featured_rank: Some(None),
        };

        let InvalidDetails { first, others } = given.parse().unwrap_err();

        assert_eq!((first.field, first.code), ("name", "name_invalid"));
        let others: Vec<_> = others.iter().map(|invalid| invalid.field).collect();
        assert_eq!(others, ["category", "price.currency", "thumbnail", "manufacturer", "attributes"]);
    }

    #[test]
    fn a_change_keeps_absent_fields_and_clears_optional_ones() {
        let old = GivenDetails {
            thumbnail: Some(Some("images/mug.svg".to_owned())),
            manufacturer: Some(Some("Potter".to_owned())),
            featured_rank: Some(Some(1)),
            ..mug()
        };
        let old = ProductDetails::parse(old).unwrap();
        let change = GivenDetails { price: minor(999, "USD"), thumbnail: Some(None), ..GivenDetails::default() };

        let new = old.clone().changed(change.parse().unwrap());

        let price = Money::price(999, Currency::USD).unwrap();
        assert_eq!(new, ProductDetails { price, thumbnail: None, ..old.clone() });
        assert_eq!(old.clone().changed(GivenDetails::default().parse().unwrap()), old);
    }

    #[test]
    fn a_thumbnail_cannot_carry_script() {
        for raw in ["javascript:alert(1)", "http://plain.example/a.png", "//evil.example/a.png", "a\"onerror=", ""] {
            assert!(Thumbnail::parse(raw).is_err(), "{raw}");
        }
        assert!(Thumbnail::parse("images/mug.svg").is_ok());
        assert!(Thumbnail::parse("https://cdn.example/mug.svg?w=200").is_ok());
    }
}
