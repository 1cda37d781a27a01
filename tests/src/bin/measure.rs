//! `cargo xtask bench patterns` and `cargo xtask bench carts`: measures, and prints JSON on standard output.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use e2e::patterns::{
    self,
    carts::{self, FilledCart},
    filled::Filled,
    served,
};
use jiff::SignedDuration;
use serde::Serialize;

/// Measures the shop on the bundled engine, and prints JSON.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Cost and time of every access pattern in shops of these sizes
    Patterns {
        /// Products, and as many orders.
        #[arg(required = true)]
        sizes: Vec<usize>,
        /// How often each call is made, by data of its own.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=9))]
        rounds: u8,
    },
    /// A shop with guests who have carts, to be measured from outside until standard input ends
    Serve {
        /// Each with three products in the cart.
        guests: usize,
    },
    /// Cost of filling carts of these sizes, at once and with pauses
    Carts {
        /// Lines.
        #[arg(required = true)]
        sizes: Vec<usize>,
        /// Milliseconds between two lines.
        #[arg(long, required = true)]
        pause: Vec<i64>,
    },
}

#[derive(Serialize)]
struct SizeReport {
    size: usize,
    items: usize,
    fill_s: f64,
    patterns: BTreeMap<&'static str, PatternReport>,
}

#[derive(Default, Serialize)]
struct PatternReport {
    /// Of each round.
    rru: Vec<f64>,
    wru: Vec<f64>,
    ms: Vec<f64>,
}

fn main() -> io::Result<()> {
    let began = Instant::now();
    let json = match Arguments::parse().what {
        What::Serve { guests } => return serve(guests),
        What::Patterns { sizes, rounds } => {
            serde_json::to_string(&patterns::run(move || of_sizes(sizes, rounds, began)))
        }
        What::Carts { sizes, pause } => {
            let pauses: Vec<_> = pause.into_iter().map(SignedDuration::from_millis).collect();
            let filled: Vec<FilledCart> = patterns::run(|| async move { carts::fill(&sizes, &pauses).await });
            serde_json::to_string(&filled)
        }
    };
    writeln!(io::stdout(), "{}", json?)
}

fn serve(guests: usize) -> io::Result<()> {
    patterns::run(move || async move {
        let shop = served::Shop::open(guests).await;
        // One line, and the end of standard input, are the whole protocol.
        writeln!(io::stdout(), "{}", serde_json::to_string(&shop.served)?)?;
        tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
        Ok(())
    })
}

/// The shops take turns, so that what disturbs the machine disturbs all alike.
async fn of_sizes(sizes: Vec<usize>, rounds: u8, began: Instant) -> Vec<SizeReport> {
    let note = |done: &str| eprintln!("{:>5} s  {done}", began.elapsed().as_secs());
    let mut shops = Vec::new();
    for size in sizes {
        let filled = Filled::open(size, note).await;
        let fill_s = filled.time.as_secs_f64();
        note(&format!("{} items of {size} products and orders, in {fill_s:.0} s", filled.items));
        shops.push((filled.shop, SizeReport { size, items: filled.items, fill_s, patterns: BTreeMap::new() }));
    }
    for round in 0..rounds {
        for (shop, report) in &mut shops {
            for (pattern, measured) in patterns::measure_all(shop, round).await {
                let calls = report.patterns.entry(pattern).or_default();
                calls.rru.push(measured.cost.rru);
                calls.wru.push(measured.cost.wru);
                calls.ms.push(ms(measured.time));
            }
        }
        note(&format!("round {} of {rounds}", round + 1));
    }
    shops.into_iter().map(|(_, report)| report).collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
