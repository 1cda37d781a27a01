mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{admin, audit, dead_letters, import, migrate, reconcile};

/// Operates a OneTill shop.
#[derive(Debug, Parser)]
#[command(name = "ops")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes customers staff, and staff customers
    #[command(after_long_help = admin::HELP)]
    Admin(admin::AdminArgs),
    /// Prints who changed what on one day
    #[command(after_long_help = audit::HELP)]
    Audit(audit::AuditArgs),
    /// Loads products from a file into the table
    ///
    /// Loading a file again changes nothing but what is new in it, and completes a load that was interrupted. What a line
    /// does not say of a product stays as it is, and so does stock.
    #[command(after_long_help = import::help())]
    Import(import::ImportArgs),
    /// Brings the table of an earlier version to what this one expects
    #[command(after_long_help = migrate::HELP)]
    Migrate(migrate::MigrateArgs),
    /// Compares projections, stock and objects with what they follow from, and mends them
    ///
    /// Reports what is wrong, one line each, and mends nothing unless --repair says so.
    #[command(after_long_help = reconcile::HELP)]
    Reconcile(reconcile::ReconcileArgs),
    /// Records that functions could not handle: lists, shows and replays them
    #[command(after_long_help = dead_letters::HELP)]
    DeadLetters(dead_letters::DeadLettersArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Not `Cli::parse`: it exits with 2, which means that something is not well here.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match &cli.command {
        Command::Admin(args) => admin::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Reconcile(args) => reconcile::run(args).await,
        Command::DeadLetters(args) => dead_letters::run(args).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", table::error_chain(error.as_ref()));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod manual;
