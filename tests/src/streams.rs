//! The table's stream, delivered as badly as Lambda may deliver it, to the functions that live off it.
//!
//! A [`story`] is a shop's day, and ends with projections that a crash left out. Its records, with sequence numbers as
//! AWS has them, go through [`shards`] that split, to a [`consumer`] whose every call may fail, in the batches, retries
//! and halves of the local stack's own event source mapping; and again, and late, and twice at once. Then the faults
//! stop, what was given up is replayed, and the [`judge`] says what is wrong. [`bugs`] shows that it would say so.
//! [`recovery`] is what is mended without the stream.

pub mod bugs;
pub mod consumer;
pub mod judge;
pub mod mailer;
pub mod records;
pub mod recovery;
pub mod runs;
pub mod shards;
pub mod simulator;
pub mod story;
pub mod wire;
