//! A catalogue that looks like a shop's, and is the same in each run.

use domain::{CategoryPath, Currency, Money, Timestamp};
use search::{Document, Filters};

/// Numbers from a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }

    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

pub const SEED: u64 = 15;
pub const COUNT: u64 = 300;

/// Nouns whose stems differ from each other and from all other words.
pub const NOUNS: [&str; 8] = ["Headphones", "Keyboard", "Charger", "Monitor", "Router", "Speaker", "Webcam", "Printer"];
const STYLES: [&str; 6] = ["Compact", "Wireless", "Portable", "Silent", "Outdoor", "Vintage"];
pub const MAKERS: [&str; 5] = ["Acme", "Borealis", "Cormorant", "Dunlin", "Égérie & Co"];
const CATEGORIES: [&str; 7] = [
    "Electronics",
    "Electronics/Audio",
    "Electronics/Audio/Hi-Fi",
    "Electronics/Computers",
    "Office",
    "Office/Paper %2F Ink",
    "Möbel & Licht",
];
const COLOURS: [&str; 4] = ["red", "dark blue", "grün", "black/white"];

pub fn products() -> Vec<Document> {
    let mut dice = Dice::new(SEED);
    (0..COUNT).map(|nth| product(nth, &mut dice)).collect()
}

fn product(nth: u64, dice: &mut Dice) -> Document {
    let name = format!("{} {} {nth}", dice.pick(&STYLES), dice.pick(&NOUNS));
    let mut product = named(&format!("p{nth:03}"), &name);
    product.manufacturer = (!dice.one_in(6)).then(|| dice.pick(&MAKERS).to_owned());
    if !dice.one_in(8) {
        product.category = CategoryPath::stored(dice.pick(&CATEGORIES));
    }
    // In the order of their names.
    let mut attributes = vec![("colour".to_owned(), dice.pick(&COLOURS).to_owned())];
    if dice.one_in(2) {
        attributes.push(("size (cm) [W*H]".to_owned(), format!("{0}.5 x {0}", 10 * (1 + dice.below(3)))));
    }
    if dice.one_in(20) {
        attributes.push(("warranty".to_owned(), "5 years".to_owned()));
    }
    product.attributes = attributes;
    product.price =
        price([99, 100, 1_999, 4_999, 5_000, 25_000, 199_900][dice.below(7) as usize] + 10 * dice.below(3) as i64);
    product.sold_out = dice.one_in(4);
    product.reviews = if dice.one_in(3) { 0 } else { 1 + dice.below(40) };
    product.average_tenths = (product.reviews > 0).then(|| 10 + dice.below(41));
    // Some at the same time.
    product.created_at = created(dice.below(COUNT / 2));
    product
}

/// A product of which only the name is said.
pub fn named(id: &str, name: &str) -> Document {
    Document {
        id: id.parse().unwrap(),
        name: name.to_owned(),
        manufacturer: None,
        category: CategoryPath::default(),
        attributes: Vec::new(),
        description: "<p>Comes with a <b>cable</b>.</p>".to_owned(),
        price: price(1_000),
        list_price: price(1_000),
        thumbnail: Some(format!("https://shop.example/{id}.webp")),
        sold_out: false,
        reviews: 0,
        average_tenths: None,
        created_at: created(0),
        version: 1,
    }
}

pub fn price(cents: i64) -> Money {
    Money::price(cents, Currency::EUR).unwrap()
}

pub fn created(hours: u64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 3_600 * i64::try_from(hours).unwrap()).unwrap()
}

/// Filters that some products pass, and sometimes none.
pub fn filters(dice: &mut Dice) -> Filters {
    let mut filters = Filters::default();
    if dice.one_in(3) {
        filters.category = Some(CategoryPath::stored(dice.pick(&CATEGORIES)));
    }
    if dice.one_in(3) {
        filters.min_price = Some([0, 100, 101, 5_000][dice.below(4) as usize]);
    }
    if dice.one_in(3) {
        filters.max_price = Some([100, 5_000, 25_010, 1_000_000][dice.below(4) as usize]);
    }
    filters.in_stock = dice.one_in(3);
    if dice.one_in(3) {
        filters.manufacturers = (0..=dice.below(2)).map(|_| dice.pick(&MAKERS).to_owned()).collect();
    }
    if dice.one_in(3) {
        let colours = (0..=dice.below(2)).map(|_| dice.pick(&COLOURS).to_owned()).collect();
        filters.attributes.insert("colour".to_owned(), colours);
    }
    if dice.one_in(5) {
        filters.attributes.insert("size (cm) [W*H]".to_owned(), vec!["10.5 x 10".to_owned()]);
    }
    filters
}

/// Whether a product passes filters, decided from the product itself.
pub fn passes(product: &Document, filters: &Filters) -> bool {
    let price = product.price.amount_minor();
    filters.category.as_ref().is_none_or(|category| product.category.is_within(category))
        && filters.min_price.is_none_or(|min| price >= min)
        && filters.max_price.is_none_or(|max| price <= max)
        && !(filters.in_stock && product.sold_out)
        && (filters.manufacturers.is_empty()
            || product.manufacturer.as_ref().is_some_and(|maker| filters.manufacturers.contains(maker)))
        && filters
            .attributes
            .iter()
            .all(|(name, values)| product.attributes.iter().any(|(own, value)| own == name && values.contains(value)))
}
