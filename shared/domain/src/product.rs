use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::{Invalid, ProductDetails, ProductId, text};

/// Maximum levels of a category path. Each level is one index entry (one WRU) for each product, so the depth is
/// bounded.
pub const MAX_CATEGORY_DEPTH: usize = 4;

const MAX_SEGMENT_CHARS: usize = 100;
/// Of a whole path, in UTF-8, because it is part of a key of the table.
const MAX_CATEGORY_BYTES: usize = 1_000;

const MAX_ATTRIBUTES: usize = 32;
const MAX_ATTRIBUTE_NAME_CHARS: usize = 64;
/// In UTF-8, names and values together, so that a product's page stays within one read unit.
const MAX_ATTRIBUTES_BYTES: usize = 1_536;
const MAX_STOCK: i64 = 1_000_000_000;

/// What a shop sells. Stock is a separate item, so that a sale never rewrites the product; so is the description, which
/// can be large.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    pub id: ProductId,
    pub details: ProductDetails,
    /// The number of changes, from 1.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Product {
    pub fn new(id: ProductId, details: ProductDetails, now: Timestamp) -> Self {
        Self { id, details, version: 1, created_at: now, updated_at: now }
    }
}

/// The category of a product, outermost level first: `Apparel`, `Apparel/Shoes`. Empty: in no category, found by price,
/// search and id only.
///
/// Up to four levels of 1 to 100 characters, in NFC, and 1,000 bytes of UTF-8 together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CategoryPath(Vec<String>);

impl CategoryPath {
    pub fn new<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Result<Self, Invalid> {
        let path = Self::of(segments, text::line)?;
        if path.0.iter().map(String::len).sum::<usize>() > MAX_CATEGORY_BYTES {
            let reason = format!("must be at most {MAX_CATEGORY_BYTES} bytes of UTF-8, all levels together");
            return Err(Invalid::new("category", "category_invalid", reason));
        }
        Ok(path)
    }

    fn of<S: AsRef<str>>(
        segments: impl IntoIterator<Item = S>,
        line: fn(&str, &'static str, &'static str, usize) -> Result<String, Invalid>,
    ) -> Result<Self, Invalid> {
        let segments =
            segments.into_iter().map(|s| line(s.as_ref(), "category", "category_invalid", MAX_SEGMENT_CHARS));
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_CATEGORY_DEPTH {
            let reason = format!("must have at most {MAX_CATEGORY_DEPTH} levels");
            return Err(Invalid::new("category", "category_invalid", reason));
        }
        // With the separators of the levels it is a sort key, which has at most 1,024 bytes:
        // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
        if segments.iter().map(String::len).sum::<usize>() > MAX_CATEGORY_BYTES {
            let reason = format!("must be at most {MAX_CATEGORY_BYTES} bytes of UTF-8, all levels together");
            return Err(Invalid::new("category", "category_invalid", reason));
        }
        Ok(Self(segments))
    }

    /// Reads the joined form, that of `Display`: names between `/`, in which `%2F` stands for a slash within a name and
    /// `%25` for a percent sign.
    pub fn parse(joined: &str) -> Result<Self, Invalid> {
        Self::new(split(joined))
    }

    /// Reads the joined form of a category to search for: an old one may be longer, or have invisible characters.
    pub fn parse_search(joined: &str) -> Result<Self, Invalid> {
        Self::of(split(joined), text::line_sought)
    }

    /// Reads a stored joined form, which may follow older rules, in NFC.
    pub fn stored(joined: &str) -> Self {
        Self::stored_segments(split(joined))
    }

    /// Reads stored segments, which may follow older rules, in NFC.
    pub fn stored_segments<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self(segments.into_iter().map(|segment| text::nfc(segment.as_ref())).collect())
    }

    /// A joined form exactly as it was stored: the key of an index that was written before categories were stored in
    /// NFC.
    pub fn unnormalised(joined: &str) -> Self {
        Self(split(joined).collect())
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

    /// This path and its ancestors, outermost first.
    pub fn levels(&self) -> impl Iterator<Item = CategoryPath> + '_ {
        (1..=self.0.len()).map(|depth| CategoryPath(self.0[..depth].to_vec()))
    }
}

