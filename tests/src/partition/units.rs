//! What a write costs, on the table and on each index.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
    sync::OnceLock,
};

use dynoxide::types::{AttributeValue, Item, item_size};
use table::schema::{Index, indexes};

use super::{
    constants::{TRANSACTION_FACTOR, WRITE_UNIT_BYTES},
    space::{Placement, Position},
};

/// The primary key of an item.
pub type ItemKey = (String, String);

/// What the model knows of a stored item.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    bytes: usize,
    /// Its entry in each index, in the order of the schema.
    entries: Vec<Option<Entry>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hash: String,
    range: String,
    bytes: usize,
    /// A digest of what is projected.
    content: u64,
}

/// Units of one partition of the table, number 0, or of an index, by its number in the schema plus one.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    pub space: usize,
    pub position: Position,
    pub units: f64,
}

/// What a write does to its item, as far as is known before it is evaluated.
#[derive(Debug)]
pub enum Change<'a> {
    Put(&'a Item),
    /// The values that the expression may write, and the expression.
    Update(Option<&'a Item>, &'a str),
    Delete,
    /// A condition of a transaction on an item that it does not write.
    Check,
}

/// The indexes of the table.
pub fn schema() -> &'static [Index] {
    static INDEXES: OnceLock<Vec<Index>> = OnceLock::new();
    INDEXES.get_or_init(indexes)
}

pub fn text(value: Option<&AttributeValue>) -> Option<&str> {
    match value? {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text),
        _ => None,
    }
}

/// The key in an item or in a key.
pub fn key_of(item: &Item) -> ItemKey {
    let part = |name| text(item.get(name)).unwrap_or_default().to_owned();
    (part("PK"), part("SK"))
}

pub fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1) as f64
}

impl Stored {
    pub fn of(item: &Item) -> Self {
        Self { bytes: item_size(item), entries: schema().iter().map(|index| Entry::of(index, item)).collect() }
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)?.as_ref()
    }
}

impl Entry {
    fn of(index: &Index, item: &Item) -> Option<Self> {
        let (hash, range) = (text(item.get(index.hash))?, text(item.get(index.range))?);
        let keys = ["PK", "SK", index.hash, index.range];
        let mut digest = DefaultHasher::new();
        let mut bytes = 0;
        for name in keys.iter().chain(index.include) {
            if let Some(value) = item.get(*name) {
                bytes += name.len() + value.size();
                (name, format!("{value:?}")).hash(&mut digest);
            }
        }
        Some(Self { hash: hash.to_owned(), range: range.to_owned(), bytes, content: digest.finish() })
    }
}

/// The charges of a write. `before` is the item that it replaces.
pub fn charges(
    placement: Placement,
    key: &ItemKey,
    before: Option<&Stored>,
    change: &Change<'_>,
    in_transaction: bool,
) -> Vec<Charge> {
    let old_bytes = before.map_or(0, |stored| stored.bytes);
    let new_bytes = match change {
        Change::Put(item) => item_size(item),
        Change::Update(values, _) => old_bytes.max(values.map_or(0, item_size)),
        Change::Delete | Change::Check => old_bytes,
    };
    let factor = if in_transaction { TRANSACTION_FACTOR } else { 1.0 };
    let mut charges = vec![Charge {
        space: 0,
        position: placement.position(&key.0, &key.1),
        units: factor * write_units(old_bytes.max(new_bytes)),
    }];
    for (at, index) in schema().iter().enumerate() {
        let old = before.and_then(|stored| stored.entry(at));
        let new = match change {
            Change::Put(item) => Entry::of(index, item),
            Change::Update(_, expression) => old.map(|entry| {
                // Which value it gets is only known afterwards; the hash key is never changed by an update.
                let changed = u64::from(touches(expression, index));
                Entry { content: entry.content.wrapping_add(changed), ..entry.clone() }
            }),
            Change::Check => old.cloned(),
            Change::Delete => None,
        };
        charges.extend(entry_charges(placement, at + 1, key, old, new.as_ref()));
    }
    charges
}

