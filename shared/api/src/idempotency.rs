use axum::extract::FromRequestParts;
use domain::{IdempotencyKey, UserId};
use http::{HeaderName, StatusCode, request::Parts};
use serde::Serialize;
use table::{Idempotency, PriorRequest, keys::sha256_hex};

use crate::{Context, Problem};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that says an answer was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The `Idempotency-Key` that routes which must not happen twice ask for.
#[derive(Debug, Clone)]
pub struct RequestKey(IdempotencyKey);

impl RequestKey {
    /// The request this key stands for: whose, on which route, asking for what.
    pub fn request(self, customer: &UserId, route: &'static str, payload: &impl Serialize) -> Idempotency {
        let payload = serde_json::to_vec(payload).expect("request types are plain structs");
        Idempotency { customer: customer.clone(), key: self.0, route, payload_sha256: sha256_hex(payload) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(HEADER) else {
            let detail = "send an Idempotency-Key of 16 to 64 characters, so that a retry cannot do this twice";
            return Err(Problem::bad_request("idempotency_key_missing", detail));
        };
        let invalid = |detail| Problem::bad_request("idempotency_key_invalid", detail);
        let raw = value.to_str().map_err(|_| invalid("the key is not ASCII".to_owned()))?;
        raw.parse().map(Self).map_err(|e: domain::Invalid| invalid(e.reason))
    }
}

/// The first answer's outcome, if the key was used for the same thing.
///
/// # Errors
/// 422 `idempotency_key_reused` where it was used for something else.
pub fn same_request(prior: PriorRequest) -> Result<PriorRequest, Problem> {
    if prior.same_payload {
        return Ok(prior);
    }
    let detail = "this Idempotency-Key was used for another request";
    Err(Problem::unprocessable("idempotency_key_reused", detail))
}

/// 409: the first request under this key may still be at it.
pub fn in_progress(context: &Context, prior: &PriorRequest) -> Problem {
    let left = prior.running_until.as_second() - context.clock.now().as_second();
    let problem = Problem::new(StatusCode::CONFLICT, "idempotency_in_progress", "the first request is still running");
    problem.retry_after(left.min(2))
}
