//! Reads the products of a catalogue, and makes more of them.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader},
    path::Path,
};

use domain::{CategoryPath, Money, Timestamp, parse_currency};
use flate2::read::GzDecoder;
use search::Document;
use serde::Deserialize;
use serde_json::Value;

use crate::{Outcome, random::Random};

#[derive(Deserialize)]
struct Record {
    id: String,
    name: String,
    description: String,
    category: Vec<String>,
    price: Option<String>,
    currency: String,
    thumbnail: Option<String>,
    manufacturer: Option<String>,
    attrs: BTreeMap<String, Value>,
    released: Option<String>,
}

/// The products of a gzipped file with one JSON object in each line.
pub fn read(path: &Path) -> Outcome<Vec<Document>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| document(serde_json::from_str(&line?)?)).collect()
}

fn document(record: Record) -> Outcome<Document> {
    let currency = parse_currency(&record.currency).map_err(|invalid| invalid.to_string())?;
    let price = record.price.as_deref().unwrap_or("0");
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(Document {
        id: record.id.parse().map_err(|_| format!("{:?} is not an id", record.id))?,
        name: record.name,
        manufacturer: record.manufacturer.filter(|name| !name.is_empty()),
        category: CategoryPath::new(record.category).map_err(|invalid| invalid.to_string())?,
        attributes: record.attrs.into_iter().map(|(name, value)| (name, text(value))).collect(),
        description: record.description,
        price: Money::parse_decimal(price, currency).map_err(|invalid| invalid.to_string())?,
        list_price: Money::parse_decimal(price, currency).map_err(|invalid| invalid.to_string())?,
        thumbnail: record.thumbnail,
        sold_out: false,
        reviews: 0,
        average_tenths: None,
        created_at: record.released.and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or(Timestamp::UNIX_EPOCH),
        version: 1,
    })
}

/// Categories that products are sorted into when there are more of them than were read.
const CATEGORIES: u64 = 240;
const TOP_CATEGORIES: u64 = 12;

/// As many products: those that were read, and copies with other numbers in their names, other prices, stock and reviews.
/// Products with the same attributes are in the same category.
pub fn grown(documents: &[Document], count: usize, seed: u64) -> impl Iterator<Item = Document> {
    let mut random = Random::new(seed);
    (0..count).map(move |at| {
        let mut document = documents[at % documents.len()].clone();
        let copy = at / documents.len();
        if copy > 0 {
            document.id = format!("{}-{copy}", document.id).parse().unwrap_or(document.id);
            document.name = renumbered(&document.name, &mut random);
        }
        let mut hasher = DefaultHasher::new();
        document.attributes.iter().take(6).for_each(|(name, _)| name.hash(&mut hasher));
        let category = hasher.finish() % CATEGORIES;
        let levels = [format!("Department {}", category % TOP_CATEGORIES), format!("Category {category}")];
        document.category = CategoryPath::stored_segments(levels);
        let percent = 80 + random.below(40) as i64;
        document.price = Money::amount(document.price.amount_minor() * percent / 100, document.price.currency());
        document.sold_out = random.below(10) == 0;
        document.reviews = random.below(4) * random.below(20);
        document.average_tenths = (document.reviews > 0).then(|| 10 + random.below(41));
        document
    })
}

/// A name with other digits in its longer numbers, as another model of the same kind has.
fn renumbered(name: &str, random: &mut Random) -> String {
    let word = |word: &str| -> String {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let other = |c: char, random: &mut Random| {
            let digit = u8::try_from(random.below(10)).unwrap_or_default();
            if c.is_ascii_digit() { char::from(b'0' + digit) } else { c }
        };
        if digits < 3 { word.to_owned() } else { word.chars().map(|c| other(c, random)).collect() }
    };
    let words: Vec<String> = name.split(' ').map(word).collect();
    words.join(" ")
}
