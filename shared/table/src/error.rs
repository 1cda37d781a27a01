use std::error::Error;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::config::never_connected;

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
        match &error {
            _ if never_sent => Self::Busy(error.into()),
            _ if busy => Self::Busy(error.into()),
            _ if failed => Self::OutcomeUnknown(error.into()),
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Self::OutcomeUnknown(error.into()),
            SdkError::DispatchFailure(f) if !f.is_user() => Self::OutcomeUnknown(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}
