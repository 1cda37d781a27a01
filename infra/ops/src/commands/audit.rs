use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Args;
use domain::Timestamp;
use ops::audit;
use table::{TableNames, keys};

use super::{Outcome, shop::EndpointArgs};

/// The bucket of the local stack. On AWS, where bucket names are global, there is no default.
const LOCAL_BUCKET: &str = "onetill-audit";

pub const HELP: &str = "\
Prints who changed which product, stock, order or customer on one day, oldest first, one line of JSON each:
  at             when, in UTC
  who            a user's id, `provider`, `shop`, or the name of an operator's command
  item           the key of what was changed
  action         insert, modify or remove
  before, after  the changed attributes; confidential values are [redacted]

Example, on the local stack:
  cargo run -p ops -- audit --item PROD#mug-blue \\
      --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090";

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// yyyy-mm-dd, in UTC [default: today]
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    day: Option<String>,
    /// Only changes of items whose key contains this, such as PROD#mug-blue or ORDER#
    #[arg(long, value_name = "TEXT")]
    item: Option<String>,
    /// The bucket of the audit log; optional with --endpoint
    #[arg(long, value_name = "NAME", env = "AUDIT_BUCKET")]
    audit_bucket: Option<String>,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

fn parse_day(raw: &str) -> Result<String, String> {
    let real = raw.len() == 10 && raw.parse::<jiff::civil::Date>().is_ok();
    real.then(|| raw.to_owned()).ok_or_else(|| "must be yyyy-mm-dd".to_owned())
}

pub async fn run(args: &AuditArgs) -> Outcome {
    let local = args.endpoints.are_local().then_some(LOCAL_BUCKET);
    let bucket = args.audit_bucket.as_deref().or(local).ok_or("set --audit-bucket or --endpoint")?;
    let (_, descriptions) = args.endpoints.connect(TableNames::one(""), bucket).await;
    let day = args.day.clone().unwrap_or_else(|| keys::day(Timestamp::now()));

    let entries = audit::entries(descriptions.bucket(), &day, args.item.as_deref()).await?;

    let mut out = io::stdout().lock();
    let printed = entries.iter().try_for_each(|entry| writeln!(out, "{entry}"));
    match printed.and_then(|()| out.flush()) {
        // The reader has closed the pipe: `| head`.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
    eprintln!("{} changes on {day}", entries.len());
    Ok(ExitCode::SUCCESS)
}
