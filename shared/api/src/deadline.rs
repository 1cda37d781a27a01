use std::convert::Infallible;

use axum::extract::FromRequestParts;
use domain::Timestamp;
use http::request::Parts;
use lambda_http::Context;

/// When Lambda cuts this invocation off; `None` where nobody does, as on a local stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Option<Timestamp>);

impl Deadline {
    /// Of an invocation, as the Runtime API told it.
    pub fn of(context: &Context) -> Timestamp {
        i64::try_from(context.deadline).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Context>().map(Self::of)))
    }
}
