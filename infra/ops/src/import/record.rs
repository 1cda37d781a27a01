use std::collections::{BTreeMap, BTreeSet};

use api::strict::{self, Unreadable};
use domain::{
    Attributes, CategoryPath, Currency, Invalid, Manufacturer, Money, Product, ProductId, ProductName, StockDelta,
    Thumbnail, parse_currency,
};
use serde_json::{Map, Value};
use table::{ImportDigest, Part};

use super::ImportOptions;

/// The code of a line that is not a JSON object.
pub(super) const NO_OBJECT: &str = "line_is_no_object";

/// More than any shop's page shows; a description is always sent as a whole.
const MAX_DESCRIPTION_BYTES: usize = 1 << 20;
/// Values are cut to this if a product's attributes are too large together.
const SHORTENED_BYTES: usize = 200;

#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) product: Product,
    /// Sanitised HTML.
    pub(super) description: Option<String>,
    pub(super) stock: i64,
    /// The fields that are in the line. The others have defaults in `product`, for a new product.
    pub(super) says: BTreeSet<Part>,
    pub(super) digest: ImportDigest,
}

type Fields = Map<String, Value>;

/// Reads one line. Unknown fields are ignored; `null` and blank text clear a field.
///
/// Goes through untyped JSON, so that the reason can name the field: serde names only the column.
pub(super) fn parse(line: &[u8], options: &ImportOptions) -> Result<Parsed, Invalid> {
    let line = str::from_utf8(line).map_err(|e| no_object(format!("is not UTF-8 at byte {}", e.valid_up_to() + 1)))?;
    let fields: Fields = strict::from_slice(line.as_bytes()).map_err(not_an_object)?;

    let currency = parse_currency(required(&fields, "currency")?)?;
    let product = Product {
        id: ProductId::of_new_product(required(&fields, "id")?).map_err(|e| Invalid { field: "id", ..e })?,
        name: ProductName::parse(required(&fields, "name")?)?,
        category: category(&fields)?,
        price: price(&fields, currency)?,
        thumbnail: text(&fields, "thumbnail")?.map(Thumbnail::parse).transpose()?,
        manufacturer: text(&fields, "manufacturer")?.map(Manufacturer::parse).transpose()?,
        attributes: attributes(&fields)?,
        featured_rank: whole_number(&fields, "featuredRank")?,
        version: 1,
        created_at: options.now,
        updated_at: options.now,
    };
    options.currency.map_or(Ok(()), |currency| product.is_priced_in(currency))?;
    let stock = StockDelta::initial(whole_number(&fields, "stock")?.unwrap_or(options.default_stock))?;
    let (description, says) = (description(&fields)?, says(&fields));
    let digest = digest(&fields, &product, &says, options)?;
    Ok(Parsed { product, description, stock, says, digest })
}

/// The fields of a product that are in a line, cleared ones included.
fn says(fields: &Fields) -> BTreeSet<Part> {
    let of = |field| match field {
        "category" => Some(Part::Category),
        "thumbnail" => Some(Part::Thumbnail),
        "manufacturer" => Some(Part::Manufacturer),
        "featuredRank" => Some(Part::FeaturedRank),
        "description" => Some(Part::Description),
        "attrs" => Some(Part::Attributes),
        "source" => Some(Part::Source),
        "license" => Some(Part::License),
        _ => None,
    };
    // Attributes of these names are equivalent to the fields.
    let attributes = fields.get("attrs").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    let attributes = attributes.filter(|name| matches!(name.as_str(), "source" | "license"));
    fields.keys().chain(attributes).filter_map(|field| of(field.as_str())).collect()
}

/// The digest of a line's content and of the import's settings; order and formatting of the fields do not matter.
fn digest(
    fields: &Fields,
    product: &Product,
    says: &BTreeSet<Part>,
    options: &ImportOptions,
) -> Result<ImportDigest, Invalid> {
    let Product { name, category, price, thumbnail, manufacturer, attributes, featured_rank, .. } = product;
    // The original text: sanitising may change with the version of the program.
    let description = text(fields, "description")?;
    let parts: Vec<_> = says.iter().map(|part| format!("{part:?}")).collect();
    let attributes: Vec<_> = attributes.iter().collect();
    let said = (
        (options.replace, parts, name.as_str(), price.amount_minor(), price.currency().code(), category.segments()),
        (thumbnail.as_ref().map(Thumbnail::as_str), manufacturer.as_ref().map(Manufacturer::as_str)),
        (featured_rank, attributes, description),
    );
    let said = serde_json::to_string(&said).map_err(|e| invalid("line", e.to_string()))?;
    Ok(ImportDigest::of(&said))
}

