//! What is measured, and written into docs/benchmarks.md. Each figure is of one run on one machine; compare the ratios.

mod carts;
mod cold;
mod engine;
mod gateway;
mod measure;
mod patterns;
mod peers;
mod picture;
mod pure;
mod runtime_api;
mod section;
mod shop;
mod warm;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::Outcome;

pub use cold::{LIMITS, Limit, check, without_aws_lc};

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: Option<Bench>,
    /// A folder with the functions as they are deployed, built for this machine, instead of building them into target/bench
    #[arg(long, global = true, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// A measurement. Each writes its own section of docs/benchmarks.md, with its picture.
#[derive(Debug, Subcommand)]
enum Bench {
    /// How long functions take to start and to answer first, beside a bare function and one in Node.js
    ///
    /// Builds each function as it is deployed, for this machine, into target/bench, and starts it against an imitation of
    /// Lambda's Runtime API, with a local engine behind HTTP and behind TLS. Node.js is left out if it, or npm, is not
    /// there.
    Cold(cold::Options),
    /// How long functions that run take to answer, beside the bare calls of the SDK
    ///
    /// A product from memory and from the table, a cart and an order of three lines, each event with data of its own.
    Warm(warm::Options),
    /// Cost and latency of every access pattern in shops of several sizes; fails if a cost depends on the size
    Patterns(patterns::Options),
    /// Throughput of the local gateway, by oha, which is installed once
    Gateway(gateway::Options),
    /// What it costs to fill carts of 3, 18 and 90 lines
    Carts,
    /// What is pure: pricing, cursors, keys, by divan
    Pure,
    /// All of them, which is also what runs without a name
    All,
}

pub fn run(options: &Options) -> Outcome<()> {
    let programs = options.programs.as_deref();
    match options.what.as_ref().unwrap_or(&Bench::All) {
        Bench::Cold(options) => cold::run(options, programs),
        Bench::Warm(options) => warm::run(options, programs),
        Bench::Patterns(options) => patterns::run(options),
        Bench::Gateway(options) => gateway::run(options),
        Bench::Carts => carts::run(),
        Bench::Pure => pure::run(),
        Bench::All => {
            cold::run(&cold::Options::default(), programs)?;
            warm::run(&warm::Options::default(), programs)?;
            patterns::run(&patterns::Options::default())?;
            gateway::run(&gateway::Options::default())?;
            carts::run()?;
            pure::run()
        }
    }
}
