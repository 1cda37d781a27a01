use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use ops::costs::{self, Known, Month, PriceList, Profile, Report, SAMPLES};

use super::{Outcome, print, read};

pub const HELP: &str = "\
Calculates a shop's month from its traffic, with the prices and the measured costs of docs/costs.md. It needs no account
and no table.

--profile names a TOML file. Only `name` and [requests], requests a month by route, are required; the files in
infra/ops/samples/costs, which --sample shows, explain every field:
  [requests]     requests a month, by route: \"GET /products\" = 40_000
  [orders]       lines of an average order; the parts of the checkouts that are paid and left unpaid; e-mails an order
  [from_memory]  the part of a route's requests that need no read of the table, by route
  [stored]       GB in the table, its indexes, S3 and the logs
  [more]         traces, custom metrics, requests to the key, reads of secrets, GB to the internet, products moved
  [load]         the busiest hour and the busiest minute of an hour, as multiples of the average
  [scan_design]  products, and bytes of each, for the comparison with a design that uses Scans

It prints the bill by service and by route: on demand; provisioned, with Auto Scaling at 70 %; and provisioned for the
busiest minute. Then where both modes cost the same, and what the same traffic costs if each list of products is a Scan.

--actual names a CSV that was exported from AWS Cost Explorer: one month or several, by month or by day, grouped by usage
type, API operation or service, filtered to the shop by a tag or an account. What the estimate does not know is listed.

Examples:
  cargo run -p ops -- costs --sample busy
  cargo run -p ops -- costs --sample small --json
  cargo run -p ops -- costs --sample busy --actual infra/ops/samples/costs/busy-2026-10.csv
  cargo run -p ops -- costs --profile infra/ops/samples/costs/flash-sales.toml --picture costs.svg";

#[derive(Debug, Args)]
pub struct CostsArgs {
    /// The shop's month, as TOML
    #[arg(long, value_name = "FILE", required_unless_present = "sample", conflicts_with = "sample")]
    profile: Option<PathBuf>,
    /// A built-in profile instead
    #[arg(long, value_name = "NAME", value_parser = SAMPLES.map(|(name, _)| name))]
    sample: Option<String>,
    /// Prints JSON, with amounts as texts
    #[arg(long)]
    json: bool,
    /// Also writes a picture, as .svg or as .html
    #[arg(long, value_name = "FILE", value_parser = parse_picture)]
    picture: Option<PathBuf>,
    /// A month's bill, as CSV of Cost Explorer
    #[arg(long, value_name = "FILE")]
    actual: Option<PathBuf>,
    /// The month of that file [default: its last one]
    #[arg(long, value_name = "yyyy-mm", requires = "actual")]
    month: Option<String>,
}

fn parse_picture(raw: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(raw);
    let is = |end: &str| path.extension().is_some_and(|extension| extension == end);
    if is("svg") || is("html") { Ok(path) } else { Err("must end with .svg or .html".to_owned()) }
}

pub fn run(args: &CostsArgs) -> Outcome {
    print(&report(args)?)
}

/// Reads the files, writes the picture, and returns what is printed.
fn report(args: &CostsArgs) -> Result<String, Box<dyn Error>> {
    let (known, prices) = (Known::built_in(), PriceList::built_in());
    let in_file = |path: &Path, error: &dyn Error| format!("{}: {error}", path.display());
    let profile = match (&args.profile, &args.sample) {
        (Some(path), _) => Profile::parse(&read(path)?, &known).map_err(|error| in_file(path, &error))?,
        (None, Some(name)) => Profile::sample(name, &known).ok_or("there is no such sample")?,
        (None, None) => return Err("set --profile or --sample".into()),
    };
    let actual = match &args.actual {
        None => None,
        Some(path) => Some(Month::parse(&read(path)?, args.month.as_deref()).map_err(|error| in_file(path, &error))?),
    };
    let report = Report::of(&profile, &known, &prices, actual.as_ref());
    let text = costs::text(&report, &prices);
    if let Some(path) = &args.picture {
        let is_page = path.extension().is_some_and(|extension| extension == "html");
        let picture = if is_page { costs::html(&report, &text) } else { costs::svg(&report) };
        fs::write(path, picture).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    }
    match args.json {
        true => Ok(serde_json::to_string_pretty(&report)? + "\n"),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(profile: &Path) -> CostsArgs {
        CostsArgs {
            profile: Some(profile.to_owned()),
            sample: None,
            json: false,
            picture: None,
            actual: None,
            month: None,
        }
    }

    #[test]
    fn a_mistake_in_a_file_is_named_with_file_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let (profile, export) = (folder.path().join("a.toml"), folder.path().join("b.csv"));
        fs::write(&profile, "name = \"a\"\n[requests]\n").unwrap();
        fs::write(&export, "Service,S3($)\n2026-10-01,?\n").unwrap();

        let error = report(&CostsArgs { actual: Some(export.clone()), ..args(&profile) }).unwrap_err().to_string();
        fs::write(&profile, "name = \"a\"\n[requests]\n\"GET /nothing\" = 1\n").unwrap();
        let other = report(&args(&profile)).unwrap_err().to_string();

        assert_eq!(error, format!("{}: line 2, column 2: \"?\" is not an amount such as 12.5", export.display()));
        assert!(other.starts_with(&format!("{}: line 3: there is no route", profile.display())), "{other}");
    }

    #[test]
    fn a_picture_is_written_beside_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let (svg, html) = (folder.path().join("a.svg"), folder.path().join("a.html"));
        let sample = |picture: &PathBuf| CostsArgs {
            profile: None,
            sample: Some("small".to_owned()),
            picture: Some(picture.clone()),
            ..args(Path::new(""))
        };

        let text = report(&sample(&svg)).unwrap();
        let json = report(&CostsArgs { json: true, ..sample(&html) }).unwrap();

        assert!(text.starts_with("small: ") && fs::read_to_string(svg).unwrap().starts_with("<svg "));
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        assert!(fs::read_to_string(html).unwrap().starts_with("<!doctype html>"));
        assert!(parse_picture("costs.png").is_err());
    }
}
