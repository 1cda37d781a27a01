use std::{process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};
use domain::Timestamp;
use jiff::civil::Date;
use ops::reconcile::{self, Check, Options, Progress};

use super::{NOT_WELL, Outcome, bar, shop::ShopArgs, style};

/// How long what looks wrong has to stay so: longer than an order's projections, or an index, take to follow.
const SECOND_LOOK: Duration = Duration::from_secs(10);

const STEPS: &str = "{elapsed} {msg} [{wide_bar}] {pos}/{len}, {eta} left";
const NO_STEPS: &str = "{elapsed} {msg} {spinner}";

pub const HELP: &str = "\
orders    For each order placed on the days asked for, and each with something open: the entry in the customer's list
          and the lines are there, as of the order's version. Mended by writing them again.
stock     For each product on sale: the units available are those of its stock ledger, less those in orders. Mended by
          setting the stock to that, with a line in the ledger. It takes every order since the oldest product was
          created, so it is left out, and says so, if --from is later than that; --only stock goes that far back by
          itself. A product that was sold or restocked within the last minute, or meanwhile, is not judged.
objects   For each object with a description, older than 24 hours: its product points to it. Mended by deleting it.
          Objects under names that are no product's are reported, and never deleted.

Customers can go on buying. What looks wrong is looked at again, 10 seconds later at the earliest, before it is
reported. An item that does not read back is reported, cannot be mended, and keeps nothing else from being looked at.

Reads cost 2 RRU an order, 2 a product and 1 its ledger; there is no Scan.

Exit status: 0 nothing is wrong with what was compared, or all of it is mended; 2 something is wrong; 1 it stopped, run
it again. What was skipped, or not judged, is told and counts as neither.

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
    /// Looks at nothing else; may be given more than once
    #[arg(long, value_name = "WHAT")]
    only: Vec<Only>,
    /// Mends what is wrong
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
    let (table, descriptions) = args.shop.connect().await;
    let bar = bar(0, NO_STEPS);
    let mut looking_at = "";
    let show = |Progress { looking_at: what, seen, done, of }: Progress| {
        if looking_at != what {
            looking_at = what;
            // So that time left is of this part alone.
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
