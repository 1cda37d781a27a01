use std::{fs::File, io, path::PathBuf, process::ExitCode};

use clap::Args;
use domain::{Currency, StockDelta, Timestamp};
use ops::import::{self, FIELDS, ImportOptions, RejectsFile};

use super::{NOT_WELL, Outcome, bar, shop::ShopArgs};

pub fn help() -> String {
    format!(
        "\
FILE is JSON Lines in UTF-8: each line is one JSON object, such as
  {{\"id\":\"mug-1\",\"name\":\"Mug\",\"price\":\"9.99\",\"currency\":\"USD\",\"category\":[\"Kitchen\",\"Mugs\"],\"stock\":10}}

{FIELDS}
Texts are stored in NFC. Control characters and invisible ones (zero width, byte order mark, text direction) are
refused. Other fields are ignored. Lines of more than 1 MiB and lines with a repeated field are rejected.

An existing product gets the values of the fields in its line. A field that is not in the line stays unchanged; null or
blank text clears a field. With --replace, fields that are not in the line are cleared too. Stock is never changed.

A line that is the same as in the last import changes nothing, so that importing a file again does not overwrite later
changes by staff. --force applies such lines too. A product that staff deleted is created again.

Exit status: 0 all lines were imported; 1 the import stopped, run it again, or the file is not JSON Lines; 2 some lines
were rejected, the others imported.

Example, into the local stack:
  cargo run -p ops -- import catalogue.jsonl.gz --stock 100 \\
      --endpoint http://127.0.0.1:8000 --s3-endpoint http://127.0.0.1:9090"
    )
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// JSON Lines, plain or gzip (recognised by content, not by name)
    file: PathBuf,
    #[command(flatten)]
    shop: ShopArgs,
    /// Initial stock of a new product whose line has no stock
    #[arg(long, value_name = "UNITS", default_value_t = 0, value_parser = parse_stock)]
    stock: i64,
    /// Clears the fields of an existing product that are not in its line
    #[arg(long)]
    replace: bool,
    /// Also applies lines that are unchanged since the last import, overwriting later changes by staff
    #[arg(long)]
    force: bool,
    /// ISO 4217 code of the shop's currency: lines in another currency are rejected. Without it, lines in any currency
    /// are imported, but products in another currency cannot be bought
    #[arg(long, value_name = "CODE", env = "SHOP_CURRENCY", value_parser = parse_currency)]
    currency: Option<Currency>,
    /// File for the rejected lines, as JSON Lines [default: FILE without .gz, plus .rejects.jsonl]
    #[arg(long, value_name = "PATH")]
    rejects: Option<PathBuf>,
}

fn parse_currency(raw: &str) -> Result<Currency, String> {
    domain::parse_currency(raw).map_err(|e| e.reason)
}

fn parse_stock(raw: &str) -> Result<i64, String> {
    let units = raw.parse().map_err(|_| "must be a number of units".to_owned())?;
    StockDelta::initial(units).map_err(|e| e.reason)
}

pub async fn run(args: &ImportArgs) -> Outcome {
    let unreadable = |e: io::Error| format!("{} cannot be read: {e}", args.file.display());
    let file = File::open(&args.file).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let bar = bar(bytes, "{elapsed} [{wide_bar}] {percent}% {msg}, {eta} left");
    let input = import::open(bar.wrap_read(file)).map_err(unreadable)?;

    let rejects_path = args.rejects.clone().unwrap_or_else(|| import::default_rejects_path(&args.file));
    if rejects_path.canonicalize().ok() == Some(args.file.canonicalize().map_err(unreadable)?) {
        return Err("--rejects names the file to import, which would be overwritten".into());
    }
    let mut rejects = RejectsFile::new(rejects_path.clone())
        .map_err(|e| format!("{} cannot be written: {e}; see --rejects", rejects_path.display()))?;

    let (table, descriptions) = args.shop.connect().await?;
    let options = ImportOptions {
        replace: args.replace,
        force: args.force,
        default_stock: args.stock,
        currency: args.currency,
        ..ImportOptions::new("import", Timestamp::now())
    };
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
            eprintln!("{} lines were rejected; {} lists them with the reasons", report.rejected, path.display());
            Ok(ExitCode::from(NOT_WELL))
        }
    }
}
