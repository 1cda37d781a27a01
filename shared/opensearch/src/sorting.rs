//! In which order hits are, and where a page ended.

use search::{Position, Query, Sort, SortValue};
use serde_json::{Value, json};

use crate::schema::field;

/// By what hits are sorted before their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Score,
    /// A field, ascending.
    Ascending(&'static str),
    Descending(&'static str),
}

impl Order {
    pub(crate) fn of(query: &Query) -> Self {
        match query.sort {
            Sort::Relevance if query.text.is_some() => Self::Score,
            Sort::Relevance | Sort::Newest => Self::Descending(field::CREATED),
            Sort::Price => Self::Ascending(field::PRICE),
            Sort::PriceDescending => Self::Descending(field::PRICE),
            Sort::Rating => Self::Descending(field::RATING),
        }
    }

    pub(crate) fn clauses(self) -> Value {
        let first = match self {
            Self::Score => json!({"_score": "desc"}),
            Self::Ascending(field) => json!({field: "asc"}),
            Self::Descending(field) => json!({field: "desc"}),
        };
        json!([first, {field::ID: "asc"}])
    }

    /// A hit's position, from what OpenSearch sorted it by.
    pub(crate) fn position(self, sorted_by: &[Value]) -> Option<Position> {
        let [first, id] = sorted_by else { return None };
        let value = match self {
            // The bits of numbers that are not negative have the numbers' order.
            Self::Score => first.as_f64().filter(|score| score.is_finite() && *score >= 0.0)?.to_bits().cast_signed(),
            Self::Ascending(_) => first.as_i64()?.saturating_neg(),
            Self::Descending(_) => first.as_i64()?,
        };
        Some(Position { value: SortValue(value), id: id.as_str()?.to_owned() })
    }

    /// The same, as OpenSearch sorted it.
    pub(crate) fn after(self, position: &Position) -> Value {
        let SortValue(value) = position.value;
        let first = match self {
            Self::Score => {
                let score = f64::from_bits(value.cast_unsigned());
                // A position of another engine has any number; no hit comes after 0.
                json!(if score.is_finite() { score.max(0.0) } else { 0.0 })
            }
            Self::Ascending(_) => json!(value.saturating_neg()),
            Self::Descending(_) => json!(value),
        };
        json!([first, position.id])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_position_comes_back_as_it_was_sorted(score in 0f32..1e9, number in -1_000_000_000..1_000_000_000_i64) {
            let score = json!(score);
            for (order, value) in [
                (Order::Score, &score),
                (Order::Ascending("price"), &json!(number)),
                (Order::Descending("price"), &json!(number)),
            ] {
                let sorted_by = [value.clone(), json!("a")];
                prop_assert_eq!(order.after(&order.position(&sorted_by).unwrap()), json!(sorted_by));
            }
        }

        #[test]
        fn the_largest_position_is_first(a in 0f32..1e9, b in 0f32..1e9) {
            let value = |order: Order, number: &Value| order.position(&[number.clone(), json!("a")]).unwrap().value;
            prop_assert_eq!(a < b, value(Order::Score, &json!(a)) < value(Order::Score, &json!(b)));
            let (a, b) = (a as i64, b as i64);
            let price = |price: i64| value(Order::Ascending("price"), &json!(price));
            prop_assert_eq!(a < b, price(a) > price(b));
        }

        #[test]
        fn a_position_of_another_engine_is_no_error(value: i64) {
            let position = Position { value: SortValue(value), id: "a".to_owned() };
            for order in [Order::Score, Order::Ascending("price"), Order::Descending("price")] {
                prop_assert!(order.after(&position)[0].is_number());
            }
        }
    }
}
