use axum::extract::{FromRef, FromRequestParts};
use domain::{Cart, SessionId, SessionKind, SessionLifetime, Timestamp, UserId};
use http::{HeaderMap, HeaderValue, header, request::Parts};
use table::{SessionRecord, SessionWithCart, error_chain};

use crate::{Context, Problem, codes, token::Token};

/// Browsers accept `__Host-` cookies only with `Secure`, without `Domain` and for the whole site.
/// <https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes>
pub const COOKIE: &str = "__Host-sid";

/// An open session, verified just now with a consistent read.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: SessionId,
    pub uid: UserId,
    pub kind: SessionKind,
    pub lifetime: SessionLifetime,
}

/// A session and its customer's cart, read in one round trip.
#[derive(Debug, Clone)]
pub struct SessionAndCart {
    pub session: Session,
    pub cart: Cart,
}

/// An optional session, for registration and login: that of a guest, if there is one. A session that is no longer open
/// counts as none.
#[derive(Debug, Clone)]
pub struct MaybeSession(pub Option<SessionWithCart>);

/// How a customer recognises a session: the User-Agent, at most 120 characters.
#[derive(Debug, Clone)]
pub struct Device(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Session
where
    Context: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let context = Context::from_ref(state);
        let token = token(parts)?.ok_or_else(missing)?;
        let record = context.table.session_get(token.uid(), &token.session_id()).await?;
        open(&context, record).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionAndCart
where
    Context: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let context = Context::from_ref(state);
        let token = token(parts)?.ok_or_else(missing)?;
        let found = context.table.session_and_cart_get(token.uid(), &token.session_id()).await?;
        let (record, cart) = found.map(|f| (f.session, f.cart)).unzip();
        let session = open(&context, record).await?;
        Ok(Self { session, cart: cart.unwrap_or_default() })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeSession
where
    Context: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let context = Context::from_ref(state);
        let Ok(Some(token)) = token(parts) else { return Ok(Self(None)) };
        let found = context.table.session_and_cart_get(token.uid(), &token.session_id()).await?;
        let now = context.clock.now();
        Ok(Self(found.filter(|f| f.session.lifetime.is_live(now))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Device {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("unknown");
        Ok(Self(agent.chars().take(120).collect()))
    }
}

/// Refuses a session that is not open, and extends the idle expiry of one that is. The session was just read, so this
/// request does not depend on the extension: if it fails, the next request repeats it.
async fn open(context: &Context, record: Option<SessionRecord>) -> Result<Session, Problem> {
    let now = context.clock.now();
    let record = record.filter(|r| r.lifetime.is_live(now)).ok_or_else(invalid)?;
    if let Some(later) = record.lifetime.touch(record.kind, now) {
        match context.table.session_touch(&record.id, later).await {
            Ok(true) => {}
            // Revoked between the read and this write: refused like any other.
            Ok(false) => return Err(invalid()),
            Err(error) => {
                tracing::warn!(cause = error_chain(&error), "the idle expiry of a session could not be extended")
            }
        }
    }
    Ok(Session { id: record.id, uid: record.uid, kind: record.kind, lifetime: record.lifetime })
}

fn missing() -> Problem {
    Problem::new(codes::SessionMissing, "send a session token: Authorization: Bearer <token>")
}

fn invalid() -> Problem {
    Problem::new(codes::SessionInvalid, "the session does not exist or has expired")
}

/// The token of a request. From a cookie only where [`cross_site`](crate::cross_site) allowed it.
fn token(parts: &Parts) -> Result<Option<Token>, Problem> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let bearer = value.to_str().ok().and_then(|v| v.split_once(' '));
        let raw = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, raw)| raw.trim());
        return raw.and_then(Token::parse).map(Some).ok_or_else(invalid);
    }
    let Some(raw) = cookie(&parts.headers, COOKIE) else { return Ok(None) };
    Token::parse(raw).map(Some).ok_or_else(invalid)
}

/// Whether the browser may have added the session to the request by itself.
pub(crate) fn opens_by_cookie(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::AUTHORIZATION) && cookie(headers, COOKIE).is_some()
}

/// The value of a cookie, if it was sent.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(n, _)| *n == name).map(|(_, value)| value)
}

/// Sets the session's cookie, for browsers. `expires_at` is the session's absolute expiry.
pub fn attach_token(headers: &mut HeaderMap, token: &Token, now: Timestamp, expires_at: Timestamp) {
    let seconds = expires_at.as_second() - now.as_second();
    let cookie = format!("{COOKIE}={}; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict; Path=/", token.reveal());
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}

pub fn clear_cookie(headers: &mut HeaderMap) {
    let cookie = "__Host-sid=; Max-Age=0; Secure; HttpOnly; SameSite=Strict; Path=/";
    headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
}
