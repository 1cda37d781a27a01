use std::time::{Duration, Instant};

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        CancellationReason, ConditionCheck, Delete, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};

use uuid::Uuid;

use crate::{
    StoreError, Table,
    batches::backoff,
    keys::Key,
    meter::{Pattern, metered},
    rows::Item,
};

/// Why a transaction did not happen.
#[derive(Debug)]
pub(crate) enum TransactError {
    /// One reason for each action, in the order of the actions; at least one is a failed condition.
    Canceled(Vec<CancellationReason>),
    Store(StoreError),
}

/// Whether a reason says that the condition of its action failed.
pub(crate) fn condition_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// The service's codes for conflicts with other requests: the same transaction may succeed a moment later.
fn is_contention(code: &str) -> bool {
    matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}

const MAX_ATTEMPTS: u32 = 8;

/// After this long a conflicting transaction is not attempted again: the caller's own time is limited.
const MAX_CONFLICT: Duration = Duration::from_secs(4);

/// How long a transaction in progress is retried: an attempt that comes 5 seconds after the first one makes DynamoDB
/// complete it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors>
const MAX_IN_PROGRESS: Duration = Duration::from_secs(7);

/// The wait between two attempts at a transaction in progress.
const IN_PROGRESS_WAIT: Duration = Duration::from_millis(500);

impl Table {
    /// All of it, or none. Retried, with jittered backoff, only where every reason of a cancellation is contention.
    pub(crate) async fn transact(
        &self,
        pattern: Pattern,
        actions: Vec<TransactWriteItem>,
    ) -> Result<(), TransactError> {
        let started = Instant::now();
        let mut token = Uuid::now_v7().to_string();
        for attempt in 1.. {
            let call = self
                .transactions
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(actions.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send();
            let error = match metered(pattern, call).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(e)) => e.cancellation_reasons().to_vec(),
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => Vec::new(),
                _ => return Err(TransactError::Store(error.into())),
            };
            if reasons.iter().any(condition_failed) {
                return Err(TransactError::Canceled(reasons));
            }
            let failures = || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
            if !failures().all(is_contention) {
                // Too large, or malformed: it cannot succeed.
                return Err(TransactError::Store(StoreError::Unavailable(error.into())));
            }
            if reasons.is_empty() {
                // In progress under this token: it may still happen, so the token stays.
                if started.elapsed() > MAX_IN_PROGRESS {
                    return Err(TransactError::Store(StoreError::OutcomeUnknown(error.into())));
                }
                match attempt < MAX_ATTEMPTS {
                    true => backoff(attempt).await,
                    false => tokio::time::sleep(IN_PROGRESS_WAIT).await,
                }
                continue;
            }
            if attempt >= MAX_ATTEMPTS || started.elapsed() > MAX_CONFLICT {
                return Err(TransactError::Store(error.into()));
            }
            // Cancelled, so it never happened.
            token = Uuid::now_v7().to_string();
            backoff(attempt).await;
        }
        unreachable!("the loop returns once its time is up")
    }

    pub(crate) fn transact_put(&self, item: Item, condition: Option<&str>) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_condition_expression(condition.map(str::to_owned))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    /// `values` are the values of both expressions.
    pub(crate) fn transact_update(&self, key: Key, update: &str, condition: &str, values: Item) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table, key and expression are set");
        TransactWriteItem::builder().update(update).build()
    }

    /// Updates an item, or creates it.
    pub(crate) fn transact_upsert(&self, key: Key, update: &str, values: Item) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression(update)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .build()
            .expect("table, key and expression are set");
        TransactWriteItem::builder().update(update).build()
    }

    pub(crate) fn transact_check(&self, key: Key, condition: &str, values: Item) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .condition_expression(condition)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .build()
            .expect("table, key and condition are set");
        TransactWriteItem::builder().condition_check(check).build()
    }

    pub(crate) fn transact_delete(&self, key: Key, condition: Option<&str>, values: Item) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .build()
            .expect("table and key are set");
        TransactWriteItem::builder().delete(delete).build()
    }
}

/// Values of an expression.
pub(crate) fn values<const N: usize>(pairs: [(&str, aws_sdk_dynamodb::types::AttributeValue); N]) -> Item {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
