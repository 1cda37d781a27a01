//! What an operator does to a running shop, as functions: the command, the local stack and the tests call the same ones.

pub mod admin;
pub mod audit;
pub mod dead_letters;
pub mod import;
pub mod reconcile;
