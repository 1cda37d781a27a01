use api::{
    Items, Listed, schema,
    wire::{self, Money, timestamp},
};
use domain::{Address, Customer, OrderNumber, Role};
use serde::{Deserialize, Serialize};
use table::{CustomerOrder, SessionSummary};
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// The customer's e-mail address: ASCII before the `@`, and a mail domain after it. An internationalised domain is
    /// accepted in Unicode or ASCII, and stored in ASCII.
    #[schema(value_type = schema::Email, example = "ann@example.com")]
    pub email: String,
    /// 8 to 128 characters in NFKC, not a common password.
    #[schema(value_type = schema::NewPassword)]
    pub password: String,
    /// 1 to 100 characters, none of them invisible; stored in NFC.
    #[schema(value_type = schema::CustomerName, example = "Ann")]
    pub name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordResetRequest {
    #[schema(value_type = schema::Email, example = "ann@example.com")]
    pub email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmPasswordResetRequest {
    /// The token of the link in the mail.
    #[schema(value_type = schema::LinkToken)]
    pub token: String,
    /// 8 to 128 characters in NFKC, not a common password.
    #[schema(value_type = schema::NewPassword)]
    pub new_password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    /// The token of the link in the mail.
    #[schema(value_type = schema::LinkToken)]
    pub token: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeEmailRequest {
    /// The new e-mail, as at registration.
    #[schema(value_type = schema::Email, example = "ann@example.org")]
    pub email: String,
    #[schema(value_type = schema::Password)]
    pub current_password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    #[schema(value_type = schema::Email, example = "ann@example.com")]
    pub email: String,
    #[schema(value_type = schema::Password)]
    pub password: String,
    /// The device token of an earlier answer, for clients without cookies: guesses of others at this account's password
    /// then do not slow this login down. An expired one, or one of another account, is ignored.
    pub device_token: Option<String>,
}

/// An opened session. The token is only shown here and is not stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenResponse {
    /// Send it as `Authorization: Bearer <token>`.
    pub token: String,
    #[schema(value_type = schema::UserId)]
    pub user_id: String,
    /// The absolute expiry of the session. RFC 3339, UTC.
    #[schema(value_type = schema::Timestamp)]
    pub expires_at: String,
    /// Makes this device known to the account for 180 days, if the session was opened with a password: send it with the
    /// next login. Browsers have it as the cookie `__Host-device`. It does not give access to anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub device_token: Option<String>,
}

pub type SessionListResponse = Items<SessionResponse>;

impl Listed for SessionResponse {
    const LIST: &'static str = "SessionListResponse";
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionResponse {
    #[schema(value_type = schema::SessionId)]
    pub session_id: String,
    /// The User-Agent it was opened with.
    pub device: String,
    #[schema(value_type = schema::Timestamp)]
    pub created_at: String,
    /// Whether it is the session of this request.
    pub current: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerResponse {
    #[schema(value_type = schema::UserId)]
    pub user_id: String,
    /// Whether the customer is a guest: then name, e-mail and registration time are missing.
    pub guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub email: Option<String>,
    /// Whether the customer has opened a link that was mailed to the e-mail. Missing for a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub email_verified: Option<bool>,
    /// `customer` or `admin`.
    #[schema(value_type = schema::RoleName)]
    pub role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Timestamp, required = false)]
    pub created_at: Option<String>,
    /// The newest five; `GET /orders` lists all.
    pub recent_orders: Vec<RecentOrderResponse>,
    /// A new token, after a change of the password: every other session has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub token: Option<String>,
    /// With a new token: makes this device known to the account for 180 days, as after a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub device_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentOrderResponse {
    #[schema(value_type = schema::OrderId)]
    pub order_id: String,
    #[schema(value_type = schema::OrderNumber, example = "7K3QX-94M2A")]
    pub number: String,
    #[schema(value_type = schema::OrderStateName)]
    pub state: &'static str,
    #[schema(value_type = schema::Timestamp)]
    pub placed_at: String,
    pub total: Money,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeCustomerRequest {
    #[schema(value_type = Option<schema::CustomerName>)]
    pub name: Option<String>,
    /// Required to set a new password.
    #[schema(value_type = Option<schema::Password>)]
    pub current_password: Option<String>,
    #[schema(value_type = Option<schema::NewPassword>)]
    pub new_password: Option<String>,
}

/// One of the customer's addresses.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressResponse {
    #[schema(value_type = schema::AddressId)]
    pub address_id: String,
    #[serde(flatten)]
    pub address: wire::AddressResponse,
}

pub type AddressListResponse = Items<AddressResponse>;

impl Listed for AddressResponse {
    const LIST: &'static str = "AddressListResponse";
}

impl From<&Address> for AddressResponse {
    fn from(address: &Address) -> Self {
        Self { address_id: address.id.to_string(), address: address.into() }
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
            email_verified: customer.map(|c| c.email_verified),
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
            number: OrderNumber::from(order.id).to_string(),
            state: order.state.as_str(),
            placed_at: timestamp(order.id.placed_at()),
            total: order.total.into(),
        }
    }
}
