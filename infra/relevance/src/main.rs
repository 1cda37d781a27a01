//! `cargo xtask search`: measures how well the search ranks, and how fast it is, on real products.

mod baseline;
mod catalogue;
mod folds;
mod judgements;
mod random;
mod speed;
mod typos;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use search::{Change, Language, Query, QueryText, Reader, Rules, Writer};

use crate::{
    baseline::Baseline,
    judgements::{Judgements, ndcg},
};

/// Measures relevance, and with `--speed` also time and memory.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask search", bin_name = "cargo xtask search")]
struct Options {
    /// The folder with catalog-electronics.jsonl.gz and judgements-electronics.csv
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    /// Also measures time, memory and size with 50,000 and 300,000 products
    #[arg(long)]
    speed: bool,
    /// Also chooses the numbers of the ranking in folds of the queries, and compares them with those in use
    #[arg(long)]
    folds: bool,
    /// Also prints the first ten products of this query, each with its score explained; may be repeated
    #[arg(long)]
    explain: Vec<String>,
    /// How many of the worst queries are printed
    #[arg(long, default_value_t = 10)]
    worst: usize,
    /// Opens the index in this folder, searches it, and prints the memory of the process: what `--speed` does in a process of
    /// its own
    #[arg(long, hide = true)]
    memory_of: Option<PathBuf>,
    /// With it: maps the files instead of reading them
    #[arg(long, hide = true)]
    mapped: bool,
    /// Fails if the ranking reaches less than this nDCG@10
    #[arg(long)]
    at_least: Option<f64>,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Products of one page, which is what is judged.
const PAGE: usize = 10;
/// Seeds of the typos.
const SEEDS: [u64; 2] = [1, 2];

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    let catalogue = options.data.join("catalog-electronics.jsonl.gz");
    let judgements = options.data.join("judgements-electronics.csv");
    if !catalogue.exists() || !judgements.exists() {
        println!("skipped: {} or {} does not exist", catalogue.display(), judgements.display());
        return Ok(());
    }
    let judgements = Judgements::read(&judgements)?;
    if let Some(folder) = &options.memory_of {
        return speed::print_memory(folder, options.mapped, &judgements);
    }
    let documents = catalogue::read(&catalogue)?;
    let started = Instant::now();
    let mut writer = Writer::create(Language::English);
    writer.apply(documents.iter().map(|document| Change::Put(Box::new(document.clone()))))?;
    let files = writer.commit()?;
    let bytes: usize = files.values().map(|file| file.len()).sum();
    println!(
        "{} products indexed in {:.1} s, {:.1} MB",
        documents.len(),
        started.elapsed().as_secs_f64(),
        bytes as f64 / 1e6
    );
    let reader = Reader::in_memory(files)?;
    let rules = Rules::starter(Language::English);

    let reached = relevance(&reader, &rules, &judgements, &Baseline::new(&documents), options.worst);
    for text in &options.explain {
        explain(&reader, &rules, &judgements, text)?;
    }
    if options.folds {
        folds::compare(reader, &rules, &judgements)?;
    } else {
        drop(reader);
    }
    if options.speed {
        speed::measure(&documents, &judgements, &options.data)?;
    }
    match options.at_least {
        Some(least) if reached < least => Err(format!("nDCG@10 is {reached:.3}, less than {least}").into()),
        _ => Ok(()),
    }
}

