mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{admin, advise, audit, costs, dead_letters, import, migrate, reconcile, sale, search};

/// Operates a OneTill shop.
#[derive(Debug, Parser)]
#[command(name = "ops")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Grants and revokes the role admin
    #[command(after_long_help = admin::HELP)]
    Admin(admin::AdminArgs),
    /// Says which capacity mode is cheaper for what a table consumed, and when it would have been throttled
    #[command(after_long_help = advise::HELP)]
    Advise(advise::AdviseArgs),
    /// Prints who changed what on one day
    #[command(after_long_help = audit::HELP)]
    Audit(audit::AuditArgs),
    /// Calculates what a shop's month costs, from its traffic
    #[command(after_long_help = costs::HELP)]
    Costs(costs::CostsArgs),
    /// Imports products from a file
    ///
    /// Importing a file again changes only what is new in it, and completes an interrupted import. Fields that are not
    /// in a product's line stay unchanged, and so does stock.
    #[command(after_long_help = import::help())]
    Import(import::ImportArgs),
    /// Migrates the table of an earlier version
    #[command(after_long_help = migrate::HELP)]
    Migrate(migrate::MigrateArgs),
    /// Compares projections, stock and objects with their sources, and repairs them
    ///
    /// Reports each difference in a line, and repairs nothing without --repair.
    #[command(after_long_help = reconcile::HELP)]
    Reconcile(reconcile::ReconcileArgs),
    /// Prepares the table for a flash sale
    Sale(sale::SaleArgs),
    /// Looks at the search index, and has it made again
    #[command(after_long_help = search::HELP)]
    Search(search::SearchArgs),
    /// Lists, shows and replays records that functions could not handle
    #[command(after_long_help = dead_letters::HELP)]
    DeadLetters(dead_letters::DeadLettersArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Not `Cli::parse`: it exits with 2, which here means that a command found problems.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match &cli.command {
        Command::Admin(args) => admin::run(args).await,
        Command::Advise(args) => advise::run(args),
        Command::Audit(args) => audit::run(args).await,
        Command::Costs(args) => costs::run(args),
        Command::Import(args) => import::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Reconcile(args) => reconcile::run(args).await,
        Command::Sale(args) => sale::run(args).await,
        Command::Search(args) => search::run(args).await,
        Command::DeadLetters(args) => dead_letters::run(args).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", table::error_chain(error.as_ref()));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod manual;
