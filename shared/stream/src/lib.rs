//! What the consumers of the table's stream share: processing a batch from Lambda record by record, and the answer that
//! names the record from which the event source mapping continues.
//!
//! DynamoDB delivers each record at least once, those of one item in order, those of one transaction separately. So a
//! consumer makes every effect that must not happen twice conditional, and takes the state of an item from the item's
//! version, not from the order in which records arrive.

mod batch;
mod change;
mod dead_letters;
mod failure;
mod mapping;

pub use aws_lambda_events::streams::DynamoDbEventResponse as Answer;
pub use batch::{Batch, Runner};
pub use change::{Change, Kind, Malformed};
pub use dead_letters::{Condition, DeadLetter, DeadLetterError, DeadLetters};
pub use failure::Failure;
pub use mapping::{EventName, Mapping};