fn price(fields: &Fields, currency: Currency) -> Result<Money, Invalid> {
    if let Some(Value::Number(number)) = fields.get("price") {
        return Err(invalid("price", format!("write the price as text, \"{number}\"")));
    }
    Money::parse_decimal(required(fields, "price")?, currency)
}

fn invalid(field: &'static str, reason: impl Into<String>) -> Invalid {
    Invalid::new(field, "record_invalid", reason)
}

fn no_object(reason: impl Into<String>) -> Invalid {
    Invalid::new("line", NO_OBJECT, reason)
}

fn not_an_object(unreadable: Unreadable) -> Invalid {
    match unreadable {
        Unreadable::NoJson(error) => {
            // The parser's message ends in "at line 1 column 7"; the text is always one line.
            let message = error.to_string();
            let words = message.split(" at line ").next().unwrap_or_default();
            let what = if error.is_eof() { "it ends too early" } else { words };
            no_object(format!("is not a JSON object: {what}, at byte {}", error.column()))
        }
        // An object of any values has no other error.
        Unreadable::Mismatch(mismatch) => match mismatch.field() {
            Some(field) => invalid("line", format!("has {field} twice")),
            None => no_object("is JSON, but not an object: it must begin with { and end with }"),
        },
    }
}

fn text<'a>(fields: &'a Fields, field: &'static str) -> Result<Option<&'a str>, Invalid> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err(invalid(field, "must be a string")),
    }
}

fn required<'a>(fields: &'a Fields, field: &'static str) -> Result<&'a str, Invalid> {
    text(fields, field)?.ok_or_else(|| invalid(field, "is missing"))
}

fn whole_number<T: TryFrom<i64>>(fields: &Fields, field: &'static str) -> Result<Option<T>, Invalid> {
    let Some(value) = fields.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_i64().and_then(|number| T::try_from(number).ok());
    number.map(Some).ok_or_else(|| invalid(field, "must be a whole number in range"))
}

fn category(fields: &Fields) -> Result<CategoryPath, Invalid> {
    let segments = match fields.get("category") {
        None | Some(Value::Null) => return Ok(CategoryPath::default()),
        Some(Value::Array(segments)) => segments.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
        Some(_) => None,
    };
    CategoryPath::new(segments.ok_or_else(|| invalid("category", "must be an array of strings"))?)
}

fn description(fields: &Fields) -> Result<Option<String>, Invalid> {
    let Some(html) = text(fields, "description")? else { return Ok(None) };
    let clean = domain::sanitise(html);
    // Measured after cleaning, which can make it longer: it closes tags and writes `&amp;` for `&`.
    if clean.len() > MAX_DESCRIPTION_BYTES {
        return Err(invalid("description", format!("must be at most {MAX_DESCRIPTION_BYTES} bytes")));
    }
    Ok(Some(clean).filter(|clean| !clean.trim().is_empty()))
}

/// The record's attributes, with source and license. Values are shortened only if they are too large together.
fn attributes(fields: &Fields) -> Result<Attributes, Invalid> {
    let mut entries: BTreeMap<String, String> = match fields.get("attrs") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(attrs)) => attrs.iter().filter_map(|(name, v)| Some((name.clone(), rendered(v)?))).collect(),
        Some(_) => return Err(invalid("attrs", "must be an object")),
    };
    for field in ["source", "license"] {
        if let Some(text) = text(fields, field)? {
            entries.insert(field.to_owned(), text.to_owned());
        }
    }
    Attributes::truncated(entries, SHORTENED_BYTES).map_err(|e| Invalid { field: "attrs", ..e })
}

