use std::{process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};
use domain::Timestamp;
use jiff::civil::Date;
use ops::reconcile::{self, Check, Options, Progress};

use super::{NOT_WELL, Outcome, bar, shop::ShopArgs, style};

/// How long a difference has to persist: longer than an order's projections, or an index, lag behind.
const SECOND_LOOK: Duration = Duration::from_secs(10);

const STEPS: &str = "{elapsed} {msg} [{wide_bar}] {pos}/{len}, {eta} left";
const NO_STEPS: &str = "{elapsed} {msg} {spinner}";

pub const HELP: &str = "\
orders    For each order placed on the given days, and each open one: the entry in the customer's list and the lines
          exist, for the order's version, and the entries by which staff find it; orders from before there were any need
          `migrate` first. Repaired by writing them again.
stock     For each product on sale: the units available are those of its stock ledger, less those in orders. Repaired
          by correcting the stock, with a line in the ledger. This needs every order since the oldest product was
          created, so it is skipped, with a message, if --from is later than that; with --only stock the default of
          --from is that day. A product that was sold or restocked within the last minute, or meanwhile, is not judged.
          And the units that its ledger says were set aside for sales, and have not come back, are in lots of sales that
          have not ended, or in orders. Never repaired: which sale or order has them is not known.
objects   For each description object older than 24 hours: its product points to it. Repaired by deleting it. Objects
          whose key names no product are reported, and never deleted.

The shop can stay open. A difference is checked again, at least 10 seconds later, before it is reported. A malformed
item is reported and cannot be repaired; everything else is still compared.

Reads cost 3.5 RRU for each order, 2 for each product and 1 for its ledger; there is no Scan.

Exit status: 0 everything that was compared is correct or repaired; 2 something is wrong; 1 it stopped, run it again.
What was skipped or not judged is reported and does not change the exit status.

Examples, on the local stack:
  cargo run -p ops -- reconcile --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090
  cargo run -p ops -- reconcile --only orders --from 2026-01-01 --to 2026-01-31 --repair \\
      --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090
  cargo run -p ops -- reconcile --only stock --json \\
      --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090";

#[derive(Debug, Args)]
pub struct ReconcileArgs {
    #[command(flatten)]
    shop: ShopArgs,
    /// The first day, in UTC, on which orders were placed [default: six days ago]
    #[arg(long, value_name = "yyyy-mm-dd", value_parser = parse_day)]
    from: Option<Date>,
    /// The last day [default: today]
    #[arg(long, value_name = "yyyy-mm-dd", value_parser = parse_day)]
    to: Option<Date>,
    /// Compares only this; can be repeated
    #[arg(long, value_name = "WHAT")]
    only: Vec<Only>,
    /// Repairs what is wrong
    #[arg(long)]
    repair: bool,
    /// Prints one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    Orders,
    Stock,
    Objects,
}

fn parse_day(raw: &str) -> Result<Date, String> {
    Date::strptime("%Y-%m-%d", raw).map_err(|_| "must be a day, such as 2026-01-31".to_owned())
}

pub async fn run(args: &ReconcileArgs) -> Outcome {
    if args.from.zip(args.to).is_some_and(|(from, to)| from > to) {
        return Err("--from is after --to".into());
    }
    let check = |only: &Only| match only {
        Only::Orders => Check::Orders,
        Only::Stock => Check::Stock,
        Only::Objects => Check::Objects,
    };
    let options = Options {
        from: args.from,
        to: args.to,
        only: args.only.iter().map(check).collect(),
        repair: args.repair,
        now: Timestamp::now(),
        second_look: SECOND_LOOK,
    };
    let (table, descriptions) = args.shop.connect().await?;
    let bar = bar(0, NO_STEPS);
    let mut looking_at = "";
    let show = |Progress { looking_at: what, seen, done, of }: Progress| {
        if looking_at != what {
            looking_at = what;
            // So that the remaining time is that of this part alone.
            bar.reset();
            bar.set_style(style(if of.is_some() { STEPS } else { NO_STEPS }));
        }
        bar.set_length(of.unwrap_or(done) as u64);
        bar.set_position(done as u64);
        bar.set_message(format!("{seen} {what}"));
    };
    let outcome = reconcile::run(&table, &descriptions, &options, show).await;
    bar.finish_and_clear();
    let report = outcome?;

    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.findings.iter().for_each(|finding| println!("{finding}"));
        report.not_judged.iter().for_each(|product| println!("{product}"));
        report.skipped.iter().for_each(|skipped| println!("{skipped}"));
        println!("{report}");
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(NOT_WELL) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_spelling() {
        assert_eq!(parse_day("2026-01-31").unwrap().to_string(), "2026-01-31");
        for wrong in ["2026-02-30", "31.01.2026", "today", "2026-01-31T00:00:00"] {
            assert!(parse_day(wrong).is_err(), "{wrong}");
        }
    }
}
