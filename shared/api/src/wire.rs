//! Wire types that several resources share.

use domain::{Currency, Invalid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Invalids, Refused, schema};

/// An amount in minor units (cents) with its ISO 4217 currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    #[schema(schema_with = schema::amount, example = 899)]
    pub amount: i64,
    #[schema(value_type = schema::CurrencyCode, example = "USD")]
    pub currency: String,
}

impl Money {
    /// As an amount, in this field.
    pub fn total(&self, field: &str) -> Result<domain::Money, Invalids> {
        let currency = self.currency().map_err(|invalid| invalid.within(field))?;
        Ok(domain::Money::amount(self.amount, currency))
    }

    fn currency(&self) -> Result<Currency, Invalid> {
        domain::parse_currency(&self.currency)
    }
}

impl From<domain::Money> for Money {
    fn from(money: domain::Money) -> Self {
        Self { amount: money.amount_minor(), currency: money.currency().code().to_owned() }
    }
}

/// A refused field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The path of the field in the request.
    #[schema(example = "price.currency")]
    pub field: String,
    #[schema(value_type = schema::ErrorCode, example = "currency_invalid")]
    pub code: &'static str,
    /// A description for people.
    pub detail: String,
}

/// Items in a page: 1 to 100, by default 24.
///
/// # Errors
/// 400 `limit_out_of_range`.
pub fn page_limit(limit: Option<i64>) -> Result<i32, crate::Problem> {
    match i32::try_from(limit.unwrap_or(24)) {
        Ok(limit @ 1..=100) => Ok(limit),
        _ => Err(crate::Problem::bad_request("limit_out_of_range", "limit must be 1 to 100")),
    }
}

/// RFC 3339, UTC, milliseconds.
pub fn timestamp(at: domain::Timestamp) -> String {
    format!("{at:.3}")
}
