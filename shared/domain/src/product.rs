use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::{Invalid, Money, ProductId, text::text_line};

/// Levels of a category path. Each level is one index entry (one WRU) a product, so the depth is bounded.
pub const MAX_CATEGORY_DEPTH: usize = 4;

const MAX_CATEGORY_BYTES: usize = 1_000;

const MAX_ATTRIBUTES: usize = 32;
const MAX_ATTRIBUTES_BYTES: usize = 1_536;
const MAX_STOCK: i64 = 1_000_000_000;

/// What a shop sells. Stock is apart, so that a sale never rewrites the product; so is the description, which can be
/// large.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    pub id: ProductId,
    pub name: ProductName,
    pub category: CategoryPath,
    pub price: Money,
    pub thumbnail: Option<Thumbnail>,
    pub manufacturer: Option<Manufacturer>,
    pub attributes: Attributes,
    /// Place among the featured products, lowest first; `None` is not featured.
    pub featured_rank: Option<u32>,
    /// Counts changes, from 1.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
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

/// Where a product stands, outermost first: `Apparel`, `Apparel/Shoes`. Empty: in no category, found by price, search
/// and id only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CategoryPath(Vec<String>);

impl CategoryPath {
    pub fn new<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Result<Self, Invalid> {
        let segments = segments
            .into_iter()
            .map(|s| crate::text::line(s.as_ref(), "category", "category_invalid", 100))
            .collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_CATEGORY_DEPTH {
            let reason = format!("must have at most {MAX_CATEGORY_DEPTH} levels");
            return Err(Invalid::new("category", "category_invalid", reason));
        }
        // With what separates the levels it is a sort key, which has 1,024 bytes:
        // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
        if segments.iter().map(String::len).sum::<usize>() > MAX_CATEGORY_BYTES {
            let reason = format!("must be at most {MAX_CATEGORY_BYTES} bytes of UTF-8, all levels together");
            return Err(Invalid::new("category", "category_invalid", reason));
        }
        Ok(Self(segments))
    }

    /// Reads the joined form, that of `Display`: segments between `/`, in which `%2F` stands for a slash of
    /// the segment's own and `%25` for a percent sign.
    pub fn parse(joined: &str) -> Result<Self, Invalid> {
        Self::new(joined.split('/').map(|s| s.replace("%2F", "/").replace("%25", "%")))
    }

    pub fn depth(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// This path and the paths above it, outermost first.
    pub fn levels(&self) -> impl Iterator<Item = CategoryPath> + '_ {
        (1..=self.0.len()).map(|depth| CategoryPath(self.0[..depth].to_vec()))
    }
}

impl fmt::Display for CategoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "/" };
            write!(f, "{separator}{}", segment.replace('%', "%25").replace('/', "%2F"))?;
        }
        Ok(())
    }
}

/// Free-form facts about a product: at most 32, and 1.5 KiB together, so that a product page stays one read unit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        let bytes: usize = entries.iter().map(|(k, v)| k.len() + v.len()).sum();
        let named = entries.keys().all(|k| !k.is_empty() && k.len() <= 64 && !k.chars().any(char::is_control));
        if !named || entries.len() > MAX_ATTRIBUTES || bytes > MAX_ATTRIBUTES_BYTES {
            let reason = format!(
                "must be at most {MAX_ATTRIBUTES} entries of {MAX_ATTRIBUTES_BYTES} bytes together, named by 1 to 64 bytes"
            );
            return Err(Invalid::new("attributes", "attributes_invalid", reason));
        }
        Ok(Self(entries))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// Units of one product in a cart or order line: 1 to 9,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity(u32);

impl Quantity {
    pub const MAX: Quantity = Quantity(9_999);

    pub fn new(units: i64) -> Result<Self, Invalid> {
        match u32::try_from(units) {
            Ok(units @ 1..=9_999) => Ok(Self(units)),
            _ => Err(Invalid::new("quantity", "quantity_out_of_range", "must be 1 to 9999")),
        }
    }

    pub fn units(self) -> u32 {
        self.0
    }

    /// The sum, held at [`Quantity::MAX`]: for merging carts, where refusing would lose a line.
    pub fn saturating_add(self, other: Quantity) -> Quantity {
        Quantity((self.0 + other.0).min(Self::MAX.0))
    }
}

/// A change of stock by an operator: never zero, at most a thousand million units either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockDelta(i64);

impl StockDelta {
    pub fn new(units: i64) -> Result<Self, Invalid> {
        if units == 0 || units.checked_abs().is_none_or(|u| u > MAX_STOCK) {
            let reason = format!("must not be 0 and at most {MAX_STOCK} either way");
            return Err(Invalid::new("delta", "delta_out_of_range", reason));
        }
        Ok(Self(units))
    }

    /// The stock a product starts with: 0 or more.
    pub fn initial(units: i64) -> Result<i64, Invalid> {
        if (0..=MAX_STOCK).contains(&units) {
            return Ok(units);
        }
        Err(Invalid::new("stock", "stock_out_of_range", format!("must be 0 to {MAX_STOCK}")))
    }

    pub fn units(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_knows_every_level_above_it() {
        let path = CategoryPath::new(["Apparel", "Shoes", "Boots"]).unwrap();

        let levels: Vec<_> = path.levels().map(|p| p.to_string()).collect();

        assert_eq!(levels, ["Apparel", "Apparel/Shoes", "Apparel/Shoes/Boots"]);
    }

    #[test]
    fn a_thumbnail_cannot_carry_script() {
        for raw in ["javascript:alert(1)", "http://plain.example/a.png", "//evil.example/a.png", "a\"onerror=", ""] {
            assert!(Thumbnail::parse(raw).is_err(), "{raw}");
        }
        assert!(Thumbnail::parse("images/mug.svg").is_ok());
        assert!(Thumbnail::parse("https://cdn.example/mug.svg?w=200").is_ok());
    }

    #[test]
    fn a_quantity_is_1_to_9999() {
        for units in [i64::MIN, -1, 0, 10_000, i64::MAX] {
            assert!(Quantity::new(units).is_err(), "{units}");
        }
        assert_eq!(Quantity::new(9_999).unwrap().saturating_add(Quantity::new(1).unwrap()), Quantity::MAX);
    }

    proptest! {
        #[test]
        fn a_joined_path_reads_back_as_itself(segments in prop::collection::vec("[a-zA-Z0-9/%& ]{0,8}x", 1..=4)) {
            let path = CategoryPath::new(&segments).unwrap();
            prop_assert_eq!(CategoryPath::parse(&path.to_string()).unwrap(), path);
        }
    }
}
