use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        CancellationReason, ConditionCheck, Delete, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    StoreError, Table,
    batches::backoff,
    conditions::Condition,
    keys::Key,
    meter::{Pattern, metered},
    rows::{Item, pk_of},
};

/// The service's codes for conflicts with other requests: the same transaction may succeed a moment later.
pub(crate) fn is_contention(code: &str) -> bool {
    matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}

/// Actions of one transaction.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
pub const MAX_ACTIONS: usize = 100;

const MAX_ATTEMPTS: u32 = 8;

/// After this long a conflicting transaction is not attempted again: the caller's own time is limited.
const MAX_CONFLICT: Duration = Duration::from_secs(4);

/// How long a transaction in progress is retried: an attempt that comes 5 seconds after the first one makes DynamoDB
/// complete it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors>
const MAX_IN_PROGRESS: Duration = Duration::from_secs(7);

/// How often a transaction is sent, under one token, if its answer is lost.
const LOST_ATTEMPTS: u32 = 3;

/// The wait between two attempts at a transaction in progress.
const IN_PROGRESS_WAIT: Duration = Duration::from_millis(500);

/// A TransactWriteItems: at most 100 actions on different items, all of them or none.
///
/// An action with a condition has a label, which the caller gets back if the condition fails. `L` is an enum of the access
/// pattern's conditions, or [`AnyCondition`].
pub(crate) struct Transaction<'a, L> {
    table: &'a Table,
    actions: Vec<(Option<L>, TransactWriteItem)>,
}

/// The label of every condition of a transaction where it makes no difference which of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnyCondition;

/// The outcome of a transaction of which some items could be exchanged.
#[derive(Debug)]
pub(crate) enum Written<L> {
    Done,
    Failed(FailedConditions<L>),
    /// Nothing was written, because others write these items. At least one.
    Contended(Vec<L>),
}

/// The conditions that failed, at least one. Nothing was written.
#[derive(Debug)]
pub(crate) struct FailedConditions<L>(Vec<(L, Option<Item>)>);

impl<L: Copy + PartialEq> FailedConditions<L> {
    pub(crate) fn contains(&self, label: L) -> bool {
        self.0.iter().any(|(failed, _)| *failed == label)
    }

    /// The item that is there, where this condition failed. Only puts and updates ask for it.
    pub(crate) fn item(&self, label: L) -> Option<&Item> {
        self.0.iter().filter(|(failed, _)| *failed == label).find_map(|(_, item)| item.as_ref())
    }
}

impl Table {
    pub(crate) fn transaction<L>(&self) -> Transaction<'_, L> {
        Transaction { table: self, actions: Vec::new() }
    }
}

