use domain::{IdempotencyKey, Timestamp, UserId};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use crate::{
    StoreError, Table,
    conditions::{NEW, write_if},
    keys,
    meter::metered,
    rows,
};

/// How long a first answer can be repeated.
const RETENTION: SignedDuration = SignedDuration::from_hours(25);

/// How long a request may be running before a retry may take over: longer than the function's own timeout.
pub const REQUEST_RUNNING: SignedDuration = SignedDuration::from_secs(25);

/// A request that must not be carried out twice: its owner, its key, and a digest of its content.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub customer: UserId,
    pub key: IdempotencyKey,
    /// Method and path template, so that one key on two routes is two requests.
    pub route: String,
    /// SHA-256 of the request's content, in hexadecimal.
    pub payload_sha256: String,
}

/// An earlier request under the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorRequest {
    pub same_payload: bool,
    /// The outcome of the first request: an order id, or the whole answer.
    pub outcome: String,
    /// Until when the first request may still be running.
    pub running_until: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdempotencyRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    payload_sha256: String,
    outcome: String,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl Idempotency {
    fn key(&self) -> keys::Key {
        keys::idempotency(&self.customer, &self.key, &self.route)
    }

    /// The record, as an action of the transaction that carries the request out.
    pub(crate) fn item(&self, outcome: &str, now: Timestamp) -> rows::Item {
        self.record(outcome, now, Some(now + RETENTION))
    }

    /// The record of a request whose effects may stay owed for days; it must not expire before.
    pub(crate) fn item_for_good(&self, outcome: &str, now: Timestamp) -> rows::Item {
        self.record(outcome, now, None)
    }

    fn record(&self, outcome: &str, now: Timestamp, until: Option<Timestamp>) -> rows::Item {
        let keys::Key { pk, sk } = self.key();
        rows::to_item(IdempotencyRow {
            pk,
            sk,
            payload_sha256: self.payload_sha256.clone(),
            outcome: outcome.to_owned(),
            created_at: rows::millis(now),
            expires_at: until.map(Timestamp::as_second),
        })
    }

    /// The earlier request, from the item that came back with a failed condition. Without it there is nothing to compare
    /// with: the request is to be sent again.
    pub(crate) fn read_prior(&self, item: Option<&rows::Item>) -> Result<PriorRequest, StoreError> {
        let item = item.ok_or_else(|| StoreError::Busy("an idempotency record came and went".into()))?;
        self.read(item.clone())
    }

    pub(crate) fn read(&self, item: rows::Item) -> Result<PriorRequest, StoreError> {
        let row: IdempotencyRow = rows::from_item(item)?;
        let created_at = rows::from_millis(row.created_at).map_err(|e| StoreError::corrupt(&row.pk, e))?;
        Ok(PriorRequest {
            same_payload: row.payload_sha256 == self.payload_sha256,
            outcome: row.outcome,
            running_until: created_at + REQUEST_RUNNING,
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum IdempotencyPutError {
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Table {
    /// AP-43: records a request that changes nothing else in the table. PutItem, conditional on the key being new.
    pub async fn idempotency_put(
        &self,
        request: &Idempotency,
        outcome: &str,
        now: Timestamp,
    ) -> Result<(), IdempotencyPutError> {
        let call = self
            .put(request.item(outcome, now))
            .condition_expression(NEW)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        match write_if("AP-43", call).await? {
            Ok(_) => Ok(()),
            Err(failed) => Err(IdempotencyPutError::Repeated(request.read_prior(failed.item.as_ref())?)),
        }
    }

    /// AP-17a: the record of an earlier request under the same key. GetItem, consistent: money depends on it.
    pub async fn idempotency_get(&self, request: &Idempotency) -> Result<Option<PriorRequest>, StoreError> {
        self.idempotency_read(request, true).await
    }

    /// AP-17b: the same, eventually consistent, for a request whose own transaction is conditional on there being none. A
    /// record that was written a moment ago may be missed: if the request fails before that, read it again by
    /// [`Table::idempotency_get`].
    pub async fn idempotency_seen(&self, request: &Idempotency) -> Result<Option<PriorRequest>, StoreError> {
        self.idempotency_read(request, false).await
    }

    async fn idempotency_read(
        &self,
        request: &Idempotency,
        consistent: bool,
    ) -> Result<Option<PriorRequest>, StoreError> {
        let output = metered("AP-17", self.get(request.key()).consistent_read(consistent).send()).await?;
        output.item.map(|item| request.read(item)).transpose()
    }
}
