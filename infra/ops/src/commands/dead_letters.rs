use std::{error::Error, process::ExitCode};

use clap::{Args, Subcommand};
use ops::dead_letters::{self, Functions, Listed, Replayed};
use stream::DeadLetters;

use super::{NOT_WELL, Outcome, bar, shop::EndpointArgs};

/// Those of the local stack. On AWS, where bucket names are shared by everybody, there is no default for the bucket, and
/// functions are Lambda's own.
const LOCAL_BUCKET: &str = "onetill-dead-letters";
const LOCAL_FUNCTIONS: &str = "http://127.0.0.1:9000";

pub const HELP: &str = "\
A letter is one object of a bucket: records of the table's stream that a function could not handle, with their payload,
and why. The event source mapping writes one when it gives a batch up, a function one for a record it never can handle.

  list            one line each: key, function, condition, number of records, when, error; separated by tabs.
                  Conditions are Unprocessable (by the function), RetryAttemptsExhausted and RecordAgeExceeded (by the
                  mapping). Objects that are no letters are listed as such.
  show KEY        the letter, its records as JSON.
  replay KEY...   has the function handle the records again, once what was wrong is mended. The oldest first, one after
                  another. If it handles them all the letter is deleted, or with --keep kept; otherwise it stays.

A function that gives a record up once more writes a letter again and is done with it. On the same day that letter has
the same key, so it stays and is told; on another day, or where the mapping wrote the first, it has a key of its own and
`list` shows it. Replaying twice, one after the other, does no harm; two at once may send a mail twice.

Exit status of replay: 0 all were handled; 2 some letters stayed; 1 it stopped.

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

/// Where the letters are.
#[derive(Debug, Args)]
struct LettersArgs {
    /// The bucket of the letters; with --endpoint it may be left out
    #[arg(long, value_name = "NAME", env = "DEAD_LETTERS_BUCKET", required_unless_present = "endpoint")]
    dead_letters_bucket: Option<String>,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists letters
    List {
        #[command(flatten)]
        letters: LettersArgs,
        /// Those of one function only, such as projections
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
        /// Prints one JSON array instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Prints a letter with its records
    Show {
        #[command(flatten)]
        letters: LettersArgs,
        /// As list tells it
        key: String,
    },
    /// Has functions handle the records of letters again
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
struct ReplayArgs {
    #[command(flatten)]
    letters: LettersArgs,
    /// As list tells them
    #[arg(value_name = "KEY", required_unless_present = "all", conflicts_with = "all")]
    keys: Vec<String>,
    /// Every letter
    #[arg(long)]
    all: bool,
    /// With --all, those of one function only
    #[arg(long, value_name = "NAME", requires = "all")]
    function: Option<String>,
    /// Keeps letters whose records were handled
    #[arg(long)]
    keep: bool,
    /// Functions that are not on AWS: the local stack's, or those of `cargo lambda watch` [default with --endpoint:
    /// http://127.0.0.1:9000]
    #[arg(long, value_name = "URL", env = "LAMBDA_ENDPOINT")]
    lambda_endpoint: Option<String>,
}

impl LettersArgs {
    async fn connect(&self) -> DeadLetters {
        let bucket = self.dead_letters_bucket.as_deref().unwrap_or(LOCAL_BUCKET);
        let (_, descriptions) = self.endpoints.connect("", bucket).await;
        DeadLetters::new(descriptions.bucket().clone())
    }
}

pub async fn run(args: &DeadLettersArgs) -> Outcome {
    match &args.command {
        Command::List { letters, function, json } => list(&letters.connect().await, function.as_deref(), *json).await,
        Command::Show { letters, key } => {
            let shown = dead_letters::show(&letters.connect().await, key).await?;
            println!("{}", serde_json::to_string_pretty(&shown)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(args) => replay(args).await,
    }
}

async fn list(letters: &DeadLetters, function: Option<&str>, json: bool) -> Outcome {
    let listed = dead_letters::list(letters, function).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&listed)?);
    } else {
        listed.iter().for_each(|one| println!("{}", line(one)));
        eprintln!("{} objects", listed.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// One line, whatever is in the letter.
fn line(listed: &Listed) -> String {
    let fields = match listed {
        Listed::Foreign { key, why } => vec![key.clone(), format!("not a letter: {why}")],
        Listed::Letter(letter) => vec![
            letter.key.clone(),
            letter.function.clone(),
            letter.condition.clone(),
            letter.records.to_string(),
            letter.when.clone(),
            letter.error.clone().unwrap_or_default(),
        ],
    };
    fields.iter().map(|field| plain(field)).collect::<Vec<_>>().join("\t")
}

/// Without what would move the cursor or end the line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

async fn replay(args: &ReplayArgs) -> Outcome {
    let (letters, local) = (args.letters.connect().await, args.letters.endpoints.are_local());
    let keys = if args.all { all(&letters, args.function.as_deref()).await? } else { args.keys.clone() };
    let endpoint = args.lambda_endpoint.as_deref().or(local.then_some(LOCAL_FUNCTIONS));
    let functions = Functions::at(endpoint, local).await?;

    let bar = bar(keys.len() as u64, "{elapsed} [{wide_bar}] {pos}/{len} letters, {eta} left");
    let mut stayed = 0;
    for key in &keys {
        let told = match dead_letters::replay(&letters, &functions, key, args.keep).await {
            Ok(Replayed::Deleted) => "handled, and deleted".to_owned(),
            Ok(Replayed::Kept) => "handled, and kept".to_owned(),
            Err(error) => {
                stayed += 1;
                format!("not handled: {}", plain(&table::error_chain(&error)))
            }
        };
        bar.suspend(|| println!("{key}: {told}"));
        bar.inc(1);
    }
    bar.finish_and_clear();

    println!("{} of {} letters were handled", keys.len() - stayed, keys.len());
    Ok(if stayed == 0 { ExitCode::SUCCESS } else { ExitCode::from(NOT_WELL) })
}

/// The oldest first: records of one item are best handled in the order in which they came.
async fn all(letters: &DeadLetters, function: Option<&str>) -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = Vec::new();
    for listed in dead_letters::list(letters, function).await? {
        match listed {
            Listed::Letter(letter) => found.push((letter.when, letter.key)),
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
    fn a_letter_is_one_line_whatever_is_in_it() {
        let foreign = Listed::Foreign { key: "a\nb".to_owned(), why: "it\x1b[2J".to_owned() };

        assert_eq!(line(&foreign), "a b\tnot a letter: it [2J");
    }
}
