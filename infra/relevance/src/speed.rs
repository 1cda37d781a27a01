//! Time, memory and size with many products.

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use search::{Change, Document, Files, Filters, Language, Query, QueryText, Reader, Rules, Sort, SuggestQuery, Writer};

use crate::{Outcome, catalogue, judgements::Judgements, random::Random, typos};

#[path = "../../../shared/search/tests/hostile/queries.rs"]
mod hostile_queries;

const SIZES: [usize; 2] = [50_000, 300_000];
const QUERIES: usize = 4_000;
const SEED: u64 = 7;
/// Products that change at once.
const CHANGED: usize = 100;

/// Prints it for each size.
pub fn measure(documents: &[Document], judgements: &Judgements, data: &Path) -> Outcome<()> {
    for size in SIZES {
        println!("\n{size} products, grown from {} with seed {SEED}", documents.len());
        let files = rebuilt(documents, size)?;
        let files = changed(documents, size, files)?;
        opened_from_folder(&files, data)?;
        let started = Instant::now();
        let reader = Reader::in_memory(files)?;
        println!(
            "  open in memory        {:>9.1} ms, {} products",
            milliseconds(started.elapsed()),
            reader.documents()
        );
        searched(&reader, documents, judgements)?;
        suggested(&reader, documents)?;
        hostile(&reader)?;
    }
    Ok(())
}

fn rebuilt(documents: &[Document], size: usize) -> Outcome<Files> {
    let started = Instant::now();
    let mut writer = Writer::create(Language::English);
    writer.apply(catalogue::grown(documents, size, SEED).map(|document| Change::Put(Box::new(document))))?;
    let files = writer.commit()?;
    println!("  rebuild               {:>9.1} s", started.elapsed().as_secs_f64());
    Ok(files)
}

/// A commit of a few changes, and one that comes after many of them.
fn changed(documents: &[Document], size: usize, mut files: Files) -> Outcome<Files> {
    const COMMITS: usize = 20;
    let mut random = Random::new(SEED);
    let all: Vec<Document> = catalogue::grown(documents, size, SEED).collect();
    let (mut times, mut uploaded) = (Vec::new(), Vec::new());
    for commit in 0..COMMITS {
        let changes: Vec<Change> = (0..CHANGED)
            .map(|_| {
                let mut document = random.of(&all).clone();
                document.version += 1 + commit as u64;
                document.sold_out = !document.sold_out;
                Change::Put(Box::new(document))
            })
            .collect();
        let started = Instant::now();
        let mut writer = Writer::open(files.clone())?;
        writer.apply(changes)?;
        let next = writer.commit()?;
        times.push(started.elapsed());
        let new = next.iter().filter(|(name, _)| !files.contains_key(*name) || name.as_str() == "meta.json");
        uploaded.push(new.map(|(_, content)| content.len()).sum::<usize>());
        files = next;
    }
    let bytes: usize = files.values().map(|file| file.len()).sum();
    times.sort();
    uploaded.sort_unstable();
    println!(
        "  commit of {CHANGED} changes  {:>7.1} ms median, {:.1} ms most; {COMMITS} commits",
        milliseconds(times[COMMITS / 2]),
        milliseconds(times[COMMITS - 1])
    );
    println!(
        "  new files of a commit {:>9.2} MB median, {:.2} MB most",
        uploaded[COMMITS / 2] as f64 / 1e6,
        uploaded[COMMITS - 1] as f64 / 1e6
    );
    println!("  size of the index     {:>9.1} MB, {} files", bytes as f64 / 1e6, files.len());
    Ok(files)
}

fn opened_from_folder(files: &Files, data: &Path) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    for (name, content) in files {
        fs::write(folder.path().join(name), content)?;
    }
    // The first opening waits for the disk that was just written to.
    const OPENINGS: usize = 5;
    let mut times = Vec::with_capacity(OPENINGS);
    for _ in 0..OPENINGS {
        let started = Instant::now();
        Reader::in_folder(folder.path())?;
        times.push(milliseconds(started.elapsed()));
    }
    times.sort_by(f64::total_cmp);
    println!(
        "  open from a folder    {:>9.1} ms median of {OPENINGS}, {:.1} ms most",
        times[OPENINGS / 2],
        times[OPENINGS - 1]
    );
    for (name, mapped) in [("files in memory", false), ("files mapped", true)] {
        let mut command = Command::new(env::current_exe()?);
        command.arg("--data").arg(data).arg("--memory-of").arg(folder.path());
        let output = command.args(mapped.then_some("--mapped")).output()?;
        println!("  memory, {name:<15} {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    Ok(())
}

/// Prints the memory of a process that only opens an index and searches it.
pub fn print_memory(folder: &Path, mapped: bool, judgements: &Judgements) -> Outcome<()> {
    let before = resident_megabytes();
    let reader = if mapped { Reader::in_folder(folder)? } else { Reader::in_memory(read(folder)?)? };
    let opened = resident_megabytes();
    for (text, _) in judgements.iter() {
        let query = Query { text: QueryText::parse(text), limit: 24, correct: true, ..Query::default() };
        reader.search_now(&query, &Rules::starter(Language::English))?;
    }
    let (Some(before), Some(opened), Some(searched)) = (before, opened, resident_megabytes()) else {
        println!("is not known on this system");
        return Ok(());
    };
    println!("{:>7.1} MB opened, {:.1} MB after {} queries", opened - before, searched - before, judgements.len());
    Ok(())
}

fn read(folder: &Path) -> Outcome<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?.into());
    }
    Ok(files)
}

