//! `cargo xtask partitions`: what a rush does to the table, in a model of DynamoDB's partitions.

use std::{fs, path::Path, process::ExitCode, time::Instant};

use clap::Parser;
use e2e::partition::report::{self, PICTURE, Size};

/// Simulates a flash sale in several designs, reads of its configuration, and an ordinary day.
#[derive(Parser)]
#[command(name = "cargo xtask partitions")]
struct Arguments {
    /// Fixes arrivals, latencies and the placement of keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The part of the documented size, from 0 to 1.
    #[arg(long, default_value_t = 1.0)]
    size: f64,
    /// Runs only what has this in its name.
    #[arg(long, default_value = "")]
    only: String,
    /// Writes the section of docs/benchmarks.md and its picture, instead of printing it.
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let report = report::run(Size(arguments.size), arguments.seed, &arguments.only, |line| {
        eprintln!("{:>5} s  {line}", started.elapsed().as_secs());
    });
    let section = report.markdown();
    if !arguments.write {
        println!("{section}");
        return ExitCode::SUCCESS;
    }
    // The task runs it at the root of the workspace.
    let docs = Path::new("docs");
    let document = docs.join("benchmarks.md");
    let before = fs::read_to_string(&document).unwrap_or_else(|_| "# Benchmarks\n".to_owned());
    let picture = docs.join(PICTURE);
    let written = fs::create_dir_all(picture.parent().unwrap_or(docs))
        .and_then(|()| fs::write(&document, report::replaced(&before, &section)))
        .and_then(|()| fs::write(&picture, report.picture()));
    match written {
        Ok(()) if report.holds() => ExitCode::SUCCESS,
        Ok(()) => {
            eprintln!("error: a sale in lots is not what it has to be; see the section that was written");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {} cannot be written: {error}", document.display());
            ExitCode::FAILURE
        }
    }
}
