//! What is measured, and written into docs/benchmarks.md. Each figure is of one run on one machine; compare the ratios.

mod cold;
mod engine;
mod peers;
mod runtime_api;
mod section;

use clap::Subcommand;

use crate::Outcome;

pub use cold::{LIMITS, Limit, check, without_aws_lc};

/// A measurement. Each writes its own section of docs/benchmarks.md.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// How long functions take to start and to answer first, beside a bare function and one in Node.js
    ///
    /// Builds each function as it is deployed, for this machine, into target/bench, and starts it against an imitation of
    /// Lambda's Runtime API, with a local engine behind HTTP and behind TLS. Node.js is left out if it, or npm, is not
    /// there.
    Cold(cold::Options),
}

pub fn run(bench: &Bench) -> Outcome<()> {
    match bench {
        Bench::Cold(options) => cold::run(options),
    }
}
