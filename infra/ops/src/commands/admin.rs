use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::Role;
use ops::{OwnTables, admin};

use super::{
    Outcome,
    shop::{EndpointArgs, LOCAL_TABLE},
};

pub const HELP: &str = "\
Staff are customers with the role admin: they register in the shop like everybody else, and get the role here. Every
route under /admin reads the role from the table, so a change takes effect with the next request. Costs 1 RRU and 1 WRU.

Examples, on AWS with the table's name from the stack's outputs, and on the local stack:
  cargo run -p ops -- admin grant ann@shop.example --table OneTill-Table
  cargo run -p ops -- admin revoke ann@shop.example \\
      --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090";

#[derive(Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Gives a customer the role admin
    Grant(Whom),
    /// Takes the role admin away
    Revoke(Whom),
}

#[derive(Debug, Args)]
struct Whom {
    /// The e-mail of the customer's account
    #[arg(value_name = "EMAIL")]
    email: String,
    /// The shop's table; optional with --endpoint
    #[arg(long, value_name = "NAME", env = "TABLE_NAME", required_unless_present = "endpoint")]
    table: Option<String>,
    #[command(flatten)]
    own_tables: OwnTables,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

pub async fn run(args: &AdminArgs) -> Outcome {
    let (whom, role, said) = match &args.command {
        Command::Grant(whom) => (whom, Role::Admin, "is staff"),
        Command::Revoke(whom) => (whom, Role::Customer, "is a customer like any other"),
    };
    // No object is read.
    let tables = whom.own_tables.beside(whom.table.as_deref().unwrap_or(LOCAL_TABLE))?;
    let (table, _) = whom.endpoints.connect(tables, "").await;
    admin::set_role(&table, &whom.email, role).await?;
    println!("{} {said}", whom.email);
    Ok(ExitCode::SUCCESS)
}
