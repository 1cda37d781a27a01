use axum::extract::FromRequestParts;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Email;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use jiff::SignedDuration;
use runtime::random;
use table::keys::sha256_hex;

use crate::{Context, Problem, session::cookie};

const COOKIE: &str = "__Host-device";

/// How long a device stays known after its customer's last login from it.
const LIFETIME: SignedDuration = SignedDuration::from_hours(180 * 24);

/// A browser or app from which the account's password was entered correctly before. It is not a session: it only keeps
/// guesses of others at the password from slowing its customer down.
///
/// Nothing is stored. The token holds a random id, sealed with the cursor keys for this one account; when a key is
/// dropped, the devices whose tokens it sealed are unknown until their next login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice(String);

/// The device token from a browser's cookie, not verified yet.
#[derive(Debug, Clone)]
pub struct DeviceCookie(pub Option<String>);

impl KnownDevice {
    /// The device that one of these tokens names for this account. A token that is malformed, expired or of another
    /// account is ignored.
    pub fn recognise<'t>(
        context: &Context,
        email: &Email,
        tokens: impl IntoIterator<Item = &'t str>,
    ) -> Option<KnownDevice> {
        let now = context.clock.now();
        tokens.into_iter().find_map(|token| context.cursors.open_live(token, &purpose(email), now)).map(Self)
    }

    /// A device that was not used with the account before.
    pub fn unknown_before() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(random::<16>()))
    }

    /// The key that its attempts are counted under.
    pub fn id(&self) -> &str {
        &self.0
    }

    /// A token that makes the device known to this account from now on.
    pub fn token(&self, context: &Context, email: &Email) -> String {
        context.cursors.seal_until(&self.0, &purpose(email), context.clock.now() + LIFETIME)
    }

    /// Sets the cookie with a token, for browsers.
    pub fn attach_token(headers: &mut HeaderMap, token: &str) {
        let seconds = LIFETIME.as_secs();
        let cookie = format!("{COOKIE}={token}; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict; Path=/");
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DeviceCookie {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(cookie(&parts.headers, COOKIE).map(str::to_owned)))
    }
}

fn purpose(email: &Email) -> String {
    format!("device {}", sha256_hex(email.as_str()))
}
