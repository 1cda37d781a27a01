//! From any JSON to a type.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use super::{Mismatch, Step};

/// A value that is being deserialized into a type.
#[derive(Clone, Copy)]
pub(super) struct Strict<'de>(pub(super) &'de Value);

impl<'de> Strict<'de> {
    fn object(self) -> Result<&'de Map<String, Value>, Mismatch> {
        self.0.as_object().ok_or_else(|| Mismatch::new("must be an object"))
    }

    fn text(self) -> Result<&'de str, Mismatch> {
        self.0.as_str().ok_or_else(|| Mismatch::new("must be a string"))
    }

    fn list(self) -> Result<&'de [Value], Mismatch> {
        self.0.as_array().map(Vec::as_slice).ok_or_else(|| Mismatch::new("must be a list"))
    }

    /// A whole number of the requested type.
    fn whole<N: TryFrom<i64> + TryFrom<u64>>(
        self,
        least: impl fmt::Display,
        most: impl fmt::Display,
    ) -> Result<N, Mismatch> {
        let (signed, unsigned) = (self.0.as_i64(), self.0.as_u64());
        let number = signed.and_then(|n| N::try_from(n).ok()).or_else(|| unsigned.and_then(|n| N::try_from(n).ok()));
        number.ok_or_else(|| Mismatch::new(format!("must be a whole number from {least} to {most}")))
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $number:ty),+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            visitor.$visit(self.whole(<$number>::MIN, <$number>::MAX)?)
        }
    )+};
}

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Mismatch;

    whole_numbers!(
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    );

    forward_to_deserialize_any! { bytes byte_buf }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(Mismatch::new("must be a number that 64 bits hold")),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(list) => visitor.visit_seq(Items::of(list)),
            Value::Object(object) => visitor.visit_map(Members::of(object)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_bool(self.0.as_bool().ok_or_else(|| Mismatch::new("must be true or false"))?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_f64(self.0.as_f64().ok_or_else(|| Mismatch::new("must be a number"))?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.0.as_null().ok_or_else(|| Mismatch::new("must be null"))?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_seq(Items::of(self.list()?))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, items: usize, visitor: V) -> Result<V::Value, Mismatch> {
        let list = self.list()?;
        if list.len() != items {
            return Err(Mismatch::new(format!("must be a list of {items}")));
        }
        visitor.visit_seq(Items::of(list))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        items: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_tuple(items, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_map(Members::of(self.object()?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let object = self.object()?;
        match object.keys().find(|name| !fields.contains(&name.as_str())) {
            Some(unknown) => Err(de::Error::unknown_field(unknown, fields)),
            None => visitor.visit_map(Members::of(object)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_enum(self.text()?.into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }
}

/// The remaining members of an object; each error gets the name of its member.
struct Members<'de> {
    rest: serde_json::map::Iter<'de>,
    current: Option<(&'de str, &'de Value)>,
}

impl<'de> Members<'de> {
    fn of(object: &'de Map<String, Value>) -> Self {
        Self { rest: object.iter(), current: None }
    }
}

impl<'de> de::MapAccess<'de> for Members<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.current = self.rest.next().map(|(name, value)| (name.as_str(), value));
        self.current.map(|(name, _)| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let (name, value) = self.current.take().expect("serde asks for a name before its value");
        seed.deserialize(Strict(value)).map_err(|mismatch| mismatch.within(Step::member(name)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The remaining items of a list; each error gets the index of its item.
struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Value>>);

impl<'de> Items<'de> {
    fn of(list: &'de [Value]) -> Self {
        Self(list.iter().enumerate())
    }
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let next = self.0.next();
        next.map(|(at, value)| seed.deserialize(Strict(value)).map_err(|m| m.within(Step::Item(at)))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
