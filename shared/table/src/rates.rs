use aws_sdk_dynamodb::types::ReturnValue;
use domain::Timestamp;
use jiff::SignedDuration;

use crate::{StoreError, Table, conditions::write_if, keys, meter::metered, rows::n};

/// At most `most` in each window of `window`, for the subject `scope`.
#[derive(Debug, Clone)]
pub struct RateLimit {
    pub scope: String,
    pub most: u32,
    pub window: SignedDuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateVerdict {
    Allowed,
    Limited { retry_after: SignedDuration },
}

impl RateLimit {
    fn window_number(&self, now: Timestamp) -> i64 {
        now.as_second() / self.window.as_secs()
    }

    fn window_end(&self, now: Timestamp) -> i64 {
        (self.window_number(now) + 1) * self.window.as_secs()
    }

    /// Until the next window begins, which starts at zero.
    pub fn retry_after(&self, now: Timestamp) -> SignedDuration {
        SignedDuration::from_secs(self.window_end(now) - now.as_second())
    }
}

impl Table {
    /// AP-18: counts one event against a limit. UpdateItem, conditional, so that of any number of concurrent events
    /// exactly `most` are allowed.
    pub async fn rate_count(&self, limit: &RateLimit, now: Timestamp) -> Result<RateVerdict, StoreError> {
        let end = limit.window_end(now);
        let counted = self
            .update(keys::rate(&limit.scope, limit.window_number(now)))
            .update_expression("ADD #count :one SET expiresAt = :end")
            .condition_expression("attribute_not_exists(#count) OR #count < :most")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":most", n(limit.most))
            // An hour later than needed, in case clocks differ: TTL must not delete a counter early.
            .expression_attribute_values(":end", n(end + 3_600))
            .send();
        Ok(match write_if("AP-18", counted).await? {
            Ok(_) => RateVerdict::Allowed,
            Err(_full) => RateVerdict::Limited { retry_after: limit.retry_after(now) },
        })
    }

    /// AP-18: counts one event whatever the limit, and returns the number of events in the window including it.
    /// UpdateItem, so that concurrent events get different numbers; for callers that decide by the number.
    pub async fn rate_tally(&self, limit: &RateLimit, now: Timestamp) -> Result<u32, StoreError> {
        let counted = self
            .update(keys::rate(&limit.scope, limit.window_number(now)))
            .update_expression("ADD #count :one SET expiresAt = :end")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":end", n(limit.window_end(now) + 3_600))
            .return_values(ReturnValue::UpdatedNew)
            .send();
        let output = metered("AP-18", counted).await?;
        let count = output.attributes().and_then(|a| a.get("count")).and_then(|v| v.as_n().ok());
        let count = count.and_then(|count| count.parse().ok());
        count.ok_or_else(|| StoreError::corrupt(format!("RATE#{}", limit.scope), "a counter without a count"))
    }

    /// AP-18: resets a counter, after a success that shows that the events were the customer's own.
    pub async fn rate_reset(&self, limit: &RateLimit, now: Timestamp) -> Result<(), StoreError> {
        metered("AP-18", self.delete(keys::rate(&limit.scope, limit.window_number(now))).send()).await?;
        Ok(())
    }
}
