//! A model of DynamoDB's partitions, below the SDK and in simulated time: what a rush does to a table and its indexes.
//!
//! The bundled engine evaluates every request; a [`service::Service`] in front of it decides first whether the request
//! is throttled or conflicts with a transaction, and how long it takes. The product's own checkout, `POST /orders`, calls it
//! through the SDK, with the product's timeouts and retries. All waiting is done in tokio's paused time, so that a minute of a sale
//! takes as long as it takes to compute. Every number that the model assumes is in [`constants`], with its source.
//!
//! The placement of keys, arrivals and latencies follow from a seed. The jitter of the SDK and of the product does not:
//! a seed gives the same situation again, not the same run to the last request.

pub mod bucket;
pub mod config_reads;
pub mod constants;
pub mod counts;
pub mod day;
mod held;
mod provider;
pub mod random;
pub mod report;
pub mod sale;
pub mod service;
pub mod shop;
pub mod space;
pub mod stock;
mod svg;
pub mod units;
pub mod wire;

use std::{future::Future, thread};

/// Futures of the SDK are deep in a debug build.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs a simulation in paused time, which advances whenever everything waits.
pub fn simulate<F: Future<Output: Send + 'static>>(run: impl FnOnce() -> F + Send + 'static) -> F::Output {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let simulation = move || runtime().expect("a runtime").block_on(run());
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(simulation).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
