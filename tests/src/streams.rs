//! Delivers the table's stream to its consumers, with every fault that Lambda may cause.
//!
//! A [`story`] is a shop's day, and ends with projections missing as after a crash. Its records, with sequence numbers
//! like those of AWS, go through [`shards`] that split, to a [`consumer`] of which every call may fail, in the batches,
//! retries and bisections of the local stack's own event source mapping; and again, late, and concurrently. Then the
//! faults stop, the dead letters are replayed, and the [`verify`] reports violations. [`bugs`] prove that it would find
//! them. [`recovery`] is what is repaired without the stream.

pub mod bugs;
pub mod consumer;
pub mod mailer;
pub mod records;
pub mod recovery;
pub mod runs;
pub mod shards;
pub mod simulator;
pub mod story;
pub mod verify;
pub mod wire;
