use axum::{
    extract::{FromRequestParts, MatchedPath, OptionalFromRequestParts},
    response::Response,
};
use domain::{CartRequest, IdempotencyKey, Invalid, UserId};
use http::{HeaderName, HeaderValue, request::Parts};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use table::{Idempotency, PriorRequest, keys::sha256_hex};
use uuid::Uuid;

use crate::{Context, Problem, codes};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that marks a repeated answer.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The `Idempotency-Key`: required on routes that must not happen twice, optional on others. It may be quoted, as [the
/// draft](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header) has it; the key is the same
/// either way.
#[derive(Debug, Clone)]
pub struct RequestKey {
    key: IdempotencyKey,
    /// Method and path template, such as `POST /orders/{orderId}/cancel`. It is stored, so that one key on two routes is two
    /// requests.
    route: String,
}

impl RequestKey {
    /// The request that this key stands for: its owner, its route and a digest of its content.
    pub fn request(self, customer: &UserId, payload: &impl Serialize) -> Idempotency {
        let payload = serde_json::to_vec(payload).expect("request types are plain structs");
        let Self { key, route } = self;
        Idempotency { customer: customer.clone(), key, route, payload_sha256: sha256_hex(payload) }
    }

    /// The request that this key stands for, as a cart stores it.
    pub fn cart_request(&self, payload: &impl Serialize) -> CartRequest {
        let payload = serde_json::to_vec(payload).expect("request types are plain structs");
        CartRequest::of_digests(&sha256_hex(self.key.as_str()), &sha256_hex(payload))
    }

    /// The id of what a request under this key creates: always the same, so that a retry finds it instead of creating
    /// another. `what` distinguishes several things created under one key.
    pub fn created_id(&self, customer: &UserId, what: &str) -> Uuid {
        let digest: [u8; 32] = Sha256::digest(format!("{customer} {} {what}", self.key)).into();
        uuid::Builder::from_custom_bytes(*digest.first_chunk().expect("32 bytes begin with 16")).into_uuid()
    }
}

fn parse(raw: &str) -> Result<IdempotencyKey, Invalid> {
    bare(raw.trim()).parse()
}

/// The key without its quotes. Parameters of the structured field may follow; none is known, so they are ignored:
/// <https://www.rfc-editor.org/rfc/rfc8941#section-3.1.2>.
fn bare(raw: &str) -> &str {
    let quoted = raw.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    match quoted {
        Some((key, parameters)) if parameters.is_empty() || parameters.trim_start().starts_with(';') => key,
        Some(_) | None => raw,
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        given(parts, state).await?.ok_or_else(|| {
            let detail = "send an Idempotency-Key of 16 to 64 characters, so that a retry cannot do this twice";
            Problem::new(codes::IdempotencyKeyMissing, detail)
        })
    }
}

/// For routes on which the key is optional.
impl<S: Send + Sync> OptionalFromRequestParts<S> for RequestKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        given(parts, state).await
    }
}

async fn given<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Option<RequestKey>, Problem> {
    let Some(value) = parts.headers.get(HEADER) else { return Ok(None) };
    let invalid = |detail| Problem::new(codes::IdempotencyKeyInvalid, detail);
    let raw = value.to_str().map_err(|_| invalid("the key is not ASCII".to_owned()))?;
    let key = parse(raw).map_err(|e| invalid(e.reason))?;
    let path = <MatchedPath as FromRequestParts<S>>::from_request_parts(parts, state).await;
    let path = path.map_err(Problem::internal)?;
    Ok(Some(RequestKey { key, route: format!("{} {}", parts.method, path.as_str()) }))
}

/// The outcome of the first request, if the key was used for the same request.
///
/// # Errors
/// 422 `idempotency_key_reused` if it was used for another request.
pub fn same_request(prior: PriorRequest) -> Result<PriorRequest, Problem> {
    if prior.same_payload { Ok(prior) } else { Err(reused()) }
}

/// Marks the answer as that of an earlier request under the same key.
pub fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// 422: the key belongs to another request.
pub fn reused() -> Problem {
    Problem::new(codes::IdempotencyKeyReused, "this Idempotency-Key was used for another request")
}

/// 409: the first request under this key may still be running.
pub fn in_progress(context: &Context, prior: &PriorRequest) -> Problem {
    let left = prior.running_until.as_second() - context.clock.now().as_second();
    let problem = Problem::new(codes::IdempotencyInProgress, "the first request is still running");
    problem.retry_after(left.min(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn a_key_in_quotes_is_the_same_key() {
        for raw in [
            KEY.to_owned(),
            format!("\"{KEY}\""),
            format!(" \"{KEY}\" "),
            format!("\"{KEY}\";a=1"),
            format!("\"{KEY}\" ; a"),
        ] {
            assert_eq!(parse(&raw).unwrap().as_str(), KEY, "{raw}");
        }
    }

    #[test]
    fn quotes_do_not_make_an_invalid_key_valid() {
        for raw in [
            "\"\"",
            "\"short\"",
            "\"0123456789abcdef",
            "0123456789abcdef\"",
            "\"0123456789abcdef\"x",
            "\"0123456789abc\\\"def\"",
        ] {
            assert!(parse(raw).is_err(), "{raw}");
        }
    }
}
