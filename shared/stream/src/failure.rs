use std::error::Error;

use table::StoreError;

type Source = Box<dyn Error + Send + Sync>;

/// Why a record could not be handled.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may work later: something is busy, slow or unavailable. The mapping delivers the record again.
    #[error("the record is to be delivered again")]
    Again(#[source] Source),
    /// It never will, however often it is tried: the record becomes a dead letter.
    #[error("the record cannot be handled")]
    Never(#[source] Source),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt { .. } => Failure::Never(error.into()),
            _ => Failure::Again(error.into()),
        }
    }
}