fn searched(reader: &Reader, documents: &[Document], judgements: &Judgements) -> Outcome<()> {
    let rules = Rules::starter(Language::English);
    let mut random = Random::new(SEED);
    let judged: Vec<&str> = judgements.iter().map(|(query, _)| query).collect();
    let (mut all, mut unfiltered, mut filtered, mut misspelled, mut without_text) =
        (vec![], vec![], vec![], vec![], vec![]);
    for nth in 0..QUERIES {
        let text = if random.below(2) == 0 {
            (*random.of(&judged)).to_owned()
        } else {
            words_of(random.of(documents), &mut random)
        };
        let mut query = Query { text: QueryText::parse(&text), limit: 24, correct: true, ..Query::default() };
        let kind = match nth % 20 {
            0..10 => &mut unfiltered,
            10..15 => {
                let manufacturers = random.of(documents).manufacturer.clone().into_iter().collect();
                query.filters =
                    Filters { in_stock: true, manufacturers, max_price: Some(50_000), ..Filters::default() };
                query.sort = *random.of(&[Sort::Relevance, Sort::Price, Sort::Newest]);
                &mut filtered
            }
            15..19 => {
                query.text = QueryText::parse(&typos::misspelled(&text, SEED));
                &mut misspelled
            }
            _ => {
                query.text = None;
                query.filters.in_stock = random.below(2) == 0;
                &mut without_text
            }
        };
        let started = Instant::now();
        reader.search_now(&query, &rules)?;
        kind.push(started.elapsed());
        all.push(started.elapsed());
    }
    for (name, mut times) in [
        ("all", all),
        ("of a text", unfiltered),
        ("filtered", filtered),
        ("misspelled", misspelled),
        ("without text", without_text),
    ] {
        println!("  search, {name:<13} {}", percentiles(&mut times));
    }
    Ok(())
}

fn suggested(reader: &Reader, documents: &[Document]) -> Outcome<()> {
    let mut random = Random::new(SEED);
    let mut times = Vec::new();
    for _ in 0..QUERIES {
        let text = words_of(random.of(documents), &mut random);
        let typed: String = text.chars().take(1 + random.below(12) as usize).collect();
        let Some(text) = QueryText::parse(&typed) else { continue };
        let started = Instant::now();
        reader.suggest_now(&SuggestQuery { text, limit: 10 })?;
        times.push(started.elapsed());
    }
    println!("  suggest               {}", percentiles(&mut times));
    Ok(())
}

/// The queries that the crate's own test sends to an index of few products.
fn hostile(reader: &Reader) -> Outcome<()> {
    const COUNT: usize = 2_000;
    let rules = Rules::starter(Language::English);
    let mut times = Vec::with_capacity(COUNT);
    for text in hostile_queries::queries(COUNT, SEED) {
        let started = Instant::now();
        let query = Query { text: QueryText::parse(&text), limit: 24, correct: true, ..Query::default() };
        reader.search_now(&query, &rules)?;
        times.push(started.elapsed());
    }
    println!("  search, hostile       {}", percentiles(&mut times));
    Ok(())
}

/// One to three words of a product's name.
fn words_of(document: &Document, random: &mut Random) -> String {
    let words: Vec<&str> = document.name.split_whitespace().collect();
    let first = random.below(words.len().min(6) as u64) as usize;
    let count = 1 + random.below(3) as usize;
    words.iter().skip(first).take(count).copied().collect::<Vec<_>>().join(" ")
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).or(times.last()).copied().unwrap_or_default();
    format!(
        "{:>7.2} ms p50, {:.2} ms p95, {:.2} ms p99, {:.2} ms most; {} queries",
        milliseconds(at(50)),
        milliseconds(at(95)),
        milliseconds(at(99)),
        milliseconds(at(100)),
        times.len()
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Memory of this process, where the system says it (<https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html>).
fn resident_megabytes() -> Option<f64> {
    const PAGE_BYTES: f64 = 4096.0;
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES / 1e6)
}
