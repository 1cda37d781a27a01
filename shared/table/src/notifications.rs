use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::{LinkRequestId, OrderId, Timestamp};
use jiff::SignedDuration;

use crate::{
    StoreError, Table,
    conditions::write_if,
    keys,
    keys::Key,
    meter::metered,
    rows::{Item, millis, n, s},
};

/// How long one sender's claim lasts before another may take over: much longer than sending takes.
const SENDING: SignedDuration = SignedDuration::from_mins(1);

/// How long it is recorded that a notification was sent: longer than the age up to which any is sent.
const RETENTION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The result of claiming a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Claimed by the caller for a minute, and never before.
    First,
    /// Claimed by the caller for a minute. An earlier delivery claimed it but did not start sending it.
    Again,
    /// It was sent, or given up for good.
    Done,
    /// Claimed by another record, whose delivery may be running or may have crashed. A minute after that claim it can
    /// be claimed again.
    Elsewhere,
}

/// How long a notification that a limit holds back is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// No delivery can claim it any more.
    ForGood,
    /// The next delivery claims it as if it were the first.
    UntilReplayed,
}

impl Table {
    /// AP-47: claims the notification of an order's version, on behalf of the stream record `record`. PutItem,
    /// conditional on its being neither sent, nor given up, nor claimed on behalf of another; the replaced item shows
    /// whether it was claimed before.
    ///
    /// A record is delivered again only once the delivery before has ended, so its earlier claim does not count.
    pub async fn notification_claim(
        &self,
        order: OrderId,
        version: u64,
        record: &str,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        self.mail_claim(keys::notification(order, version), record, now).await
    }

    /// AP-47: the same for a mail that a request for a link causes.
    pub async fn link_notification_claim(
        &self,
        request: LinkRequestId,
        which: &str,
        record: &str,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        self.mail_claim(keys::link_notification(request, which), record, now).await
    }

    async fn mail_claim(&self, key: Key, record: &str, now: Timestamp) -> Result<Claim, StoreError> {
        let mut item: Item = key.into_item();
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

    /// AP-48a: records that a notification was sent. UpdateItem, idempotent.
    pub async fn notification_sent(&self, order: OrderId, version: u64, now: Timestamp) -> Result<(), StoreError> {
        self.mail_sent(keys::notification(order, version), now).await
    }

    /// AP-48a: the same for a mail that a request for a link causes.
    pub async fn link_notification_sent(
        &self,
        request: LinkRequestId,
        which: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.mail_sent(keys::link_notification(request, which), now).await
    }

    async fn mail_sent(&self, key: Key, now: Timestamp) -> Result<(), StoreError> {
        let call = self
            .update(key)
            .update_expression("SET sentAt = :now REMOVE claimedUntil, claimedBy")
            .expression_attribute_values(":now", n(millis(now)))
            .send();
        metered("AP-48", call).await?;
        Ok(())
    }

    /// AP-48b: gives up a notification that was claimed and is not to be sent. UpdateItem, idempotent.
    pub async fn notification_give_up(
        &self,
        order: OrderId,
        version: u64,
        how: GivenUp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.mail_give_up(keys::notification(order, version), how, now).await
    }

    /// AP-48b: the same for a mail that a request for a link causes.
    pub async fn link_notification_give_up(
        &self,
        request: LinkRequestId,
        which: &str,
        how: GivenUp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.mail_give_up(keys::link_notification(request, which), how, now).await
    }

    async fn mail_give_up(&self, key: Key, how: GivenUp, now: Timestamp) -> Result<(), StoreError> {
        let (update, at) = match how {
            GivenUp::ForGood => ("SET droppedAt = :at REMOVE claimedUntil, claimedBy", now),
            GivenUp::UntilReplayed => ("SET claimedUntil = :at REMOVE claimedBy", Timestamp::UNIX_EPOCH),
        };
        let call = self.update(key).update_expression(update).expression_attribute_values(":at", n(millis(at))).send();
        metered("AP-48", call).await?;
        Ok(())
    }
}
