//! Injected faults: what a network, a busy table and a payment provider can do to one Lambda environment, and planted
//! bugs that prove that the checker would find them.
//!
//! A [`plan::Plan`] says which fault happens when. [`wire::FaultyHttp`] injects it under the real SDK, and
//! [`payments::FaultyPayments`] in front of the local provider. A [`bugs::Bug`] is planted in the same two places, so
//! that the product's own code has no switch for it. [`checker`] judges the result.

pub mod bugs;
pub mod checker;
pub mod freezer;
pub mod payments;
pub mod plan;
pub mod runs;
pub mod stream;
pub mod wire;
pub mod world;
