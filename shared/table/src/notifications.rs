use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::{OrderId, Timestamp};
use jiff::SignedDuration;

use crate::{
    StoreError, Table,
    conditions::write_if,
    keys,
    meter::metered,
    rows::{Item, millis, n, s},
};

/// How long one sender may be at it before another takes over: well beyond what sending takes.
const SENDING: SignedDuration = SignedDuration::from_mins(1);

/// How long it is remembered that a notification was sent: beyond the age at which any would still be sent.
const RETENTION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Whose a notification is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The caller's, for a minute, and never claimed before.
    First,
    /// The caller's, for a minute. It was claimed before, by a delivery that did not get as far as sending it.
    Again,
    /// It was sent, or given up for good.
    Done,
    /// Another record's, whose delivery may be at it or may have died over it. A minute after that claim it can be claimed
    /// again.
    Elsewhere,
}

/// How long a notification is not sent that limits keep back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// No delivery claims it any more.
    ForGood,
    /// The next delivery claims it as if it were the first.
    UntilReplayed,
}

impl Table {
    /// AP-47: claims the notification of what an order became at a version, on behalf of the stream record `record`.
    /// PutItem, conditional on its being neither sent, nor given up, nor claimed on behalf of another; what it replaces says
    /// whether it was claimed before.
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
        item.insert("expiresAt".to_owned(), n((now + RETENTION).as_second()));
        let call = self
            .put(item)
            .condition_expression(
                "attribute_not_exists(PK) OR \
                 (attribute_not_exists(sentAt) AND attribute_not_exists(droppedAt) AND \
                 (claimedUntil <= :now OR claimedBy = :record))",
            )
            .expression_attribute_values(":now", n(millis(now)))
            .expression_attribute_values(":record", s(record))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        Ok(match write_if("AP-47", call).await? {
            Ok(claimed) => {
                let before = claimed.attributes.is_some_and(|item| item.contains_key("claimedBy"));
                if before { Claim::Again } else { Claim::First }
            }
            Err(failed) => {
                let ended = |item: &Item| item.contains_key("sentAt") || item.contains_key("droppedAt");
                if failed.item.as_ref().is_some_and(ended) { Claim::Done } else { Claim::Elsewhere }
            }
        })
    }

    /// AP-48a: remembers that a notification was sent. UpdateItem; doing it twice is doing it once.
    pub async fn notification_sent(&self, order: OrderId, version: u64, now: Timestamp) -> Result<(), StoreError> {
        let call = self
            .update(keys::notification(order, version))
            .update_expression("SET sentAt = :now REMOVE claimedUntil, claimedBy")
            .expression_attribute_values(":now", n(millis(now)))
            .send();
        metered("AP-48", call).await?;
        Ok(())
    }

    /// AP-48b: gives up a notification that was claimed and is not to be sent. UpdateItem; doing it twice is doing it once.
    pub async fn notification_give_up(
        &self,
        order: OrderId,
        version: u64,
        how: GivenUp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (update, at) = match how {
            GivenUp::ForGood => ("SET droppedAt = :at REMOVE claimedUntil, claimedBy", now),
            GivenUp::UntilReplayed => ("SET claimedUntil = :at REMOVE claimedBy", Timestamp::UNIX_EPOCH),
        };
        let call = self
            .update(keys::notification(order, version))
            .update_expression(update)
            .expression_attribute_values(":at", n(millis(at)))
            .send();
        metered("AP-48", call).await?;
        Ok(())
    }
}
