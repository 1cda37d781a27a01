//! From a query string to a type. Every value is text; a number is parsed where the type asks for one.

use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};

use super::Mismatch;

/// Reads a type from a query string.
///
/// # Errors
/// Names the parameter that is missing, invalid or repeated.
pub fn from_query<T: DeserializeOwned>(query: &str) -> Result<T, Mismatch> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let parameters = pairs.iter().map(|(name, value)| (name.as_ref(), Parameter { name, value }));
    T::deserialize(MapDeserializer::new(parameters))
}

#[derive(Clone, Copy)]
struct Parameter<'de> {
    name: &'de str,
    value: &'de str,
}

impl<'de> IntoDeserializer<'de, Mismatch> for Parameter<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            let number = self.value.parse();
            visitor.$visit(number.map_err(|_unread| Mismatch::of(self.name, "must be a whole number in range"))?)
        })*
    };
}

impl<'de> Deserializer<'de> for Parameter<'de> {
    type Error = Mismatch;

    whole_numbers! {
        deserialize_i8 visit_i8; deserialize_i16 visit_i16; deserialize_i32 visit_i32; deserialize_i64 visit_i64;
        deserialize_u8 visit_u8; deserialize_u16 visit_u16; deserialize_u32 visit_u32; deserialize_u64 visit_u64;
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_borrowed_str(self.value)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let flag = self.value.parse();
        visitor.visit_bool(flag.map_err(|_unread| Mismatch::of(self.name, "must be true or false"))?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_enum(self.value.into_deserializer())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter {
        category: String,
        min_price: Option<i64>,
        sold_out: Option<bool>,
    }

    #[test]
    fn parameters_are_read_into_their_types() {
        let read: Filter = from_query("category=a%2Fb+c&minPrice=-5&soldOut=true&utm=a&utm=%FF").unwrap();

        let expected = Filter { category: "a/b c".to_owned(), min_price: Some(-5), sold_out: Some(true) };
        assert_eq!(read, expected);
    }

    #[test]
    fn an_error_of_a_query_is_readable_and_names_the_parameter() {
        for (query, expected) in [
            ("", "category: missing field"),
            ("category=a&minPrice=8.99", "minPrice: must be a whole number in range"),
            ("category=a&minPrice=", "minPrice: must be a whole number in range"),
            ("category=a&soldOut=1", "soldOut: must be true or false"),
            ("category=a&category=b", "category: repeated field"),
        ] {
            let refused = from_query::<Filter>(query).unwrap_err().to_string();

            assert_eq!(refused, expected, "{query}");
        }
    }
}
