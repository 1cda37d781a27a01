//! Operations on a running shop, and the arithmetic of what it costs, as functions that the command, the local stack and
//! the tests share.

pub mod admin;
pub mod advise;
pub mod audit;
pub mod costs;
mod csv;
pub mod dead_letters;
pub mod decimal;
pub mod import;
pub mod migrate;
mod own_tables;
pub mod prewarm;
pub mod reconcile;
pub mod search;

pub use own_tables::OwnTables;
