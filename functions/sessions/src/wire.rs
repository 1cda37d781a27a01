use api::wire::{Money, timestamp};
use domain::{Address, AddressId, CountryCode, Customer, Invalid, Phone, Role};
use serde::{Deserialize, Serialize};
use table::{CustomerOrder, SessionSummary};
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// An address that mail can be sent to: ASCII before the `@`, and after it the name of a mail domain. An internationalised
    /// domain may be sent either way, and is kept in ASCII.
    #[schema(example = "ann@example.com")]
    pub email: String,
    /// 8 to 128 characters in NFKC, none of the common ones.
    #[schema(format = "password")]
    pub password: String,
    /// 1 to 100 characters, none of them invisible; kept in NFC.
    #[schema(example = "Ann")]
    pub name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    #[schema(example = "ann@example.com")]
    pub email: String,
    #[schema(format = "password")]
    pub password: String,
    /// From an earlier answer, for clients that keep no cookies: the login then does not wait for guesses that others made
    /// at this account. One that is expired or of another account is ignored.
    pub device_token: Option<String>,
}

/// An opened session. The token is shown this once and stored nowhere.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenResponse {
    /// Send it as `Authorization: Bearer <token>`.
    pub token: String,
    pub user_id: String,
    /// When the session ends at the latest. RFC 3339, UTC.
    pub expires_at: String,
    /// Makes this device known to the account for 180 days, where a password opened the session: send it with the next
    /// login. Browsers have it as the cookie `__Host-device`. It opens nothing by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct SessionListResponse {
    pub items: Vec<SessionResponse>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionResponse {
    pub session_id: String,
    /// The User-Agent it was opened with.
    pub device: String,
    pub created_at: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerResponse {
    pub user_id: String,
    /// Whether there are no credentials yet: then name, e-mail and since when are missing.
    pub guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `customer` or `admin`.
    pub role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The newest five; `GET /orders` lists them all.
    pub recent_orders: Vec<RecentOrderResponse>,
    /// A new token, after a change of password: every other session has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// With a new token: makes this device known to the account for 180 days, as after a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentOrderResponse {
    pub order_id: String,
    pub state: &'static str,
    pub placed_at: String,
    pub total: Money,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCustomerRequest {
    pub name: Option<String>,
    /// Needed to set a new password.
    #[schema(format = "password")]
    pub current_password: Option<String>,
    #[schema(format = "password")]
    pub new_password: Option<String>,
}

/// Each line has 1 to 200 characters, none of them invisible. Of the fields that may be missing, an empty text is as good as
/// a missing one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressRequest {
    #[schema(example = "Ann Smith")]
    pub recipient: String,
    #[schema(example = "1 Harbour Street")]
    pub line1: String,
    pub line2: Option<String>,
    #[schema(example = "Bristol")]
    pub city: String,
    pub region: Option<String>,
    #[schema(example = "BS1 5UH")]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2, or `XK` for Kosovo. The United Kingdom is `GB`.
    #[schema(example = "GB")]
    pub country: String,
    /// For the carrier: 4 to 20 digits, with a `+` in front or not, and spaces, `-`, `.`, `/`, `(` and `)` between them.
    #[schema(example = "+44 117 496 0123")]
    pub phone: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressResponse {
    pub address_id: String,
    pub recipient: String,
    pub line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    pub city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    pub country: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct AddressListResponse {
    pub items: Vec<AddressResponse>,
}

impl AddressRequest {
    pub fn address(&self, id: AddressId) -> Result<Address, Invalid> {
        Ok(Address {
            id,
            recipient: Address::line(&self.recipient, "recipient")?,
            line1: Address::line(&self.line1, "line1")?,
            line2: Address::optional_line(self.line2.as_deref(), "line2")?,
            city: Address::line(&self.city, "city")?,
            region: Address::optional_line(self.region.as_deref(), "region")?,
            postal_code: Address::optional_line(self.postal_code.as_deref(), "postalCode")?,
            country: CountryCode::parse(&self.country)?,
            phone: Phone::optional(self.phone.as_deref())?,
        })
    }
}

impl From<Address> for AddressResponse {
    fn from(address: Address) -> Self {
        let Address { id, recipient, line1, line2, city, region, postal_code, country, phone } = address;
        let (address_id, country) = (id.to_string(), country.as_str().to_owned());
        let phone = phone.map(|phone| phone.as_str().to_owned());
        Self { address_id, recipient, line1, line2, city, region, postal_code, country, phone }
    }
}

impl SessionResponse {
    pub fn new(session: &SessionSummary, current: bool) -> Self {
        Self {
            session_id: session.id.to_string(),
            device: session.device.clone(),
            created_at: timestamp(session.created_at),
            current,
        }
    }
}

impl CustomerResponse {
    pub fn new(user_id: String, customer: Option<&Customer>, orders: &[CustomerOrder]) -> Self {
        Self {
            user_id,
            guest: customer.is_none(),
            name: customer.map(|c| c.name.as_str().to_owned()),
            email: customer.map(|c| c.email.as_str().to_owned()),
            role: if customer.is_some_and(|c| c.role == Role::Admin) { "admin" } else { "customer" },
            created_at: customer.map(|c| timestamp(c.created_at)),
            recent_orders: orders.iter().map(RecentOrderResponse::from).collect(),
            token: None,
            device_token: None,
        }
    }
}

impl From<&CustomerOrder> for RecentOrderResponse {
    fn from(order: &CustomerOrder) -> Self {
        Self {
            order_id: order.id.to_string(),
            state: order.state.as_str(),
            placed_at: timestamp(order.id.placed_at()),
            total: order.total.into(),
        }
    }
}
