use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use domain::{Cart, SessionId, SessionKind, SessionLifetime, Timestamp, UserId};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use lambda_http::request::RequestContext;
use table::{SessionRecord, SessionWithCart};

use crate::{Context, Problem, body::is_json, token::Token};

/// `__Host-`: browsers take it only with `Secure`, without `Domain` and for the whole site.
/// <https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes>
const COOKIE: &str = "__Host-sid";

/// An open session, checked this moment with a consistent read.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: SessionId,
    pub uid: UserId,
    pub kind: SessionKind,
    pub lifetime: SessionLifetime,
}

/// A session and its customer's cart, from one round trip.
#[derive(Debug, Clone)]
pub struct SessionAndCart {
    pub session: Session,
    pub cart: Cart,
}

/// A session where the caller may have one: registering and logging in, where a guest's comes along. One that is no
/// longer open counts as none.
#[derive(Debug, Clone)]
pub struct MaybeSession(pub Option<SessionWithCart>);

/// Where the request came from, as the gateway saw it; never what a header claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

/// What a customer recognises a session by: the User-Agent, at most 120 characters.
#[derive(Debug, Clone)]
pub struct Device(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Session
where
    Context: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let context = Context::from_ref(state);
        let token = token(parts, &context)?.ok_or_else(missing)?;
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
        let token = token(parts, &context)?.ok_or_else(missing)?;
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
        let Ok(Some(token)) = token(parts, &context) else { return Ok(Self(None)) };
        let found = context.table.session_and_cart_get(token.uid(), &token.session_id()).await?;
        let now = context.clock.now();
        Ok(Self(found.filter(|f| f.session.lifetime.is_live(now))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let gateway = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
            _ => None,
        };
        let socket = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(a)| a.ip());
        Ok(Self(gateway.and_then(|ip| ip.parse().ok()).or_else(socket)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Device {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("unknown");
        Ok(Self(agent.chars().take(120).collect()))
    }
}

/// Refuses what is not open, and keeps what is open from going idle.
async fn open(context: &Context, record: Option<SessionRecord>) -> Result<Session, Problem> {
    let now = context.clock.now();
    let record = record.filter(|r| r.lifetime.is_live(now)).ok_or_else(invalid)?;
    if let Some(later) = record.lifetime.touch(record.kind, now) {
        // Revoked between the read and this write: refused like any other.
        if !context.table.session_touch(&record.id, later).await? {
            return Err(invalid());
        }
    }
    Ok(Session { id: record.id, uid: record.uid, kind: record.kind, lifetime: record.lifetime })
}

fn missing() -> Problem {
    Problem::unauthorized("session_missing", "send a session token: Authorization: Bearer <token>")
}

fn invalid() -> Problem {
    Problem::unauthorized("session_invalid", "the session does not exist or has expired")
}

fn token(parts: &Parts, context: &Context) -> Result<Option<Token>, Problem> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let bearer = value.to_str().ok().and_then(|v| v.split_once(' '));
        let raw = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, raw)| raw.trim());
        return raw.and_then(Token::parse).map(Some).ok_or_else(invalid);
    }
    let Some(raw) = cookie(&parts.headers) else { return Ok(None) };
    refuse_cross_site(parts, &context.policy.origins)?;
    Token::parse(raw).map(Some).ok_or_else(invalid)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// A browser sends cookies whoever made the page. What changes something must come from a page that may ask for it.
fn refuse_cross_site(parts: &Parts, allowed: &[String]) -> Result<(), Problem> {
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let text = |name| parts.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let own_host = text(header::HOST).or(parts.uri.host());
    let trusted = match text(header::ORIGIN) {
        Some(origin) => allowed.iter().any(|o| o == origin) || own_host.is_some_and(|host| is_own_origin(origin, host)),
        None => text(header::HeaderName::from_static("sec-fetch-site")) == Some("same-origin"),
    };
    // A form can send text/plain without asking; only a page that was asked about can send JSON.
    let is_post = parts.method == Method::POST;
    let form = is_post && parts.headers.contains_key(header::CONTENT_TYPE) && !is_json(&parts.headers);
    if trusted && !form {
        return Ok(());
    }
    let detail = "a request with a cookie must be JSON and come from an allowed origin";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_site_request", detail))
}

/// The page this very host serves, over TLS; without it only on this machine, where there is no wire to listen on.
fn is_own_origin(origin: &str, host: &str) -> bool {
    match origin.split_once("://") {
        Some(("https", of)) => of == host,
        Some(("http", of)) => {
            let name = of.rsplit_once(':').map_or(of, |(name, _)| name);
            of == host && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
        }
        _ => false,
    }
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