impl<L: Copy> Transaction<'_, L> {
    pub(crate) fn put(&mut self, item: Item) {
        self.add_put(None, item, None);
    }

    pub(crate) fn put_if(&mut self, label: L, condition: impl Into<Condition>, item: Item) {
        self.add_put(Some(label), item, Some(condition.into()));
    }

    fn add_put(&mut self, label: Option<L>, item: Item, condition: Option<Condition>) {
        let (condition, values) = parts(condition);
        let put = Put::builder()
            .table_name(self.table.names.of_partition(pk_of(&item)))
            .set_item(Some(item))
            .set_condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table and item are set");
        self.actions.push((label, TransactWriteItem::builder().put(put).build()));
    }

    /// Updates an item, or creates it. `written` are the values of the update.
    pub(crate) fn update(&mut self, key: Key, update: &str, written: Item) {
        let update = Update::builder()
            .table_name(self.table.names.of_partition(&key.pk))
            .set_key(Some(key.into_item()))
            .update_expression(update)
            .set_expression_attribute_values((!written.is_empty()).then_some(written))
            .build()
            .expect("table, key and expression are set");
        self.actions.push((None, TransactWriteItem::builder().update(update).build()));
    }

    /// `written` are the values of the update. A name that the condition uses too has the same value in both.
    pub(crate) fn update_if(
        &mut self,
        label: L,
        condition: impl Into<Condition>,
        key: Key,
        update: &str,
        written: Item,
    ) {
        self.add_update_if(label, condition.into(), key, update, written, None);
    }

    /// The same, where an attribute's name is reserved: `name` stands for it in the expressions.
    pub(crate) fn update_naming_if(
        &mut self,
        label: L,
        condition: impl Into<Condition>,
        key: Key,
        update: &str,
        written: Item,
        name: (&str, &str),
    ) {
        self.add_update_if(label, condition.into(), key, update, written, Some(name));
    }

    fn add_update_if(
        &mut self,
        label: L,
        condition: Condition,
        key: Key,
        update: &str,
        mut written: Item,
        name: Option<(&str, &str)>,
    ) {
        let Condition { expression, values } = condition;
        written.extend(values);
        let update = Update::builder()
            .table_name(self.table.names.of_partition(&key.pk))
            .set_key(Some(key.into_item()))
            .update_expression(update)
            .condition_expression(expression)
            .set_expression_attribute_names(name.map(|(short, whole)| [(short.to_owned(), whole.to_owned())].into()))
            .set_expression_attribute_values((!written.is_empty()).then_some(written))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table, key and expression are set");
        self.actions.push((Some(label), TransactWriteItem::builder().update(update).build()));
    }

    /// Writes nothing, but the condition on this item must hold.
    pub(crate) fn check(&mut self, label: L, condition: impl Into<Condition>, key: Key) {
        let (condition, values) = parts(Some(condition.into()));
        let check = ConditionCheck::builder()
            .table_name(self.table.names.of_partition(&key.pk))
            .set_key(Some(key.into_item()))
            .set_condition_expression(condition)
            .set_expression_attribute_values(values)
            .build()
            .expect("table, key and condition are set");
        self.actions.push((Some(label), TransactWriteItem::builder().condition_check(check).build()));
    }

    pub(crate) fn delete(&mut self, key: Key) {
        self.add_delete(None, key, None);
    }

    pub(crate) fn delete_if(&mut self, label: L, condition: impl Into<Condition>, key: Key) {
        self.add_delete(Some(label), key, Some(condition.into()));
    }

    fn add_delete(&mut self, label: Option<L>, key: Key, condition: Option<Condition>) {
        let (condition, values) = parts(condition);
        let delete = Delete::builder()
            .table_name(self.table.names.of_partition(&key.pk))
            .set_key(Some(key.into_item()))
            .set_condition_expression(condition)
            .set_expression_attribute_values(values)
            .build()
            .expect("table and key are set");
        self.actions.push((label, TransactWriteItem::builder().delete(delete).build()));
    }

    /// All of it, or none. Retried, with jittered backoff, only where every reason of a cancellation is contention.
    pub(crate) async fn write(&self, pattern: Pattern) -> Result<Result<(), FailedConditions<L>>, StoreError> {
        match self.write_unless(pattern, |_| false).await? {
            Written::Done => Ok(Ok(())),
            Written::Failed(failed) => Ok(Err(failed)),
            Written::Contended(_) => unreachable!("no label is exchangeable"),
        }
    }

    /// The same, but not retried after contention on an item that could be `exchanged` for another one.
    pub(crate) async fn write_unless(
        &self,
        pattern: Pattern,
        exchanged: impl Fn(&L) -> bool,
    ) -> Result<Written<L>, StoreError> {
        let actions: Vec<_> = self.actions.iter().map(|(_, action)| action.clone()).collect();
        let started = Instant::now();
        let mut token = Uuid::now_v7().to_string();
        // Whether an attempt under this token may have happened, or may still.
        let mut in_doubt = false;
        for attempt in 1.. {
            let call = self
                .table
                .transactions
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(actions.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send();
            let error = match metered(pattern, call).await {
                Ok(_) => return Ok(Written::Done),
                Err(error) => error,
            };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(e)) => e.cancellation_reasons().to_vec(),
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => Vec::new(),
                _ => match StoreError::from(error) {
                    StoreError::OutcomeUnknown(_) if attempt < LOST_ATTEMPTS && started.elapsed() < MAX_CONFLICT => {
                        in_doubt = true;
                        backoff(attempt).await;
                        continue;
                    }
                    error => return Err(doubted(in_doubt, error)),
                },
            };
            if reasons.iter().any(condition_failed) {
                let failed = failed_conditions(self.actions.iter().map(|(label, _)| *label), reasons);
                return failed.map(Written::Failed).ok_or_else(|| StoreError::Unavailable(error.into()));
            }
            let failures = || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
            if !failures().all(is_contention) {
                // Too large, or malformed: it cannot succeed.
                return Err(doubted(in_doubt, StoreError::Unavailable(error.into())));
            }
            if reasons.is_empty() {
                // In progress under this token: it may still happen, so the token stays.
                in_doubt = true;
                if started.elapsed() > MAX_IN_PROGRESS {
                    return Err(StoreError::OutcomeUnknown(error.into()));
                }
                match attempt < MAX_ATTEMPTS {
                    true => backoff(attempt).await,
                    false => tokio::time::sleep(IN_PROGRESS_WAIT).await,
                }
                continue;
            }
            let contended =
                self.actions.iter().zip(&reasons).filter(|(_, reason)| reason.code().is_some_and(is_contention));
            let contended: Vec<L> =
                contended.filter_map(|((label, _), _)| *label).filter(|label| exchanged(label)).collect();
            // With an attempt in doubt it is not known that nothing was written.
            if !contended.is_empty() && !in_doubt {
                return Ok(Written::Contended(contended));
            }
            if attempt >= MAX_ATTEMPTS || started.elapsed() > MAX_CONFLICT {
                return Err(doubted(in_doubt, error.into()));
            }
            // Cancelled, so it never happened; unless an attempt before, of which no answer came, is still on its way.
            if !in_doubt {
                token = Uuid::now_v7().to_string();
            }
            backoff(attempt).await;
        }
        unreachable!("the loop returns once its time is up")
    }
}

