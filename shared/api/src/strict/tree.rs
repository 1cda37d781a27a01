//! From text to any JSON without repeated members.

use std::{cell::RefCell, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Visitor},
};
use serde_json::{Map, Number, Value};

use super::{Mismatch, REPEATED, Step, Unreadable};

pub(super) fn tree(text: &[u8]) -> Result<Value, Unreadable> {
    let repeated = RefCell::new(None);
    let mut from = serde_json::Deserializer::from_slice(text);
    let tree = Tree(&repeated).deserialize(&mut from).and_then(|tree| from.end().map(|()| tree));
    match (tree, repeated.into_inner()) {
        (_, Some(repeated)) => Err(Unreadable::Mismatch(repeated)),
        (tree, None) => tree.map_err(Unreadable::NoJson),
    }
}

/// Any JSON without repeated members; the cell remembers a repeated one.
#[derive(Clone, Copy)]
struct Tree<'a>(&'a RefCell<Option<Mismatch>>);

impl Tree<'_> {
    /// Errors pass through serde_json on their way out, which does not keep paths.
    fn pass<E>(self, step: impl FnOnce() -> Step) -> impl FnOnce(E) -> E {
        move |error| {
            let mut repeated = self.0.borrow_mut();
            *repeated = repeated.take().map(|mismatch| mismatch.within(step()));
            error
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self).map_err(self.pass(|| Step::Item(list.len())))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.0.replace(Some(Mismatch::of(&name, REPEATED)));
                return Err(de::Error::custom(REPEATED));
            }
            let member = members.next_value_seed(self).map_err(self.pass(|| Step::member(&name)))?;
            object.insert(name, member);
        }
        Ok(Value::Object(object))
    }
}
