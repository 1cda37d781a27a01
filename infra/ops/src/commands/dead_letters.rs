use std::{error::Error, process::ExitCode};

use clap::{Args, Subcommand};
use ops::dead_letters::{self, Functions, Listed, Replayed};
use stream::DeadLetters;
use table::TableNames;

use super::{NOT_WELL, Outcome, bar, shop::EndpointArgs};

/// Defaults for the local stack. On AWS, where bucket names are global, the bucket has no default, and functions are
/// called through Lambda.
const LOCAL_BUCKET: &str = "onetill-dead-letters";
const LOCAL_FUNCTIONS: &str = "http://127.0.0.1:9000";

pub const HELP: &str = "\
A dead letter is one object of a bucket: records of the table's stream that a function could not handle, with their
payload and the reason. The event source mapping writes one when it gives a batch up, a function one for a record that
it can never handle.

  list            one line each: key, function, condition, number of records, when, error; separated by tabs.
                  Conditions are Unprocessable (by the function), RetryAttemptsExhausted and RecordAgeExceeded (by the
                  mapping). Objects that are not dead letters are listed as such.
  show KEY        prints the dead letter, its records as JSON.
  replay KEY...   calls the function with the records again; use it once the cause is corrected. The oldest first, one
                  after another. If the function handles all records, the dead letter is deleted, or with --keep kept;
                  otherwise it stays.

A function that gives a record up again writes another dead letter. On the same day it has the same key, so the dead
letter stays and replay reports it; on another day, or if the mapping wrote the first one, it has a new key, which
`list` shows. Replaying twice, one after the other, is safe; two replays at the same time may send a mail twice.

Exit status of replay: 0 all were handled; 2 some dead letters stayed; 1 it stopped.

Examples, on the local stack:
  export DYNAMODB_ENDPOINT=http://127.0.0.1:8000 S3_ENDPOINT=http://127.0.0.1:9090
  cargo run -p ops -- dead-letters list
  cargo run -p ops -- dead-letters show projections/2026-01-31/0123456789abcdef0123456789abcdef.json
  cargo run -p ops -- dead-letters replay --all --function projections
  cargo run -p ops -- dead-letters replay --all --lambda-endpoint http://127.0.0.1:9001   # cargo lambda watch -P 9001";

#[derive(Debug, Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

/// The bucket of the dead letters.
#[derive(Debug, Args)]
struct BucketArgs {
    /// The bucket of the dead letters; optional with --endpoint
    #[arg(long, value_name = "NAME", env = "DEAD_LETTERS_BUCKET", required_unless_present = "endpoint")]
    dead_letters_bucket: Option<String>,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists dead letters
    List {
        #[command(flatten)]
        bucket: BucketArgs,
        /// Only those of this function, such as projections
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
        /// Prints one JSON array instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Prints a dead letter with its records
    Show {
        #[command(flatten)]
        bucket: BucketArgs,
        /// The key, from `list`
        key: String,
    },
    /// Calls functions with the records of dead letters again
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
struct ReplayArgs {
    #[command(flatten)]
    bucket: BucketArgs,
    /// The keys, from `list`
    #[arg(value_name = "KEY", required_unless_present = "all", conflicts_with = "all")]
    keys: Vec<String>,
    /// All dead letters
    #[arg(long)]
    all: bool,
    /// With --all, only those of this function
    #[arg(long, value_name = "NAME", requires = "all")]
    function: Option<String>,
    /// Keeps dead letters whose records were handled
    #[arg(long)]
    keep: bool,
    /// Functions that are not on AWS: the local stack's, or those of `cargo lambda watch` [default with --endpoint:
    /// http://127.0.0.1:9000]
    #[arg(long, value_name = "URL", env = "LAMBDA_ENDPOINT")]
    lambda_endpoint: Option<String>,
}

impl BucketArgs {
    async fn connect(&self) -> DeadLetters {
        let bucket = self.dead_letters_bucket.as_deref().unwrap_or(LOCAL_BUCKET);
        let (_, descriptions) = self.endpoints.connect(TableNames::one(""), bucket).await;
        DeadLetters::new(descriptions.bucket().clone())
    }
}

pub async fn run(args: &DeadLettersArgs) -> Outcome {
    match &args.command {
        Command::List { bucket, function, json } => list(&bucket.connect().await, function.as_deref(), *json).await,
        Command::Show { bucket, key } => {
            let shown = dead_letters::show(&bucket.connect().await, key).await?;
            println!("{}", serde_json::to_string_pretty(&shown)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(args) => replay(args).await,
    }
}

async fn list(dead_letters: &DeadLetters, function: Option<&str>, json: bool) -> Outcome {
    let listed = dead_letters::list(dead_letters, function).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&listed)?);
    } else {
        listed.iter().for_each(|one| println!("{}", line(one)));
        eprintln!("{} objects", listed.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// One line, whatever is in the dead letter.
fn line(listed: &Listed) -> String {
    let fields = match listed {
        Listed::Foreign { key, why } => vec![key.clone(), format!("not a dead letter: {why}")],
        Listed::DeadLetter(dead_letter) => vec![
            dead_letter.key.clone(),
            dead_letter.function.clone(),
            dead_letter.condition.clone(),
            dead_letter.records.to_string(),
            dead_letter.when.clone(),
            dead_letter.error.clone().unwrap_or_default(),
        ],
    };
    fields.iter().map(|field| plain(field)).collect::<Vec<_>>().join("\t")
}

/// Without control characters, which would move the cursor or end the line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

async fn replay(args: &ReplayArgs) -> Outcome {
    let (dead_letters, local) = (args.bucket.connect().await, args.bucket.endpoints.are_local());
    let keys = if args.all { all(&dead_letters, args.function.as_deref()).await? } else { args.keys.clone() };
    let endpoint = args.lambda_endpoint.as_deref().or(local.then_some(LOCAL_FUNCTIONS));
    let functions = Functions::at(endpoint, local).await?;

    let bar = bar(keys.len() as u64, "{elapsed} [{wide_bar}] {pos}/{len} dead letters, {eta} left");
    let mut stayed = 0;
    for key in &keys {
        let outcome = match dead_letters::replay(&dead_letters, &functions, key, args.keep).await {
            Ok(Replayed::Deleted) => "handled, and deleted".to_owned(),
            Ok(Replayed::Kept) => "handled, and kept".to_owned(),
            Err(error) => {
                stayed += 1;
                format!("not handled: {}", plain(&table::error_chain(&error)))
            }
        };
        bar.suspend(|| println!("{key}: {outcome}"));
        bar.inc(1);
    }
    bar.finish_and_clear();

    println!("{} of {} dead letters were handled", keys.len() - stayed, keys.len());
    Ok(if stayed == 0 { ExitCode::SUCCESS } else { ExitCode::from(NOT_WELL) })
}

/// The oldest first, to handle the records of one item in their original order.
async fn all(dead_letters: &DeadLetters, function: Option<&str>) -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = Vec::new();
    for listed in dead_letters::list(dead_letters, function).await? {
        match listed {
            Listed::DeadLetter(dead_letter) => found.push((dead_letter.when, dead_letter.key)),
            foreign @ Listed::Foreign { .. } => eprintln!("skipped: {}", line(&foreign)),
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, key)| key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_listed_as_one_line_whatever_it_contains() {
        let foreign = Listed::Foreign { key: "a\nb".to_owned(), why: "it\x1b[2J".to_owned() };

        assert_eq!(line(&foreign), "a b\tnot a dead letter: it [2J");
    }
}
