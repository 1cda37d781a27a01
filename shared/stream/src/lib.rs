//! What the consumers of the table's stream share: a batch as Lambda hands it over, record by record, and the answer
//! that tells the event source mapping where to go on.
//!
//! DynamoDB delivers each record at least once, those of one item in order, those of one transaction apart. So a
//! consumer does nothing that must not happen twice without a condition, and takes what an item is from the item's own
//! version, not from the order in which records come.

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
