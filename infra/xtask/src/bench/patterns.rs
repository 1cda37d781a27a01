//! What every access pattern costs in shops of several sizes, and how long the bundled engine takes for it.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::Args;
use indicatif::HumanCount;
use serde::Deserialize;

use super::{
    measure,
    picture::{self, Dots},
    section,
};
use crate::Outcome;

#[derive(Debug, Args)]
pub struct Options {
    /// Products, and as many orders, of each shop
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_values_t = SIZES)]
    sizes: Vec<usize>,
    /// How often each call is made, with data of its own
    #[arg(long, default_value_t = ROUNDS)]
    rounds: u8,
}

const SIZES: [usize; 3] = [1_000, 30_000, 300_000];
const ROUNDS: u8 = 5;

impl Default for Options {
    fn default() -> Self {
        Self { sizes: SIZES.to_vec(), rounds: ROUNDS }
    }
}

/// A shop of some size.
#[derive(Debug, Deserialize)]
struct Sized {
    size: usize,
    items: usize,
    fill_s: f64,
    patterns: BTreeMap<String, Calls>,
}

/// The calls of a pattern, one in each round.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Calls {
    rru: Vec<f64>,
    wru: Vec<f64>,
    ms: Vec<f64>,
}

impl Calls {
    fn has_cost_of(&self, other: &Self) -> bool {
        self.rru == other.rru && self.wru == other.wru
    }

    fn median_ms(&self) -> f64 {
        let mut ms = self.ms.clone();
        ms.sort_by(f64::total_cmp);
        ms.get(ms.len() / 2).copied().unwrap_or_default()
    }

    /// Of the first round.
    fn cost(&self) -> String {
        let first = |units: &[f64]| units.first().copied().unwrap_or_default();
        match (first(&self.rru), first(&self.wru)) {
            (0.0, 0.0) => "–".to_owned(),
            (rru, 0.0) => format!("{rru} RRU"),
            (0.0, wru) => format!("{wru} WRU"),
            (rru, wru) => format!("{rru} RRU, {wru} WRU"),
        }
    }
}

/// Measures and writes.
///
/// # Errors
/// A pattern costs something else in a larger shop.
pub fn run(options: &Options) -> Outcome<()> {
    let sizes = options.sizes.iter().map(ToString::to_string);
    let arguments = ["patterns".to_owned(), "--rounds".to_owned(), options.rounds.to_string()].into_iter().chain(sizes);
    let all: Vec<Sized> = measure::run(&arguments.collect::<Vec<_>>())?;
    let differing = differing(&all);
    let summary = summary(&all, &differing);
    println!("{summary}");
    if options.sizes == SIZES {
        let rounds = options.rounds;
        let of = format!("Medians of {rounds} calls of each pattern with data of their own. {}.", section::machine());
        let picture = picture(&all)?;
        section::write("patterns", &format!("{of}\n\n{}\n\n{picture}\n\n{}", summary.trim_end(), details(&all)))?;
    }
    match differing.is_empty() {
        true => Ok(()),
        false => Err(format!("the cost of {} depends on the size of the shop", differing.join(", ")).into()),
    }
}

/// Patterns that cost something else in some shop than in the first one, or are missing there.
fn differing(all: &[Sized]) -> Vec<String> {
    let Some((first, others)) = all.split_first() else { return Vec::new() };
    let same = |pattern: &str, calls: &Calls| {
        others.iter().all(|other| other.patterns.get(pattern).is_some_and(|other| other.has_cost_of(calls)))
    };
    let differing = first.patterns.iter().filter(|(pattern, calls)| !same(pattern, calls));
    differing.map(|(pattern, _)| pattern.clone()).collect()
}

fn summary(all: &[Sized], differing: &[String]) -> String {
    let counted = |count: usize| HumanCount(count as u64).to_string();
    let mut text = "| products, and as many orders | items | loaded in | patterns | cost as in the first | time of all calls once | × |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    let total = |sized: &Sized| sized.patterns.values().map(Calls::median_ms).sum::<f64>();
    let first = all.first().map_or(0.0, total);
    for sized in all {
        let patterns = sized.patterns.len();
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} s | {patterns} | {} | {:.0} ms | {:.2} |",
            counted(sized.size),
            counted(sized.items),
            sized.fill_s,
            patterns - differing.len(),
            total(sized),
            total(sized) / first,
        );
    }
    text
}

/// Every pattern, folded up.
fn details(all: &[Sized]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let mut text = "<details>\n<summary>Every pattern</summary>\n\n| | cost |".to_owned();
    for sized in all {
        let _ = write!(text, " {} |", HumanCount(sized.size as u64));
    }
    let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(all.len()));
    for (pattern, calls) in &first.patterns {
        let times = all.iter().map(|sized| sized.patterns.get(pattern).map_or(0.0, Calls::median_ms));
        let times: String = times.map(|ms| format!(" {ms:.2} ms |")).collect();
        let _ = writeln!(text, "| {pattern} | {} |{times}", calls.cost());
    }
    text + "\n</details>"
}

fn picture(all: &[Sized]) -> Outcome<String> {
    let Some(first) = all.first() else { return Ok(String::new()) };
    let mut patterns: Vec<_> = first.patterns.keys().collect();
    patterns.sort_by(|a, b| first.patterns[*a].median_ms().total_cmp(&first.patterns[*b].median_ms()));
    let times = |sized: &Sized| {
        patterns.iter().map(|pattern| sized.patterns.get(*pattern).map_or(0.0, Calls::median_ms)).collect()
    };
    picture::dots(&Dots {
        name: "patterns",
        title: "Time of each access pattern on the bundled engine",
        unit: "ms",
        along: "access patterns, the fastest first",
        series: all
            .iter()
            .map(|sized| (format!("{} products and orders", HumanCount(sized.size as u64)), times(sized)))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(size: usize, rru: &[f64]) -> Sized {
        let calls = |rru: f64| Calls { rru: vec![rru, rru], wru: vec![0.0, 0.0], ms: vec![3.0, 1.0] };
        let patterns = rru.iter().enumerate().map(|(at, rru)| (format!("AP-0{at}"), calls(*rru))).collect();
        Sized { size, items: 10 * size, fill_s: 1.0, patterns }
    }

    #[test]
    fn a_pattern_whose_cost_depends_on_the_size_is_named() {
        let same = [sized(1, &[0.5, 1.0]), sized(10, &[0.5, 1.0])];
        let other = [sized(1, &[0.5, 1.0]), sized(10, &[0.5, 1.0]), sized(100, &[0.5, 1.5])];
        let missing = [sized(1, &[0.5, 1.0]), sized(10, &[0.5])];

        assert!(differing(&same).is_empty());
        assert_eq!((differing(&other), differing(&missing)), (vec!["AP-01".to_owned()], vec!["AP-01".to_owned()]));
    }

    #[test]
    fn the_summary_has_a_row_for_each_size() {
        let all = [sized(1_000, &[0.5]), sized(30_000, &[0.5])];

        let summary = summary(&all, &[]);

        assert!(summary.contains("| 1,000 | 10,000 | 1 s | 1 | 1 | 3 ms | 1.00 |"), "{summary}");
        assert_eq!(summary.lines().count(), 4);
    }
}