/// Nested values are left out.
fn rendered(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Currency, Timestamp};
    use serde_json::json;

    use super::*;

    fn options() -> ImportOptions {
        let options = ImportOptions::new("ann", Timestamp::UNIX_EPOCH);
        ImportOptions { default_stock: 5, ..options }
    }

    /// A valid record with one field changed.
    fn with(field: &str, value: Value) -> Result<Parsed, Invalid> {
        let mut record = json!({ "id": "mug", "name": "Mug", "price": "8.99", "currency": "USD" });
        record[field] = value;
        parse(record.to_string().as_bytes(), &options())
    }

    fn attributes_of(attrs: Value) -> Vec<(String, String)> {
        let parsed = with("attrs", attrs).unwrap();
        parsed.product.attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_record_is_read_whole() {
        let record = json!({
            "id": "mug", "name": " Mug ", "price": "8.90", "currency": "USD", "description": "<b>Blue</b>",
            "category": ["Kitchen", "Mugs"], "thumbnail": "mug.jpg", "manufacturer": "Potter",
            "attrs": { "colour": "blue" }, "source": "shop", "license": "MIT", "featuredRank": 3, "stock": 12,
            "image": "large.jpg", "unknown": {},
        });

        let Parsed { product, description, stock, .. } = parse(record.to_string().as_bytes(), &options()).unwrap();

        assert_eq!((product.id.as_str(), product.name.as_str()), ("mug", "Mug"));
        assert_eq!(product.price, Money::price(890, Currency::USD).unwrap());
        assert_eq!(product.category.to_string(), "Kitchen/Mugs");
        assert_eq!(product.thumbnail.unwrap().as_str(), "mug.jpg");
        assert_eq!(product.manufacturer.unwrap().as_str(), "Potter");
        let attributes: Vec<_> = product.attributes.iter().collect();
        assert_eq!(attributes, [("colour", "blue"), ("license", "MIT"), ("source", "shop")]);
        assert_eq!((product.featured_rank, product.version, stock), (Some(3), 1, 12));
        assert_eq!(description.as_deref(), Some("<b>Blue</b>"));
    }

    #[test]
    fn missing_null_and_blank_fields_have_their_defaults() {
        for value in [Value::Null, json!(""), json!(" ")] {
            let Parsed { product, description, stock, .. } = with("thumbnail", value.clone()).unwrap();
            assert_eq!((product.thumbnail, product.manufacturer, product.featured_rank), (None, None, None));
            assert!(product.category.is_empty());
            assert_eq!((description, stock), (None, 5));
            assert_eq!(with("description", value).unwrap().description, None);
        }
        assert!(with("category", json!([])).unwrap().product.category.is_empty());
    }

    #[test]
    fn every_reason_names_the_field_and_the_rule() {
        let many: Map<String, Value> = (0..33).map(|i| (format!("a{i}"), json!(1))).collect();
        let attributes_rule =
            "attrs: must be at most 32 entries of 1536 bytes of UTF-8 together, named by 1 to 64 characters";
        let depth = json!(["1", "2", "3", "4", "5"]);
        let cases = [
            ("id", Value::Null, "id: is missing"),
            ("id", json!(7), "id: must be a string"),
            ("id", json!("PROD#1"), "id: must be 1 to 64 characters of A-Z a-z 0-9 . _ -"),
            ("name", json!(""), "name: is missing"),
            ("name", json!("x".repeat(201)), "name: must be at most 200 characters"),
            ("name", json!("a\u{7}b"), "name: must not contain control characters"),
            ("currency", Value::Null, "currency: is missing"),
            ("currency", json!("usd"), "currency: must be an ISO 4217 code such as USD"),
            ("price", Value::Null, "price: is missing"),
            ("price", json!(8.99), "price: write the price as text, \"8.99\""),
            ("price", json!(true), "price: must be a string"),
            ("price", json!("12."), "price: \"12.\" is not an amount of USD with 2 decimals"),
            ("price", json!("007.50"), "price: \"007.50\" is not an amount of USD with 2 decimals"),
            ("price", json!(".5"), "price: \".5\" is not an amount of USD with 2 decimals"),
            ("price", json!("x"), "price: \"x\" is not an amount of USD with 2 decimals"),
            ("price", json!("8.999"), "price: \"8.999\" is not an amount of USD with 2 decimals"),
            ("price", json!("-1.00"), "price: \"-1.00\" is not an amount of USD with 2 decimals"),
            ("price", json!("100000000.01"), "price: must be 0 to 10000000000 minor units"),
            ("category", json!("Mugs"), "category: must be an array of strings"),
            ("category", json!(["Mugs", 1]), "category: must be an array of strings"),
            ("category", json!(["Mugs", " "]), "category: must not be empty"),
            ("category", depth, "category: must have at most 4 levels"),
            ("thumbnail", json!("javascript:alert(1)"), "thumbnail: must be an https: URL or a relative path"),
            ("manufacturer", json!("x".repeat(101)), "manufacturer: must be at most 100 characters"),
            ("description", json!(1), "description: must be a string"),
            ("description", json!("&".repeat(300_000)), "description: must be at most 1048576 bytes"),
            ("attrs", json!([]), "attrs: must be an object"),
            ("attrs", Value::Object(many), attributes_rule),
            ("attrs", json!({ "": 1 }), attributes_rule),
            ("attrs", json!({ "size": "9\r\n" }), "attrs: \"size\" must not contain control characters"),
            ("manufacturer", json!("Pot\u{200b}ter"), "manufacturer: must not contain the invisible character U+200B"),
            ("source", json!(1), "source: must be a string"),
            ("featuredRank", json!(-1), "featuredRank: must be a whole number in range"),
            ("featuredRank", json!(4_294_967_296_u64), "featuredRank: must be a whole number in range"),
            ("stock", json!(1.5), "stock: must be a whole number in range"),
            ("stock", json!(-1), "stock: must be 0 to 1000000000"),
        ];

        for (field, value, reason) in cases {
            assert_eq!(with(field, value).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn an_error_of_a_line_names_the_position() {
        let reason = |line: &[u8]| parse(line, &options()).unwrap_err().to_string();

        assert_eq!(reason(b"{\"id\": \xff}"), "line: is not UTF-8 at byte 8");
        assert_eq!(reason(br#"{"id": "#), "line: is not a JSON object: it ends too early, at byte 7");
        assert_eq!(reason(b"[]"), "line: is JSON, but not an object: it must begin with { and end with }");
        assert!(reason(b"{} {}").starts_with("line: is not a JSON object: trailing characters"));
    }

    #[test]
    fn a_repeated_field_is_refused_at_any_depth() {
        let reason = |line: &str| parse(line.as_bytes(), &options()).unwrap_err().to_string();

        assert_eq!(reason(r#"{"id":"mug","price":"1.00","price":"9.00"}"#), "line: has price twice");
        assert_eq!(reason(r#"{"id":"mug","attrs":{"a":1,"a":2}}"#), "line: has attrs.a twice");
    }

    #[test]
    fn a_digest_depends_on_the_content_and_not_on_the_formatting() {
        let digest = |line: &str| parse(line.as_bytes(), &options()).unwrap().digest;
        let line = r#"{"id":"mug","name":"Mug","price":"8.90","currency":"USD","attrs":{"a":1,"b":2}}"#;

        for same in [
            r#"{"attrs":{"b":2,"a":1},"currency":"USD","price":"8.9","name":" Mug ","id":"mug"}"#,
            r#"{"id":"mug","name":"Mug","price":"8.90","currency":"USD","attrs":{"a":1,"b":2},"stock":7,"other":1}"#,
        ] {
            assert_eq!(digest(same), digest(line), "{same}");
        }
        for other in [
            line.replace("8.90", "8.91"),
            line.replace("\"b\":2", "\"b\":3"),
            line.replace("}}", "},\"thumbnail\":null}"),
        ] {
            assert_ne!(digest(&other), digest(line), "{other}");
        }
        let whole = ImportOptions { replace: true, ..options() };
        assert_ne!(parse(line.as_bytes(), &whole).unwrap().digest, digest(line));
    }

    #[test]
    fn prices_follow_the_decimals_of_their_currency() {
        let minor = |price: &str, currency: &str| {
            let record = json!({ "id": "mug", "name": "Mug", "price": price, "currency": currency });
            parse(record.to_string().as_bytes(), &options()).ok().map(|p| p.product.price.amount_minor())
        };

        assert_eq!(minor("8.9", "USD"), Some(890));
        assert_eq!(minor("0", "USD"), Some(0));
        assert_eq!(minor("8.990", "USD"), Some(899));
        assert_eq!(minor("500", "JPY"), Some(500));
        assert_eq!(minor("500.5", "JPY"), None);
        assert_eq!(minor("1.234", "KWD"), Some(1_234));
    }

    #[test]
    fn attributes_become_text_and_what_is_nested_is_left_out() {
        let attrs = json!({ "a": "x", "b": 3, "c": 4.9, "d": true, "e": null, "f": ["x"], "g": { "x": 1 } });

        let expected = [("a", "x"), ("b", "3"), ("c", "4.9"), ("d", "true")];
        assert_eq!(attributes_of(attrs), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn long_attributes_are_shortened_only_if_they_are_too_large_together() {
        let fits = attributes_of(json!({ "a": "x".repeat(1_000) }));
        // 3 bytes each: 200 is in the middle of the 67th.
        let shortened = attributes_of(json!({ "a": "€".repeat(1_000), "b": "short" }));

        assert_eq!(fits[0].1.len(), 1_000);
        assert_eq!((shortened[0].1.as_str(), shortened[1].1.as_str()), ("€".repeat(66).as_str(), "short"));
        let still_too_much: Map<String, Value> = (0..8).map(|i| (format!("a{i}"), json!("x".repeat(1_000)))).collect();
        assert!(with("attrs", Value::Object(still_too_much)).is_err());
    }

    #[test]
    fn a_line_in_another_currency_than_the_shops_is_rejected() {
        let record = json!({ "id": "mug", "name": "Mug", "price": "8.99", "currency": "USD" }).to_string();
        let read = |currency| parse(record.as_bytes(), &ImportOptions { currency, ..options() });

        assert!(read(None).is_ok() && read(Some(Currency::USD)).is_ok());
        let reason = read(Some(Currency::EUR)).unwrap_err().to_string();
        assert_eq!(reason, "price: must be in EUR, the currency that this shop sells in");
    }

    #[test]
    fn a_description_cannot_carry_script() {
        let description = |html: &str| with("description", json!(html)).unwrap().description;

        assert_eq!(description("<p onclick=\"x()\">Blue</p><script>x()</script>").as_deref(), Some("<p>Blue</p>"));
        assert_eq!(description("<script>x()</script>"), None);
    }
}
