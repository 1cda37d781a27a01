use std::{path::PathBuf, process::ExitCode, time::Duration};

use ::search::{Language, Query, QueryText};
use clap::{Args, Subcommand};
use generations::Generations;
use ops::search::{self, Progress};

use super::{NOT_WELL, Outcome, bar, print, read, shop::ShopArgs};

const STEPS: &str = "{elapsed} {msg} [{wide_bar}] {pos}/{len}, {eta} left";

/// Between two looks at a rebuild.
const POLL: Duration = Duration::from_secs(1);

pub const HELP: &str = "\
The function `indexer` keeps the index up to date, once a minute. These commands show its state, ask for a
rebuild, and change its rules.

Rules are changed by `rules > FILE`, an editor, and `put-rules FILE --replaces VERSION`.

Exit status: 0 done, and everything is right; 2 `verify` found differences; 1 it stopped, run it again.

Examples, on the local stack:
  cargo run -p ops -- search status --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090
  cargo run -p ops -- search rebuild --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090
  cargo run -p ops -- search try 'blue mug' --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090";

#[derive(Debug, Args)]
pub struct SearchArgs {
    #[command(subcommand)]
    command: SearchCommand,
}

#[derive(Debug, Subcommand)]
enum SearchCommand {
    /// Shows which generation answers, and what waits to be indexed
    Status {
        #[command(flatten)]
        shop: ShopArgs,
        /// Prints one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Makes the index again from the whole catalogue, while the one before answers
    ///
    /// The indexer does the work; this shows how far it is, and may be interrupted and run again. At the end it deletes what
    /// interrupted runs of the indexer left in S3.
    Rebuild {
        #[command(flatten)]
        shop: ShopArgs,
        /// Begins again if a rebuild is in progress
        #[arg(long)]
        restart: bool,
    },
    /// Compares the number of products, and a sample of them, with the table
    Verify {
        #[command(flatten)]
        shop: ShopArgs,
        /// Products to compare
        #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
        sample: usize,
        /// Prints one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Prints the rules that apply: synonyms, words that say nothing, products that come first or last for a query
    ///
    /// Their version is printed on standard error. Without rules of its own a shop has the starter rules, version 0.
    Rules {
        #[command(flatten)]
        shop: ShopArgs,
        /// The language of the index
        #[arg(long, env = "SEARCH_LANGUAGE", default_value = "en", value_parser = language)]
        language: Language,
    },
    /// Replaces the rules by those of a file
    ///
    /// The format is described in docs/search.md. Searches use them within seconds.
    PutRules {
        /// The file, as JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        shop: ShopArgs,
        /// The version that `rules` printed
        #[arg(long, value_name = "VERSION")]
        replaces: u64,
        /// The language of the index
        #[arg(long, env = "SEARCH_LANGUAGE", default_value = "en", value_parser = language)]
        language: Language,
    },
    /// Shows what a query finds, and explains the score of each hit
    Try {
        /// What is searched for
        #[arg(value_name = "QUERY")]
        query: String,
        #[command(flatten)]
        shop: ShopArgs,
        /// Hits to show
        #[arg(long, value_name = "NUMBER", default_value_t = 10)]
        limit: usize,
    },
}

fn language(text: &str) -> Result<Language, String> {
    Language::parse(text).ok_or_else(|| "neither en nor de".to_owned())
}

pub async fn run(args: &SearchArgs) -> Outcome {
    match &args.command {
        SearchCommand::Status { shop, json } => {
            let (table, _) = shop.connect().await?;
            let status = search::status(&table).await?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&status)?)
            } else {
                println!("{status}")
            }
            Ok(ExitCode::SUCCESS)
        }
        SearchCommand::Rebuild { shop, restart } => {
            let (table, descriptions) = shop.connect().await?;
            let generations = Generations::new(descriptions.bucket().clone());
            let bar = bar(0, STEPS);
            let show = |Progress { products, of }: Progress| {
                bar.set_length(of);
                bar.set_position(products);
                bar.set_message("products");
            };
            let rebuilt = search::rebuild(&table, &generations, "ops", *restart, POLL, show).await;
            bar.finish_and_clear();
            let manifest = rebuilt?;
            println!("generation {} has {} products", manifest.generation, manifest.documents);
            Ok(ExitCode::SUCCESS)
        }
        SearchCommand::Verify { shop, sample, json } => {
            let (table, descriptions) = shop.connect().await?;
            let generations = Generations::new(descriptions.bucket().clone());
            let verified = search::verify(&table, &generations, *sample).await?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&verified)?)
            } else {
                println!("{verified}")
            }
            Ok(if verified.is_right() { ExitCode::SUCCESS } else { ExitCode::from(NOT_WELL) })
        }
        SearchCommand::Rules { shop, language } => {
            let (table, descriptions) = shop.connect().await?;
            let generations = Generations::new(descriptions.bucket().clone());
            let (version, text) = search::rules(&table, &generations, *language).await?;
            eprintln!("version {version}");
            print(&text)
        }
        SearchCommand::PutRules { file, shop, replaces, language } => {
            let text = read(file)?;
            let (table, descriptions) = shop.connect().await?;
            let generations = Generations::new(descriptions.bucket().clone());
            let version = search::put_rules(&table, &generations, *language, text, *replaces).await?;
            println!("the rules are of version {version} now");
            Ok(ExitCode::SUCCESS)
        }
        SearchCommand::Try { query, shop, limit } => {
            let (table, descriptions) = shop.connect().await?;
            let generations = Generations::new(descriptions.bucket().clone());
            let text = QueryText::parse(query);
            let query = Query { text, limit: *limit, correct: true, ..Query::default() };
            let tried = search::explain(&table, &generations, &query).await?;
            if let Some(corrected) = &tried.found.corrected {
                println!("searched for: {corrected}");
            }
            println!("{} products", tried.found.total);
            for (hit, (_, explanation)) in tried.found.hits.iter().zip(&tried.explained) {
                println!("\n{} {} ({})", hit.id, hit.name, hit.price);
                if let Some(explanation) = explanation {
                    println!("{explanation}");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
