use std::process::ExitCode;

use clap::Args;
use domain::Timestamp;
use ops::migrate::{self, Progress};

use super::{NOT_WELL, Outcome, bar, shop::ShopArgs, style};

const STEPS: &str = "{elapsed} {msg} [{wide_bar}] {pos}/{len}, {eta} left";
const NO_STEPS: &str = "{elapsed} {msg} {spinner}";

pub const HELP: &str = "\
Categories: each becomes an item of its own, with the number of its products. The item that had all of them stays
unchanged, so that the previous version can still run. Products whose category is not stored in Unicode's NFC are
written again, so that lists find them.

Orders: each gets the entries by which staff find it: number, contact, payment.

Run it before a new version is deployed, so that the categories exist by then, and again afterwards, for the products
that were changed in between. The shop can stay open. Running it again changes nothing, and completes an interrupted
run.

Reads cost 2 RRU for each product and 2.5 for each order; counting a product for the first time costs 6 WRU, the entries
of an order at most 3. Each day since --orders-since costs 2 RRU. There is no Scan.

Exit status: 0 everything is migrated; 2 some items are malformed, the others are migrated; 1 it stopped, run it again.

Example, on the local stack, which migrates its categories when it starts:
  cargo run -p ops -- migrate --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090";

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    shop: ShopArgs,
    /// The UTC day of the first order; by default the day of the first version
    #[arg(long, value_name = "DAY", default_value_t = migrate::FIRST_DAY)]
    orders_since: jiff::civil::Date,
}

pub async fn run(args: &MigrateArgs) -> Outcome {
    let (table, _) = args.shop.connect().await?;
    let bar = bar(0, NO_STEPS);
    let show = |Progress { doing, done, of }: Progress| {
        bar.set_style(style(if of.is_some() { STEPS } else { NO_STEPS }));
        bar.set_length(of.unwrap_or(done) as u64);
        bar.set_position(done as u64);
        bar.set_message(format!("{done} {doing}"));
    };
    let outcome = migrate::run(&table, Timestamp::now(), Some(args.orders_since), show).await;
    bar.finish_and_clear();
    let report = outcome.map_err(|e| format!("the migration stopped; run it again: {}", table::error_chain(&e)))?;

    report.unreadable.iter().for_each(|path| println!("{path:?} is not a category, and is left out"));
    report.damaged.iter().for_each(|damaged| println!("{damaged}"));
    println!("{report}");
    let is_whole = report.unreadable.is_empty() && report.damaged.is_empty();
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(NOT_WELL) })
}