fn touches(expression: &str, index: &Index) -> bool {
    let names = [index.hash, index.range].into_iter().chain(index.include.iter().copied());
    let words = || expression.split(|c: char| !c.is_ascii_alphanumeric());
    names.into_iter().any(|name| words().any(|word| word == name))
}

/// An entry whose key changes is deleted and put again; one that stays as it is costs nothing.
fn entry_charges(
    placement: Placement,
    space: usize,
    key: &ItemKey,
    old: Option<&Entry>,
    new: Option<&Entry>,
) -> Vec<Charge> {
    let charge = |entry: &Entry, bytes: usize| {
        let sort = format!("{}#{}#{}", entry.range, key.0, key.1);
        Charge { space, position: placement.position(&entry.hash, &sort), units: write_units(bytes) }
    };
    match (old, new) {
        (None, None) => Vec::new(),
        (Some(old), Some(new)) if old == new => Vec::new(),
        (Some(old), Some(new)) if (&old.hash, &old.range) == (&new.hash, &new.range) => {
            vec![charge(new, old.bytes.max(new.bytes))]
        }
        (old, new) => [old, new].into_iter().flatten().map(|entry| charge(entry, entry.bytes)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACEMENT: Placement = Placement { seed: 1, lots_in_sort_key: false };
    const DUE: usize = 7;
    const STATE: usize = 8;

    fn item(pairs: &[(&str, &str)]) -> Item {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned()))).collect()
    }

    fn placed(padding: usize) -> Item {
        let mut order =
            item(&[("PK", "ORDER#1"), ("SK", "STATUS"), ("dueShard", "DUE#3"), ("x", &"x".repeat(padding))]);
        order.insert("dueAt".to_owned(), AttributeValue::N("17".to_owned()));
        order
    }

    fn spaces(charges: &[Charge]) -> Vec<(usize, f64)> {
        charges.iter().map(|charge| (charge.space, charge.units)).collect()
    }

    #[test]
    fn the_numbers_of_the_indexes_are_those_of_the_schema() {
        let names: Vec<_> = indexes().iter().map(|index| index.name).collect();

        assert_eq!((names[DUE - 1], names[STATE - 1]), ("due-index", "order-state-index"));
    }

    #[test]
    fn a_new_order_costs_its_kilobytes_twice_in_a_transaction_and_once_on_the_index() {
        let (key, order) = (("ORDER#1".to_owned(), "STATUS".to_owned()), placed(1_100));

        let alone = charges(PLACEMENT, &key, None, &Change::Put(&order), false);
        let together = charges(PLACEMENT, &key, None, &Change::Put(&order), true);

        assert_eq!(spaces(&alone), [(0, 2.0), (DUE, 1.0)]);
        assert_eq!(spaces(&together), [(0, 4.0), (DUE, 1.0)]);
    }

    #[test]
    fn a_confirmation_leaves_one_index_and_enters_another() {
        let (key, before) = (("ORDER#1".to_owned(), "STATUS".to_owned()), Stored::of(&placed(0)));
        let confirmed = item(&[
            ("PK", "ORDER#1"),
            ("SK", "STATUS"),
            ("stateDay", "confirmed#2026-11-27"),
            ("placedAt", "2026-11-27T10:00:00.000Z"),
        ]);

        let charges = charges(PLACEMENT, &key, Some(&before), &Change::Put(&confirmed), false);

        assert_eq!(spaces(&charges), [(0, 1.0), (DUE, 1.0), (STATE, 1.0)]);
    }

    #[test]
    fn an_unchanged_entry_costs_nothing_and_one_whose_key_changes_two_writes() {
        let (key, before) = (("ORDER#1".to_owned(), "STATUS".to_owned()), Stored::of(&placed(0)));
        let mut later = placed(0);
        later.insert("dueAt".to_owned(), AttributeValue::N("18".to_owned()));

        let same = charges(PLACEMENT, &key, Some(&before), &Change::Put(&placed(5)), false);
        let moved = charges(PLACEMENT, &key, Some(&before), &Change::Put(&later), false);

        assert_eq!(spaces(&same), [(0, 1.0)]);
        assert_eq!(spaces(&moved), [(0, 1.0), (DUE, 1.0), (DUE, 1.0)]);
    }
}
