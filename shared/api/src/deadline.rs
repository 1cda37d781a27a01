use std::convert::Infallible;

use axum::extract::FromRequestParts;
use domain::Timestamp;
use http::request::Parts;
use lambda_http::Context;

/// When Lambda ends this invocation; `None` without a limit, as on a local stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Option<Timestamp>);

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Context>().and_then(runtime::deadline)))
    }
}