/// An error of an attempt after one that may have happened says nothing about that one.
fn doubted(in_doubt: bool, error: StoreError) -> StoreError {
    match error {
        StoreError::Busy(source) | StoreError::Unavailable(source) if in_doubt => StoreError::OutcomeUnknown(source),
        StoreError::Busy(_)
        | StoreError::Unavailable(_)
        | StoreError::OutcomeUnknown(_)
        | StoreError::Corrupt { .. } => error,
    }
}

fn parts(condition: Option<Condition>) -> (Option<String>, Option<Item>) {
    let Some(Condition { expression, values }) = condition else { return (None, None) };
    (Some(expression), (!values.is_empty()).then_some(values))
}

fn condition_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// The labels of the failed conditions. There is a reason for each action, in their order. `None` if no action with a
/// label has failed: then the answer is not about this transaction.
fn failed_conditions<L>(
    labels: impl Iterator<Item = Option<L>>,
    reasons: Vec<CancellationReason>,
) -> Option<FailedConditions<L>> {
    let failed = labels.zip(reasons).filter(|(_, reason)| condition_failed(reason));
    let failed: Vec<_> = failed.filter_map(|(label, reason)| Some((label?, reason.item))).collect();
    (!failed.is_empty()).then_some(FailedConditions(failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::s;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Label {
        Stock(usize),
        Cart,
    }

    fn reason(code: &str, item: Option<Item>) -> CancellationReason {
        CancellationReason::builder().code(code).set_item(item).build()
    }

    #[test]
    fn a_failed_condition_comes_back_as_its_label_with_the_item_that_is_there() {
        let stock = Item::from([("PK".to_owned(), s("PROD#pan"))]);
        let reasons = vec![
            reason("None", None),
            reason("ConditionalCheckFailed", Some(stock.clone())),
            reason("None", None),
            reason("ConditionalCheckFailed", None),
        ];

        let labels = [Some(Label::Stock(0)), Some(Label::Stock(1)), None, Some(Label::Cart)];
        let failed = failed_conditions(labels.into_iter(), reasons).unwrap();

        assert_eq!((failed.contains(Label::Stock(0)), failed.item(Label::Stock(0))), (false, None));
        assert_eq!((failed.contains(Label::Stock(1)), failed.item(Label::Stock(1))), (true, Some(&stock)));
        assert_eq!((failed.contains(Label::Cart), failed.item(Label::Cart)), (true, None));
    }

    #[test]
    fn an_answer_that_names_no_condition_of_the_transaction_is_not_taken_for_one() {
        let without_label =
            failed_conditions([None::<Label>].into_iter(), vec![reason("ConditionalCheckFailed", None)]);
        let beyond_the_end = failed_conditions(
            [Some(Label::Cart)].into_iter(),
            vec![reason("None", None), reason("ConditionalCheckFailed", None)],
        );

        assert!(without_label.is_none() && beyond_the_end.is_none());
    }
}
