use std::error::Error;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        CancellationReason, ThrottlingReason,
        error::{
            ProvisionedThroughputExceededException, RequestLimitExceeded, ThrottlingException,
            TransactionCanceledException,
        },
    },
};

use crate::{config::never_connected, transact::is_contention};

/// A failure of the table that is unrelated to the request's content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, not reached, or in conflict with others for too long. Nothing was written; it may work later.
    #[error("the table is too busy")]
    Busy(#[source] Box<dyn Error + Send + Sync>),
    /// The answer did not arrive in time. A write may have happened: read before repeating it.
    #[error("the table's answer was lost")]
    OutcomeUnknown(#[source] Box<dyn Error + Send + Sync>),
    /// The table refused or could not be reached: a wrong name, a missing permission, an outage.
    #[error("the table cannot be used")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// An item does not have the form that this version of the program writes.
    #[error("stored item {key} does not read back")]
    Corrupt { key: String, source: Box<dyn Error + Send + Sync> },
}

/// An error and its sources, outermost first, on one line: no `Display` here prints its own source.
pub fn error_chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&e| e.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

impl StoreError {
    pub(crate) fn corrupt(key: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt { key: key.into(), source: source.into() }
    }
}

/// Stands before the service's error in a chain, and says what its text does not: which table or index was throttled and
/// why, or which actions of a transaction were.
#[derive(Debug, thiserror::Error)]
#[error("{refusals}")]
struct Refusals {
    refusals: String,
    source: Box<dyn Error + Send + Sync>,
}

/// What a service error says of throttling and of conflicts, if anything.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html>
fn refusals(error: &(dyn Error + 'static)) -> Option<String> {
    // The error of an operation is an enum, whose source is the service's own error.
    let source = error.source()?;
    let reasons = source.downcast_ref::<ThrottlingException>().map(ThrottlingException::throttling_reasons);
    let reasons = reasons.or_else(|| {
        let exceeded = source.downcast_ref::<ProvisionedThroughputExceededException>();
        exceeded.map(ProvisionedThroughputExceededException::throttling_reasons)
    });
    let reasons =
        reasons.or_else(|| source.downcast_ref::<RequestLimitExceeded>().map(RequestLimitExceeded::throttling_reasons));
    let said: Vec<_> = match (reasons, source.downcast_ref::<TransactionCanceledException>()) {
        (Some(reasons), _) => reasons.iter().map(throttling).collect(),
        (None, Some(cancelled)) => contended(cancelled.cancellation_reasons()).collect(),
        (None, None) => Vec::new(),
    };
    (!said.is_empty()).then(|| said.join(", "))
}

fn throttling(reason: &ThrottlingReason) -> String {
    let resource = reason.resource().unwrap_or_default();
    // The end of an ARN, without region and account: `table/OneTill/index/due-index`.
    let resource = resource.rsplit(':').next().unwrap_or_default();
    format!("{} of {resource}", reason.reason().unwrap_or("throttled"))
}

/// A cancellation has a reason for each action, in their order, and for throttling a text instead of a resource.
fn contended(reasons: &[CancellationReason]) -> impl Iterator<Item = String> {
    let contended = reasons.iter().enumerate().filter_map(|(at, reason)| Some((at, reason, reason.code()?)));
    contended.filter(|(_, _, code)| is_contention(code)).map(|(at, reason, code)| match reason.message() {
        Some(message) => format!("action {at} {code} ({message})"),
        None => format!("action {at} {code}"),
    })
}

/// The service's codes for throttling and for conflicts with other requests.
const BUSY: [&str; 6] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionCanceledException",
    "ReplicatedWriteConflictException",
];

impl<E> From<SdkError<E, HttpResponse>> for StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        // The service failed on its side: the write may have happened before.
        let failed = error.raw_response().is_some_and(|response| response.status().is_server_error());
        let busy = error.as_service_error().and_then(|e| e.code()).is_some_and(|code| BUSY.contains(&code));
        let never_sent = matches!(&error, SdkError::DispatchFailure(f) if f.as_connector_error().is_some_and(|e| never_connected(e)));
        let refusals = error.as_service_error().and_then(|error| refusals(error));
        match &error {
            _ if never_sent => Self::Busy(error.into()),
            _ if busy => Self::Busy(match refusals {
                Some(refusals) => Refusals { refusals, source: error.into() }.into(),
                None => error.into(),
            }),
            _ if failed => Self::OutcomeUnknown(error.into()),
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Self::OutcomeUnknown(error.into()),
            SdkError::DispatchFailure(f) if !f.is_user() => Self::OutcomeUnknown(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        error::ErrorMetadata,
        operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    };
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn refused<E>(error: E) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let response = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
        SdkError::service_error(error, response).into()
    }

    fn meta(code: &str) -> ErrorMetadata {
        ErrorMetadata::builder().code(code).build()
    }

    #[test]
    fn a_throttled_request_says_which_index_was_throttled_and_why() {
        let reason = ThrottlingReason::builder()
            .reason("IndexWriteKeyRangeThroughputExceeded")
            .resource("arn:aws:dynamodb:eu-central-1:123456789012:table/OneTill/index/due-index")
            .build();
        let throttled = ThrottlingException::builder().throttling_reasons(reason).meta(meta("ThrottlingException"));

        let error = refused(PutItemError::ThrottlingException(throttled.build()));

        assert!(matches!(error, StoreError::Busy(_)));
        let line = error_chain(&error);
        assert!(line.contains("IndexWriteKeyRangeThroughputExceeded of table/OneTill/index/due-index: "), "{line}");
        assert!(!line.contains("123456789012"), "{line}");
    }

    #[test]
    fn a_cancelled_transaction_says_which_of_its_actions_were_throttled_or_in_conflict() {
        let reason = |code: &str| CancellationReason::builder().code(code);
        let cancelled = TransactionCanceledException::builder()
            .cancellation_reasons(reason("None").build())
            .cancellation_reasons(reason("ThrottlingError").message("the index is throttled").build())
            .cancellation_reasons(reason("TransactionConflict").build())
            .meta(meta("TransactionCanceledException"));

        let error = refused(TransactWriteItemsError::TransactionCanceledException(cancelled.build()));

        let line = error_chain(&error);
        let said = "action 1 ThrottlingError (the index is throttled), action 2 TransactionConflict: ";
        assert!(line.contains(said), "{line}");
    }
}
