//! Wire types that several resources share.

use domain::{Address, AddressId, CountryCode, Currency, Invalid, Offer, Phone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{All, Invalids, Refused, schema};

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

/// The sale in which a product is bought now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleOfferResponse {
    #[schema(value_type = schema::SaleId)]
    pub sale_id: String,
    /// Checkout charges this price until the sale ends.
    pub price: Money,
    #[schema(value_type = schema::Timestamp)]
    pub ends_at: String,
    /// The most units that one customer can buy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Units, required = false)]
    pub limit: Option<u32>,
    /// Updated a moment late. Held units may come back.
    pub sold_out: bool,
}

impl From<Offer<'_>> for SaleOfferResponse {
    fn from(Offer { sale, terms }: Offer<'_>) -> Self {
        Self {
            sale_id: sale.id.to_string(),
            price: terms.price.into(),
            ends_at: timestamp(terms.ends_at),
            limit: terms.limit.map(|limit| limit.units()),
            sold_out: sale.sold_out,
        }
    }
}

/// Each line has 1 to 200 characters, none of them invisible. In an optional field, an empty text counts as absent.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressRequest {
    #[schema(value_type = schema::AddressLine, example = "Ann Smith")]
    pub recipient: String,
    #[schema(value_type = schema::AddressLine, example = "1 Harbour Street")]
    pub line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AddressLineIfAny>)]
    pub line2: Option<String>,
    #[schema(value_type = schema::AddressLine, example = "Bristol")]
    pub city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AddressLineIfAny>)]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AddressLineIfAny>, example = "BS1 5UH")]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2, or `XK` for Kosovo. The United Kingdom is `GB`.
    #[schema(value_type = schema::CountryCode, example = "GB")]
    pub country: String,
    /// For the carrier: 4 to 20 digits, optionally with a leading `+`, and spaces, `-`, `.`, `/`, `(` and `)` between
    /// them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Phone>, example = "+44 117 496 0123")]
    pub phone: Option<String>,
}

impl AddressRequest {
    /// As an address with this id.
    ///
    /// # Errors
    /// Names every line that is wrong.
    pub fn address(&self, id: AddressId) -> Result<Address, Invalids> {
        let (recipient, line1, line2, city, region, postal_code, country, phone) = (
            Address::line(&self.recipient, "recipient"),
            Address::line(&self.line1, "line1"),
            Address::optional_line(self.line2.as_deref(), "line2"),
            Address::line(&self.city, "city"),
            Address::optional_line(self.region.as_deref(), "region"),
            Address::optional_line(self.postal_code.as_deref(), "postalCode"),
            CountryCode::parse(&self.country),
            Phone::optional(self.phone.as_deref()),
        )
            .all()?;
        Ok(Address { id, recipient, line1, line2, city, region, postal_code, country, phone })
    }
}

/// An address; of an order, as it was when the order was placed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrderAddressResponse)]
pub struct AddressResponse {
    #[schema(value_type = schema::AddressLine)]
    pub recipient: String,
    #[schema(value_type = schema::AddressLine)]
    pub line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::AddressLine, required = false)]
    pub line2: Option<String>,
    #[schema(value_type = schema::AddressLine)]
    pub city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::AddressLine, required = false)]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::AddressLine, required = false)]
    pub postal_code: Option<String>,
    #[schema(value_type = schema::CountryCode)]
    pub country: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Phone, required = false)]
    pub phone: Option<String>,
}

impl From<&Address> for AddressResponse {
    fn from(address: &Address) -> Self {
        let Address { id: _, recipient, line1, line2, city, region, postal_code, country, phone } = address.clone();
        let (country, phone) = (country.as_str().to_owned(), phone.map(|phone| phone.as_str().to_owned()));
        Self { recipient, line1, line2, city, region, postal_code, country, phone }
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

/// RFC 3339, UTC, milliseconds.
pub fn timestamp(at: domain::Timestamp) -> String {
    format!("{at:.3}")
}
