//! Conditions of writes, and their failures.

use std::{error::Error, future::Future};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, error::ConditionalCheckFailedException},
};
use futures::FutureExt as _;

use crate::{
    StoreError,
    meter::{Metered, Pattern, metered},
    rows::{Item, n},
};

/// The item does not exist yet.
pub(crate) const NEW: &str = "attribute_not_exists(PK)";

/// The item exists.
pub(crate) const EXISTS: &str = "attribute_exists(PK)";

/// An expression that must hold for a write to happen, with the values it names.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) values: Item,
}

impl Condition {
    pub(crate) fn new(expression: impl Into<String>, values: Item) -> Self {
        Self { expression: expression.into(), values }
    }

    /// Both.
    pub(crate) fn and(mut self, other: Condition) -> Self {
        self.expression = format!("({}) AND ({})", self.expression, other.expression);
        self.values.extend(other.values);
        self
    }
}

/// An expression without values.
impl From<&str> for Condition {
    fn from(expression: &str) -> Self {
        Self::new(expression, Item::new())
    }
}

/// The item is of the version that was read.
pub(crate) fn version_is(read: u64) -> Condition {
    Condition::new("version = :read", values([(":read", n(read))]))
}

/// Values of an expression.
pub(crate) fn values<const N: usize>(pairs: [(&str, AttributeValue); N]) -> Item {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The condition of a write failed, so nothing was written.
#[derive(Debug)]
pub(crate) struct ConditionFailed {
    /// The item that is there. `None` if there is none, or the write did not ask for it by
    /// `ReturnValuesOnConditionCheckFailure`.
    pub(crate) item: Option<Item>,
}

/// Awaits one write with a condition and counts it for its access pattern, whether or not it succeeds.
pub(crate) fn write_if<O: Metered, E: ConditionalError>(
    pattern: Pattern,
    call: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
) -> impl Future<Output = Result<Result<O, ConditionFailed>, StoreError>> {
    metered(pattern, call).map(|result| {
        let error = match result {
            Ok(output) => return Ok(Ok(output)),
            Err(error) => error,
        };
        match error.as_service_error().and_then(ConditionalError::condition_failed) {
            Some(failed) => Ok(Err(ConditionFailed { item: failed.item.clone() })),
            None => Err(error.into()),
        }
    })
}

/// An error of a write that can have a condition.
pub(crate) trait ConditionalError: ProvideErrorMetadata + Error + Send + Sync + 'static {
    fn condition_failed(&self) -> Option<&ConditionalCheckFailedException>;
}

macro_rules! conditional {
    ($($error:ident),+) => {$(
        impl ConditionalError for $error {
            fn condition_failed(&self) -> Option<&ConditionalCheckFailedException> {
                match self {
                    $error::ConditionalCheckFailedException(failed) => Some(failed),
                    _ => None,
                }
            }
        }
    )+};
}

conditional!(PutItemError, UpdateItemError, DeleteItemError);
