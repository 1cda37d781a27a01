//! Things that go wrong, on purpose: what a network, a busy table and a payment provider do to one Lambda environment,
//! and bugs planted from outside to show that they would be noticed.
//!
//! A [`plan::Plan`] says what goes wrong when. [`wire::FaultyHttp`] does it under the real SDK, and
//! [`payments::FaultyPayments`] in front of the local provider. [`bugs::Bug`] is done to the product in the same two
//! places, so that its own code stays clean. [`checker`] judges what is left.

pub mod bugs;
pub mod checker;
pub mod freezer;
pub mod payments;
pub mod plan;
pub mod runs;
pub mod stream;
pub mod wire;
pub mod world;
