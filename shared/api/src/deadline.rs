use std::convert::Infallible;

use axum::extract::FromRequestParts;
use domain::Timestamp;
use http::request::Parts;
use lambda_http::Context;

/// 15 minutes: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LONGEST_TIMEOUT_MS: u64 = 15 * 60 * 1_000;

/// When Lambda ends this invocation; `None` without a limit, as on a local stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Option<Timestamp>);

impl Deadline {
    /// The deadline of an invocation, from the Runtime API.
    ///
    /// A number up to Lambda's longest timeout is not a time since 1970: `cargo lambda watch` sends 600,000 and never
    /// ends an invocation.
    pub fn of(context: &Context) -> Option<Timestamp> {
        let ms = Some(context.deadline).filter(|ms| *ms > LONGEST_TIMEOUT_MS)?;
        i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Context>().and_then(Self::of)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_a_time_is_not_a_deadline() {
        let of = |deadline| {
            let mut context = Context::default();
            context.deadline = deadline;
            Deadline::of(&context)
        };

        assert_eq!(of(600_000), None);
        assert_eq!(of(0), None);
        assert_eq!(of(1_700_000_000_000).map(Timestamp::as_second), Some(1_700_000_000));
    }
}
