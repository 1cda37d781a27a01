use api::wire::{Money, timestamp};
use domain::{Address, AddressId, CountryCode, Customer, Invalid, Role};
use serde::{Deserialize, Serialize};
use table::{CustomerOrder, SessionSummary};
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    #[schema(example = "ann@example.com")]
    pub email: String,
    /// 8 to 128 characters, none of the common ones.
    #[schema(format = "password")]
    pub password: String,
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
    /// ISO 3166-1 alpha-2.
    #[schema(example = "GB")]
    pub country: String,
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
}

#[derive(Serialize, ToSchema)]
pub struct AddressListResponse {
    pub items: Vec<AddressResponse>,
}

impl AddressRequest {
    pub fn address(&self, id: AddressId) -> Result<Address, Invalid> {
        let optional = |line: &Option<String>| line.as_deref().map(Address::line).transpose();
        Ok(Address {
            id,
            recipient: Address::line(&self.recipient)?,
            line1: Address::line(&self.line1)?,
            line2: optional(&self.line2)?,
            city: Address::line(&self.city)?,
            region: optional(&self.region)?,
            postal_code: optional(&self.postal_code)?,
            country: CountryCode::parse(&self.country)?,
        })
    }
}

impl From<Address> for AddressResponse {
    fn from(address: Address) -> Self {
        let Address { id, recipient, line1, line2, city, region, postal_code, country } = address;
        let (address_id, country) = (id.to_string(), country.as_str().to_owned());
        Self { address_id, recipient, line1, line2, city, region, postal_code, country }
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