fn split(joined: &str) -> impl Iterator<Item = String> {
    joined.split('/').map(|segment| segment.replace("%2F", "/").replace("%25", "%"))
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

/// Free-form facts about a product: at most 32 lines of text, named by 1 to 64 characters, in NFC. Together at most 1.5
/// KiB of UTF-8, so that a product page stays within one read unit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let attributes = Self::visible(entries)?;
        let named = attributes.0.keys().all(|k| (1..=MAX_ATTRIBUTE_NAME_CHARS).contains(&k.chars().count()));
        if !named || attributes.0.len() > MAX_ATTRIBUTES || attributes.bytes() > MAX_ATTRIBUTES_BYTES {
            return Err(Invalid::new(
                "attributes",
                "attributes_invalid",
                format!(
                    "must be at most {MAX_ATTRIBUTES} entries of {MAX_ATTRIBUTES_BYTES} bytes of UTF-8 together, named by \
                     1 to {MAX_ATTRIBUTE_NAME_CHARS} characters"
                ),
            ));
        }
        Ok(attributes)
    }

    /// The same, but values are cut to this many bytes if together they are too long.
    pub fn truncated(entries: impl IntoIterator<Item = (String, String)>, bytes: usize) -> Result<Self, Invalid> {
        let mut attributes = Self::visible(entries)?;
        if attributes.bytes() > MAX_ATTRIBUTES_BYTES {
            for value in attributes.0.values_mut() {
                value.truncate(value.floor_char_boundary(bytes));
                // Cutting a joined emoji would leave the joiner.
                value.truncate(value.trim_end_matches(['\u{200c}', '\u{200d}', '\u{fe0f}']).len());
            }
        }
        Self::new(attributes.0)
    }

    fn visible(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let invalid = |reason: String| Invalid::new("attributes", "attributes_invalid", reason);
        let entries: BTreeMap<_, _> =
            entries.into_iter().map(|(name, value)| (text::nfc(&name), text::nfc(&value))).collect();
        for (name, value) in &entries {
            if let Some(reason) = text::unprintable(name) {
                return Err(invalid(format!("a name {reason}")));
            }
            if let Some(reason) = text::unprintable(value) {
                return Err(invalid(format!("{name:?} {reason}")));
            }
        }
        Ok(Self(entries))
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Reads stored ones, which may follow older rules.
    pub fn stored(entries: BTreeMap<String, String>) -> Self {
        Self(entries)
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

    /// The sum, capped at [`Quantity::MAX`]: for merging carts, where refusing would lose a line.
    pub fn saturating_add(self, other: Quantity) -> Quantity {
        Quantity((self.0 + other.0).min(Self::MAX.0))
    }
}

/// A change of stock by an operator: never zero, at most one billion units either way.
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
    fn a_path_lists_its_ancestors() {
        let path = CategoryPath::new(["Apparel", "Shoes", "Boots"]).unwrap();

        let levels: Vec<_> = path.levels().map(|p| p.to_string()).collect();

        assert_eq!(levels, ["Apparel", "Apparel/Shoes", "Apparel/Shoes/Boots"]);
    }

    #[test]
    fn a_category_is_the_same_in_every_unicode_form() {
        let composed = CategoryPath::parse("Café/Crème").unwrap();

        assert_eq!(CategoryPath::new(["Cafe\u{301}", "Cre\u{300}me"]).unwrap(), composed);
        assert_eq!(CategoryPath::stored("Cafe\u{301}/Cre\u{300}me"), composed);
        assert!(CategoryPath::new(["Mugs\u{200b}"]).is_err());
        assert!(CategoryPath::new(["ถ้วย".repeat(25), "ชา".to_owned()]).is_ok());
        let reason = CategoryPath::new(vec!["ถ".repeat(100); 4]).unwrap_err().reason;
        assert_eq!(reason, "must be at most 1000 bytes of UTF-8, all levels together");
    }

    #[test]
    fn an_attribute_is_one_visible_line() {
        let attributes = |name: &str, value: &str| Attributes::new([(name.to_owned(), value.to_owned())]);

        for (name, value) in
            [("size", "9\0"), ("size", "9\r\ncm"), ("size", "9\u{200b}"), ("si\u{200b}ze", "9"), ("a\n", "b")]
        {
            assert_eq!(attributes(name, value).unwrap_err().code, "attributes_invalid", "{name:?} {value:?}");
        }
        assert_eq!(attributes("Gro\u{308}ße", "gru\u{308}n").unwrap(), attributes("Größe", "grün").unwrap());
        assert!(attributes(&"ก".repeat(64), "").is_ok());
        assert!(attributes(&"ก".repeat(65), "").is_err());
    }

    #[test]
    fn shortening_attributes_leaves_no_invisible_character() {
        let many = |value: &str| (0..4).map(|i| (format!("a{i}"), value.to_owned())).collect::<Vec<_>>();
        let (long, family) = ("x".repeat(500), "x".repeat(196) + "👩\u{200d}👩" + &"x".repeat(400));

        assert_eq!(Attributes::truncated(many("short"), 200).unwrap(), Attributes::new(many("short")).unwrap());
        assert!(Attributes::truncated(many(&long), 200).unwrap().iter().all(|(_, value)| value.len() == 200));
        assert!(Attributes::truncated(many(&family), 203).unwrap().iter().all(|(_, value)| value.ends_with("👩")));
        assert!(Attributes::truncated(many(&format!("{long}\0")), 200).is_err());
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
