use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response},
};

use crate::{
    Problem, codes,
    strict::{self, Unreadable},
    wire::FieldError,
};

/// How deep a JSON body may nest. Our requests need four levels.
const MAX_DEPTH: usize = 16;

/// A JSON body, read by [`strict`], so that a client cannot send members that no handler looks at.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(not_json());
        }
        let bytes = bytes(request, state).await?;
        parse(&bytes).map(Json)
    }
}

/// The body of a route that takes none: absent, or an empty object or `null`, as some clients send. Anything else asks
/// for something that would not be done, so it is refused.
#[derive(Debug, Clone, Copy)]
pub struct NoBody;

/// For the `responses` of a route that takes no body.
impl IntoResponses for NoBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let malformed = "`body_invalid`, `json_invalid`: the route takes no body";
        let mut responses = codes::BodyTooLarge::responses();
        responses.extend(codes::MediaTypeUnsupported::responses());
        responses.insert("400".to_owned(), Response::new(malformed).into());
        responses
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = is_json(request.headers());
        let bytes = bytes(request, state).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self);
        }
        if !json {
            return Err(not_json());
        }
        parse::<Option<Nothing>>(&bytes).map(|_| Self)
    }
}

/// The body of a route that needs none: as [`Json`], or its default if it is absent, empty or `null`.
#[derive(Debug, Clone, Copy)]
pub struct JsonIfAny<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for JsonIfAny<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = is_json(request.headers());
        let bytes = bytes(request, state).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        if !json {
            return Err(not_json());
        }
        parse::<Option<T>>(&bytes).map(|body| Self(body.unwrap_or_default()))
    }
}

/// The raw body, within the route's limit, for checking a signature.
#[derive(Debug, Clone)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        bytes(request, state).await.map(Self)
    }
}

/// The whole body, within the route's limit.
pub(crate) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(codes::BodyTooLarge, "the body is larger than this route accepts")
        }
        _ => Problem::new(codes::BodyUnreadable, "the body did not arrive completely"),
    })
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn not_json() -> Problem {
    let detail = "the body must be sent as application/json";
    Problem::new(codes::MediaTypeUnsupported, detail)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if depth_exceeds(bytes, MAX_DEPTH) {
        let detail = format!("the body nests deeper than {MAX_DEPTH} levels");
        return Err(Problem::new(codes::JsonTooDeep, detail));
    }
    strict::from_slice(bytes).map_err(Problem::from)
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::NoJson(error) => Problem::new(codes::JsonInvalid, error.to_string()),
            Unreadable::Mismatch(mismatch) => {
                let problem = Problem::new(codes::BodyInvalid, mismatch.to_string());
                match mismatch.field() {
                    Some(field) => problem.with_errors(vec![FieldError {
                        field,
                        code: "body_invalid",
                        detail: mismatch.to_string(),
                    }]),
                    None => problem,
                }
            }
        }
    }
}

/// Counts brackets outside of strings, before a parser builds anything.
fn depth_exceeds(bytes: &[u8], most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_but_not_those_in_strings() {
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();

        assert!(!depth_exceeds(&nested(16), 16));
        assert!(depth_exceeds(&nested(17), 16));
        assert!(depth_exceeds(&nested(10_000), 16));
        assert!(!depth_exceeds(br#"{"a":"[[[[[[[[[[[[[[[[[[[[\"[[[["}"#, 16));
    }
}