/// Prints how well the judged queries are answered; returns the mean nDCG@10.
fn relevance(reader: &Reader, rules: &Rules, judgements: &Judgements, baseline: &Baseline, worst: usize) -> f64 {
    let judged = judgements.relevant();
    println!(
        "\nnDCG@10 of {} judged queries (gain 2^rating - 1, unjudged counts 0; {} more have no relevant product)",
        judged.len(),
        judgements.len() - judged.len()
    );
    let plain: Vec<f64> = judged.iter().map(|(query, ratings)| ndcg(&baseline.search(query, PAGE), ratings)).collect();
    let none = Rules::default();
    let without: Vec<f64> =
        judged.iter().map(|(query, ratings)| ndcg(&search(reader, &none, query, PAGE), ratings)).collect();
    let with: Vec<f64> =
        judged.iter().map(|(query, ratings)| ndcg(&search(reader, rules, query, PAGE), ratings)).collect();
    println!("  {:.3}  plain BM25", mean(&plain));
    println!("  {:.3}  this ranking, without rules", mean(&without));
    println!("  {:.3}  this ranking, with the starter rules", mean(&with));
    let only_judged = |(query, ratings): &(&str, &judgements::Ratings)| {
        let found = search(reader, rules, query, Query::MAX_LIMIT);
        ndcg(&found.into_iter().filter(|id| ratings.contains_key(id)).collect::<Vec<_>>(), ratings)
    };
    let of_judged: Vec<f64> = judged.iter().map(only_judged).collect();
    println!("  {:.3}  the same, leaving out products that were not judged", mean(&of_judged));
    let empty = judgements.iter().filter(|(query, _)| search(reader, rules, query, PAGE).is_empty()).count();
    println!("  {empty} of {} queries without result", judgements.len());

    let mut by_score: Vec<_> = judged.iter().zip(plain.iter().zip(&with)).collect();
    by_score.sort_by(|a, b| a.1.1.total_cmp(b.1.1));
    println!("\nThe {worst} worst queries, with plain BM25 beside them");
    for ((query, _), (plain, with)) in by_score.iter().take(worst) {
        println!("  {with:.3}  {plain:.3}  {query}");
    }

    println!("\nWith one typo in each query of {} letters or more", typos::MIN_LETTERS);
    for seed in SEEDS {
        let misspelled: Vec<_> =
            judgements.iter().map(|(query, ratings)| (typos::misspelled(query, seed), ratings)).collect();
        let relevant = misspelled.iter().filter(|(_, ratings)| ratings.values().any(|rating| *rating > 0));
        let with: Vec<f64> =
            relevant.map(|(query, ratings)| ndcg(&search(reader, rules, query, PAGE), ratings)).collect();
        let empty: Vec<_> = misspelled
            .iter()
            .filter(|(query, _)| search(reader, rules, query, PAGE).is_empty())
            .map(|(query, _)| query.as_str())
            .collect();
        println!("  {:.3}  seed {seed}; {} queries without result {}", mean(&with), empty.len(), empty.join(", "));
    }
    mean(&with)
}

/// The ids of the first page.
fn search(reader: &Reader, rules: &Rules, text: &str, limit: usize) -> Vec<String> {
    let query = Query { text: QueryText::parse(text), limit, correct: true, ..Query::default() };
    let found = reader.search_now(&query, rules).expect("an index in memory can be read");
    found.hits.into_iter().map(|hit| hit.id.to_string()).collect()
}

fn explain(reader: &Reader, rules: &Rules, judgements: &Judgements, text: &str) -> Outcome<()> {
    println!("\n{text}");
    let query = Query { text: QueryText::parse(text), limit: PAGE, correct: true, ..Query::default() };
    let found = reader.search_now(&query, rules)?;
    println!("  {} products", found.total);
    for hit in found.hits {
        let rating =
            judgements.rating(text, hit.id.as_str()).map_or_else(|| "-".to_owned(), |rating| rating.to_string());
        println!("  {rating} {} {}", hit.id, hit.name);
        if let Some(explanation) = reader.explain(&query, rules, &hit.id)? {
            explanation.to_string().lines().for_each(|line| println!("      {line}"));
        }
    }
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// How well a reader with these numbers answers these queries.
fn score(reader: &Reader, rules: &Rules, queries: &[(&str, &judgements::Ratings)]) -> Vec<f64> {
    queries.iter().map(|(query, ratings)| ndcg(&search(reader, rules, query, PAGE), ratings)).collect()
}
