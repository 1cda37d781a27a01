//! Operations on a running shop, as functions that the command, the local stack and the tests share.

pub mod admin;
pub mod audit;
pub mod dead_letters;
pub mod import;
pub mod migrate;
pub mod prewarm;
pub mod reconcile;
