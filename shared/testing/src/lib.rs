//! Products and orders for tests, which say only what the test is about.
//!
//! A crate, so that nothing of it is in what is deployed. The unit tests of `domain` cannot depend on a crate that
//! depends on `domain`, so they have the same file as a module.

#[path = "../../domain/src/testing.rs"]
mod testing;

pub use testing::*;
