use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use domain::Invalid;
use http::{HeaderMap, header, request::Parts};
use serde::de::DeserializeOwned;

use crate::{Problem, strict};

/// The id in the path, parsed.
#[derive(Debug, Clone)]
pub struct Id<T>(pub T);

impl<T: FromStr<Err = Invalid>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(raw) = path.map_err(|_| Problem::bad_request("id_invalid", "the id in the path is not UTF-8"))?;
        Ok(Self(raw.parse()?))
    }
}

/// The query string, parsed. Query types deny unknown fields, so that a misspelled filter is not silently ignored.
#[derive(Debug, Clone, Copy)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let params = strict::from_query(parts.uri.query().unwrap_or_default());
        params.map(Self).map_err(|mismatch| Problem::bad_request("query_invalid", mismatch.to_string()))
    }
}

/// The version a client says it saw. `If-Match: *` asks for nothing in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

impl IfMatch {
    /// Reads `If-Match: "<version>"`.
    fn parse(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let invalid = || Problem::bad_request("if_match_invalid", "If-Match must be one entity tag this API gave out");
        let raw = value.to_str().map_err(|_| invalid())?.trim();
        if raw == "*" {
            return Ok(Self(None));
        }
        let tag = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).ok_or_else(invalid)?;
        // A product's tag also tells its stock; only the part before the dash is its version.
        let version = tag.split('-').next().unwrap_or_default();
        version.parse().map(|v| Self(Some(v))).map_err(|_| invalid())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.headers)
    }
}
