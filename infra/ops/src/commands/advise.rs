use std::{error::Error, path::PathBuf};

use clap::Args;
use ops::{
    advise::{self, Advice, Demand, HottestKey, Policy, SAMPLES},
    costs::PriceList,
    decimal::Decimal,
};

use super::{Outcome, print, read};

pub const HELP: &str = "\
Compares three ways to pay for reads and writes: on demand; provisioned, with Auto Scaling; and provisioned for the busiest
minute, all the time. Auto Scaling is simulated minute by minute: it acts after 2 minutes above the target or 15 minutes at
least 20 % below it, takes --reaction minutes, and decreases capacity 4 times a day and once more an hour. Unused capacity
of 300 seconds is kept for bursts. It needs no account and no table.

The mode that is advised costs least among those that would have refused nothing. What one partition refuses, 3,000 read or
1,000 write units a second, it refuses in every mode: --hottest-reads and --hottest-writes say what part one key has.

--metrics names a file with what one table, or one of its indexes, consumed in each minute or hour; each index is
provisioned by itself, so a file for each is more exact than their sum. It is one of:
  JSON of CloudWatch  the answer of `aws cloudwatch get-metric-data` for ConsumedReadCapacityUnits and
                      ConsumedWriteCapacityUnits with the statistic Sum; the labels have to name these metrics
  CSV of CloudWatch   what its console downloads from a graph of these metrics, with the statistic Sum and times in UTC
  JSON of one's own   {\"start\": \"2026-11-02T00:00:00Z\", \"period_minutes\": 1,
                       \"points\": [{\"reads\": 4200, \"writes\": 2100, \"times\": 1440}]}
                      units in each period; `times`, 1 if it is left out, repeats a point

Not included: alarms, storage, and discounts for a commitment (reserved capacity, Database Savings Plans).

Examples:
  cargo run -p ops -- advise --sample steady-catalogue
  cargo run -p ops -- advise --metrics infra/ops/samples/advise/flash-sale.json --hottest-writes 60 --json";

#[derive(Debug, Args)]
pub struct AdviseArgs {
    /// What a table consumed, as JSON or CSV
    #[arg(long, value_name = "FILE", required_unless_present = "sample", conflicts_with = "sample")]
    metrics: Option<PathBuf>,
    /// A built-in file instead
    #[arg(long, value_name = "NAME", value_parser = SAMPLES.map(|(name, _)| name))]
    sample: Option<String>,
    /// Minutes of a value of CloudWatch [default: the shortest distance of two times]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=60))]
    period: Option<u32>,
    /// Percent of the reads that the hottest key has
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    hottest_reads: Option<Decimal>,
    /// Percent of the writes that the hottest key has
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    hottest_writes: Option<Decimal>,
    /// Percent of the capacity that Auto Scaling aims to have consumed [default: that of the templates, 70]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(20..=90))]
    target: Option<u64>,
    /// Units that are provisioned at least [default: that of the templates, 5]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    minimum: Option<u64>,
    /// Units that are provisioned at most [default: that of the templates, 1000]
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    maximum: Option<u64>,
    /// Minutes from the alarm until capacity has changed
    #[arg(long, value_name = "MINUTES", default_value_t = Policy::default().reaction_minutes as u64,
          value_parser = clap::value_parser!(u64).range(0..=60))]
    reaction: u64,
    /// Prints JSON, with amounts as texts
    #[arg(long)]
    json: bool,
}

fn parse_percent(raw: &str) -> Result<Decimal, String> {
    let percent: Decimal = raw.parse().map_err(|_| "must be a number of percent, such as 12.5".to_owned())?;
    let is_part = percent >= Decimal::ZERO && percent <= Decimal::whole(100);
    is_part.then(|| percent.times(Decimal::percent(1))).ok_or_else(|| "must be from 0 to 100".to_owned())
}

pub fn run(args: &AdviseArgs) -> Outcome {
    print(&report(args)?)
}

/// Reads the file, and returns what is printed.
fn report(args: &AdviseArgs) -> Result<String, Box<dyn Error>> {
    let demand = match (&args.metrics, &args.sample) {
        (Some(path), _) => Demand::parse(&read(path)?, args.period).map_err(|e| format!("{}: {e}", path.display()))?,
        (None, Some(name)) => {
            let (_, text) = SAMPLES.iter().find(|(sample, _)| sample == name).ok_or("there is no such sample")?;
            Demand::parse(text, None)?
        }
        (None, None) => return Err("set --metrics or --sample".into()),
    };
    let templates = Policy::default();
    let policy = Policy {
        target: args.target.map_or(templates.target, Decimal::percent),
        minimum: args.minimum.map_or(templates.minimum, Decimal::whole),
        maximum: args.maximum.map_or(templates.maximum, Decimal::whole),
        reaction_minutes: usize::try_from(args.reaction)?,
    };
    if policy.minimum > policy.maximum {
        return Err(format!("--minimum {} is more than --maximum {}", policy.minimum, policy.maximum).into());
    }
    let hottest_key = (args.hottest_reads.is_some() || args.hottest_writes.is_some()).then(|| HottestKey {
        reads: args.hottest_reads.unwrap_or_default(),
        writes: args.hottest_writes.unwrap_or_default(),
    });
    let advice = Advice::of(&demand, &policy, hottest_key, &PriceList::built_in());
    match args.json {
        true => Ok(serde_json::to_string_pretty(&advice)? + "\n"),
        false => Ok(advise::text(&advice)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: AdviseArgs,
    }

    fn advise(arguments: &[&str]) -> Result<String, String> {
        let alone = Alone::try_parse_from(["advise"].iter().chain(arguments)).map_err(|e| e.to_string())?;
        report(&alone.args).map_err(|e| e.to_string())
    }

    #[test]
    fn a_sample_and_a_file_are_advised_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("consumed.json");
        fs::write(&file, SAMPLES[0].1).unwrap();

        let of_sample = advise(&["--sample", "steady-catalogue"]).unwrap();
        let of_file = advise(&["--metrics", file.to_str().unwrap()]).unwrap();
        let json = advise(&["--sample", "steady-catalogue", "--json"]).unwrap();

        assert_eq!(of_sample, of_file);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["advised"], "scaled");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file_or_the_option() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("consumed.csv");
        fs::write(&file, "Label,ConsumedReadCapacityUnits\n2026/11/02 00:00:00,x\n").unwrap();
        let name = file.to_str().unwrap();

        let reason = format!("{name}: line 2, column 2: \"x\" is not a number of units");
        assert_eq!(advise(&["--metrics", name]), Err(reason));
        assert!(advise(&[]).unwrap_err().contains("--metrics <FILE>"));
        assert!(advise(&["--sample", "flash-sale", "--hottest-reads", "101"]).unwrap_err().contains("from 0 to 100"));
        assert_eq!(
            advise(&["--sample", "flash-sale", "--minimum", "9", "--maximum", "8"]),
            Err("--minimum 9 is more than --maximum 8".to_owned())
        );
    }
}
