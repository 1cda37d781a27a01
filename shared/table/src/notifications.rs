use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use domain::{OrderId, Timestamp};
use jiff::SignedDuration;

use crate::{
    StoreError, Table, keys,
    meter::metered,
    rows::{Item, millis, n, s},
};

/// How long one sender may be at it before another takes over: well beyond what sending takes.
const SENDING: SignedDuration = SignedDuration::from_mins(1);

/// How long it is remembered that a notification was sent: beyond the age at which any would still be sent.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Whose a notification is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The caller's, for a minute.
    Ours,
    /// Nobody's any more: it was sent.
    Sent,
    /// Another record's, whose delivery may be at it or may have died over it. A minute after that claim it can be claimed
    /// again.
    Elsewhere,
}

impl Table {
    /// AP-47: claims the notification of what an order became at a version, on behalf of the stream record `record`.
    /// PutItem, conditional on its being neither sent nor claimed on behalf of another.
    ///
    /// A record is delivered again only once the delivery before has ended, one way or another: what that left claimed is
    /// nobody's.
    pub async fn notification_claim(
        &self,
        order: OrderId,
        version: u64,
        record: &str,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let mut item: Item = keys::notification(order, version).into_item();
        item.insert("claimedUntil".to_owned(), n(millis(now + SENDING)));
        item.insert("claimedBy".to_owned(), s(record));
        item.insert("expiresAt".to_owned(), n((now + KEPT).as_second()));
        let call = self
            .put(item)
            .condition_expression(
                "attribute_not_exists(PK) OR \
                 (attribute_not_exists(sentAt) AND (claimedUntil <= :now OR claimedBy = :record))",
            )
            .expression_attribute_values(":now", n(millis(now)))
            .expression_attribute_values(":record", s(record))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        let error = match metered("AP-47", call).await {
            Ok(_) => return Ok(Claim::Ours),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let sent = failed.item.as_ref().is_some_and(|item| item.contains_key("sentAt"));
                Ok(if sent { Claim::Sent } else { Claim::Elsewhere })
            }
            _ => Err(error.into()),
        }
    }

    /// AP-48: remembers that a notification was sent. UpdateItem; doing it twice is doing it once.
    pub async fn notification_sent(&self, order: OrderId, version: u64, now: Timestamp) -> Result<(), StoreError> {
        let call = self
            .update(keys::notification(order, version))
            .update_expression("SET sentAt = :now REMOVE claimedUntil, claimedBy")
            .expression_attribute_values(":now", n(millis(now)))
            .send();
        metered("AP-48", call).await?;
        Ok(())
    }
}
