use domain::Timestamp;
use lambda_runtime::Context;

/// 15 minutes: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LONGEST_TIMEOUT_MS: u64 = 15 * 60 * 1_000;

/// When Lambda ends an invocation, from the Runtime API; `None` without a limit.
///
/// A number up to Lambda's longest timeout is not a time since 1970: `cargo lambda watch` sends 600,000 and never ends an
/// invocation.
pub fn deadline(context: &Context) -> Option<Timestamp> {
    let ms = Some(context.deadline).filter(|ms| *ms > LONGEST_TIMEOUT_MS)?;
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_a_time_is_not_a_deadline() {
        let of = |ms| {
            let mut context = Context::default();
            context.deadline = ms;
            deadline(&context)
        };

        assert_eq!(of(600_000), None);
        assert_eq!(of(0), None);
        assert_eq!(of(1_700_000_000_000).map(Timestamp::as_second), Some(1_700_000_000));
    }
}
