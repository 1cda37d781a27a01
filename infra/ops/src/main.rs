use std::{error::Error, fs::File, io, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use domain::{StockDelta, Timestamp};
use indicatif::{ProgressBar, ProgressStyle};
use ops::import::{self, ImportOptions, RejectsFile};
use table::{Endpoints, TableConfig, Timeouts};

/// Operates a OneTill shop.
#[derive(Debug, Parser)]
#[command(name = "ops")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Loads products from a file into the table
    ///
    /// Loading a file again changes nothing but what differs, and completes a load that was interrupted. Stock that is
    /// there is never touched.
    #[command(after_long_help = IMPORT_HELP)]
    Import(ImportArgs),
}

const IMPORT_HELP: &str = "\
Each line of FILE is one JSON object:
  id            1 to 64 characters of A-Z a-z 0-9 . _ -
  name          1 to 200 bytes
  price         decimal string in the currency's own decimals, such as \"12.99\"
  currency      ISO 4217 code, such as \"USD\"
  description   HTML, up to 1 MiB; what could run as script is taken out   (optional)
  category      array, outermost first, up to 4 levels                     (optional)
  thumbnail     https: URL, or a path relative to the storefront           (optional)
  manufacturer  1 to 100 bytes                                             (optional)
  attrs         object of strings, numbers and booleans, 32 and 1.5 KiB;
                where they are more, values are cut to 200 bytes           (optional)
  source, license   kept as attributes                                     (optional)
  featuredRank  place among the featured products, lowest first            (optional)
  stock         units the product starts with, instead of --stock          (optional)
Other fields are ignored. Lines of more than 1 MiB are rejected.

Exit status: 0 all lines went in; 1 the import stopped, run it again; 2 some lines were rejected, the rest went in.

Example, into the local stack:
  cargo run -p ops -- import catalogue.jsonl.gz --stock 100 \\
      --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090";

/// The bucket of the local stack. On AWS, where bucket names are shared by everybody, there is no default.
const LOCAL_BUCKET: &str = "onetill-descriptions";

#[derive(Debug, Args)]
struct ImportArgs {
    /// JSON Lines, plain or gzip (told by content, not by name)
    file: PathBuf,
    /// The table to load into
    #[arg(long, value_name = "NAME", env = "TABLE_NAME", default_value = "EcommerceApp")]
    table: String,
    /// The bucket for descriptions of more than 1,024 bytes; with --endpoint it may be left out
    #[arg(long, value_name = "NAME", env = "BUCKET_NAME", required_unless_present = "endpoint")]
    bucket: Option<String>,
    /// A local DynamoDB engine instead of AWS
    #[arg(long, value_name = "URL", env = "DYNAMODB_ENDPOINT", requires = "s3_endpoint")]
    endpoint: Option<String>,
    /// A local S3 instead of AWS
    #[arg(long, value_name = "URL", env = "S3_ENDPOINT", requires = "endpoint")]
    s3_endpoint: Option<String>,
    /// Units in stock that a new product starts with, where its line does not say
    #[arg(long, value_name = "UNITS", default_value_t = 0, value_parser = parse_stock)]
    stock: i64,
    /// Where to report the lines that did not go in, as JSON Lines [default: FILE without .gz, plus .rejects.jsonl]
    #[arg(long, value_name = "PATH")]
    rejects: Option<PathBuf>,
}

fn parse_stock(raw: &str) -> Result<i64, String> {
    let units = raw.parse().map_err(|_| "must be a number of units".to_owned())?;
    StockDelta::initial(units).map_err(|e| e.reason)
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Not `Cli::parse`: it exits with 2, which means rejected lines here.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match &cli.command {
        Command::Import(args) => import_file(args).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", with_sources(error.as_ref()));
        ExitCode::FAILURE
    })
}

async fn import_file(args: &ImportArgs) -> Result<ExitCode, Box<dyn Error>> {
    let unreadable = |e: io::Error| format!("{} cannot be read: {e}", args.file.display());
    let file = File::open(&args.file).map_err(unreadable)?;
    let bar = progress_bar(file.metadata().map_err(unreadable)?.len());
    let input = import::open(bar.wrap_read(file)).map_err(unreadable)?;

    let rejects_path = args.rejects.clone().unwrap_or_else(|| import::default_rejects_path(&args.file));
    if rejects_path.canonicalize().ok() == Some(args.file.canonicalize().map_err(unreadable)?) {
        return Err("--rejects is the file to import; it would be overwritten".into());
    }
    let mut rejects = RejectsFile::new(rejects_path.clone())
        .map_err(|e| format!("{} cannot be written: {e}; see --rejects", rejects_path.display()))?;

    let (table, descriptions) = config(args).connect().await;
    let options = ImportOptions { default_stock: args.stock, actor: "import".to_owned(), now: Timestamp::now() };
    let show = |progress: import::Progress| {
        let per_second = progress.products as f64 / bar.elapsed().as_secs_f64().max(0.001);
        bar.set_message(format!("{} products, {per_second:.0} products/s", progress.products));
    };
    let outcome = import::import(&table, &descriptions, input, &options, |r| rejects.add(&r), show).await;
    bar.finish_and_clear();
    let report = outcome?;
    let rejects_path = rejects.finish()?;

    println!("{report}");
    match rejects_path {
        None => Ok(ExitCode::SUCCESS),
        Some(path) => {
            eprintln!("{} lines did not go in; {} says which, and why", report.rejected, path.display());
            Ok(ExitCode::from(2))
        }
    }
}

fn config(args: &ImportArgs) -> TableConfig {
    let endpoints = args.endpoint.clone().zip(args.s3_endpoint.clone());
    TableConfig {
        table: args.table.clone(),
        bucket: args.bucket.clone().unwrap_or_else(|| LOCAL_BUCKET.to_owned()),
        endpoints: endpoints.map(|(dynamodb, s3)| Endpoints { dynamodb, s3 }),
        // Patient on AWS too: an operator's machine may be far from the table, and nobody waits for an answer.
        timeouts: Timeouts::LOCAL,
        http: table::http_client(),
    }
}

/// Over the bytes of the file as it is, compressed or not. indicatif hides it where stderr is no terminal.
fn progress_bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed} [{wide_bar}] {percent}% {msg}, {eta} left")
        .expect("the template is a constant");
    ProgressBar::new(bytes).with_style(style)
}

/// The error and what caused it, outermost first: no `Display` here prints its own source.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&e| e.source());
    errors.map(|e| e.to_string()).collect::<Vec<_>>().join(": ")
}
