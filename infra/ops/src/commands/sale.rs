use std::process::ExitCode;

use clap::{Args, Subcommand};
use ops::{
    OwnTables,
    prewarm::{Forecast, QUOTA, warm_throughput},
};
use table::WarmThroughput;

use super::{
    Outcome,
    shop::{EndpointArgs, LOCAL_TABLE},
};

pub const HELP: &str = "\
A table and its indexes take a certain number of units at once, their warm throughput; above it they scale within
minutes, and throttle until they have. A new one on demand takes 12,000 reads and 4,000 writes a second. Prints what the
expected checkouts need; with --apply, raises what is lower.

What to know before:
  - Warm throughput cannot be lowered again, and AWS charges once for raising it (Amazon DynamoDB pricing).
  - It takes minutes, more for a large table. Apply it a day before.
  - It spreads the table over more partitions. It does not help one hot key: a partition takes 3,000 reads and 1,000 writes
    a second, whatever the table takes. Sell through a sale, whose lots are spread over keys (POST /admin/sales).
  - Above 40,000 units a second the account needs a higher quota (Service Quotas, Table-level read and write throughput).

Examples:
  cargo run -p ops -- sale prewarm --checkouts-per-second 2000 --limit
  cargo run -p ops -- sale prewarm --checkouts-per-second 2000 --limit --apply --table OneTill-Table";

#[derive(Debug, Args)]
pub struct SaleArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Computes, and raises, the throughput that a flash sale needs from its first second
    #[command(after_long_help = HELP)]
    Prewarm(Prewarm),
}

#[derive(Debug, Args)]
struct Prewarm {
    /// The most checkouts in any second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    checkouts_per_second: u64,
    /// Lines of an order
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=90))]
    lines: u64,
    /// The sale has a limit for each customer
    #[arg(long)]
    limit: bool,
    /// Raise the warm throughput of the table and its indexes
    #[arg(long)]
    apply: bool,
    /// The shop's table, for --apply; optional with --endpoint
    #[arg(long, value_name = "NAME", env = "TABLE_NAME", required_if_eq("apply", "true"))]
    table: Option<String>,
    #[command(flatten)]
    own_tables: OwnTables,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

pub async fn run(args: &SaleArgs) -> Outcome {
    let Command::Prewarm(args) = &args.command;
    let Prewarm { checkouts_per_second, lines, limit, apply, table, own_tables, endpoints } = args;
    let forecast = Forecast { checkouts_per_second: *checkouts_per_second, lines: *lines, limit: *limit };
    let tables = own_tables.beside(table.as_deref().unwrap_or(LOCAL_TABLE))?;
    let warm = warm_throughput(forecast, &tables);
    println!("{:<40} {:>12} {:>12}", "WarmThroughput of", "reads/s", "writes/s");
    for of in &warm {
        println!("{:<40} {:>12} {:>12}", named(of), of.reads_per_second, of.writes_per_second);
    }
    if warm.iter().any(|of| of.reads_per_second.max(of.writes_per_second) > QUOTA) {
        println!("More than {QUOTA} units a second: raise the account's quota of a table first.");
    }
    if !apply {
        return Ok(ExitCode::SUCCESS);
    }
    // No object is read.
    let (table, _) = endpoints.connect(tables, "").await;
    let raised = table.warm_throughput_raise(&warm).await?;
    for of in &raised {
        println!("raising {}", named(of));
    }
    if raised.is_empty() {
        println!("nothing to raise: all take as much already");
    }
    Ok(ExitCode::SUCCESS)
}

fn named(of: &WarmThroughput) -> String {
    match of.index {
        Some(index) => format!("{} / {index}", of.table),
        None => of.table.clone(),
    }
}
