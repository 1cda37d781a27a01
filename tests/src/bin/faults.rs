//! `cargo xtask faults`: the whole checkout under faults, judged by a checker that shares no code with the shop.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use clap::Parser;
use e2e::{
    faults::{
        bugs::Bug,
        plan::Fault,
        runs::{self, Cases, Engine, Flow, Tally},
    },
    indexing, model, streams,
};

/// Tests the shop under injected faults: a model of every interleaving, every call of every flow failing in turn,
/// random runs (seeds) of a whole shop and of its stream's consumers, and planted bugs that must be found.
#[derive(Parser)]
#[command(name = "cargo xtask faults")]
struct Arguments {
    /// Number of seeds of a whole shop.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Runs at the same time.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Seeds within which a planted bug must be found. One needs dozens, as threads happen to run; most need four.
    #[arg(long, default_value_t = 240)]
    patience: u64,
    /// Number of seeds of the stream's consumers.
    #[arg(long, default_value_t = 60)]
    stream_seeds: u64,
    /// Enumerate each call with each fault once: afterwards the client or the sweeper goes first in turn, instead of both.
    #[arg(long)]
    half: bool,
    /// Run only the seeds: no model, no enumeration, no planted bugs.
    #[arg(long)]
    seeds_only: bool,
    /// Run only the flows and planted bugs of a whole shop whose name contains this text, such as `sale`; or the `indexer`.
    #[arg(long, value_name = "TEXT", conflicts_with = "seeds_only")]
    only: Option<String>,
}

impl Arguments {
    fn includes(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|text| name.to_lowercase().contains(&text.to_lowercase()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let mut failed = false;
    if arguments.only.is_some() {
        failed |= !enumeration(&arguments).await;
        failed |= !bugs(&arguments).await;
        if arguments.includes("indexer") {
            failed |= !indexer(&arguments).await;
        }
        return end(failed, started);
    }
    if !arguments.seeds_only {
        failed |= !models();
        failed |= !enumeration(&arguments).await;
    }
    failed |= !seeds(&arguments).await;
    failed |= !stream_seeds(&arguments).await;
    if !arguments.seeds_only {
        failed |= !bugs(&arguments).await;
        failed |= !stream_bugs(&arguments).await;
        failed |= !indexer(&arguments).await;
        // Last: its shops turn on logging, which would print the faults injected by the other parts.
        failed |= !recovery().await;
    }
    end(failed, started)
}

fn end(failed: bool, started: Instant) -> ExitCode {
    println!("\n{} in {} s", if failed { "FAILED" } else { "ok" }, started.elapsed().as_secs());
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn models() -> bool {
    println!(
        "model: every interleaving of checkout, retry, webhook, sweeps, cancel and refund, with crashes and lost answers; and of \
         buyers and sweeps of a sale"
    );
    let mut all = true;
    for outcome in model::check_all() {
        let holds = outcome.holds();
        all &= holds;
        println!(
            "  {} {}: {} states, {} of them different, depth {}, {} properties",
            if holds { "ok    " } else { "FAILED" },
            outcome.name,
            outcome.states,
            outcome.unique,
            outcome.depth,
            outcome.properties.len()
        );
        for (property, holds) in &outcome.properties {
            println!("           {} {property}", if *holds { "holds " } else { "BROKEN" });
        }
        for (property, path) in &outcome.discoveries {
            println!("         {property}: {path}");
        }
    }
    all
}

async fn enumeration(arguments: &Arguments) -> bool {
    let which = if arguments.half { Cases::Half } else { Cases::All };
    println!("\nenumeration: each call of each flow fails with each fault, before and after its effect");
    let mut tally = Tally::default();
    for flow in Flow::ALL.into_iter().filter(|flow| arguments.includes(&format!("{flow:?}"))) {
        let engine = Engine::start().await;
        let done = runs::enumerate(&engine, flow, which, &mut tally).await;
        println!(
            "  {:?}: {} calls, {} runs, {} violations so far",
            done.flow,
            done.calls,
            done.runs,
            tally.violations.len()
        );
    }
    report(&tally)
}

async fn seeds(arguments: &Arguments) -> bool {
    let range = arguments.from..arguments.from + arguments.seeds;
    println!(
        "\nseeds {} to {}: four customers, staff, a provider that sends events, sweeps and clock jumps",
        range.start,
        range.end - 1
    );
    let reported = AtomicUsize::new(0);
    let tally = runs::seeds(range, None, arguments.at_once, |done| {
        if done / 25 > reported.swap(done / 25, Ordering::Relaxed) {
            eprintln!("  {done} seeds");
        }
    })
    .await;
    report(&tally)
}

/// Prints every kind of fault, so that one that was never injected is seen.
fn report(tally: &Tally) -> bool {
    println!("  runs                    {}", tally.runs);
    println!("  orders attempted        {}", tally.attempted);
    println!("  placed                  {}", tally.placed);
    println!("  declined                {}", tally.declined);
    println!("  customers asked         {}, {} of them paid", tally.asked, tally.asked_then_paid);
    println!("  unknown, then settled   {}", tally.unknown_then_settled);
    println!("  refunded                {}", tally.refunded);
    println!("  bought in a sale        {}, {} of them returned", tally.in_sale, tally.in_sale_returned);
    for fault in Fault::ALL {
        println!("  fault {:<20}{}", fault.name(), tally.injected.get(fault).copied().unwrap_or_default());
    }
    println!("  violations              {}", tally.violations.len());
    for (run, violation) in tally.violations.iter().take(20) {
        println!("    {run}: {violation}");
    }
    tally.violations.is_empty()
}

async fn stream_seeds(arguments: &Arguments) -> bool {
    let range = arguments.from..arguments.from + arguments.stream_seeds;
    println!(
        "\nstreams, seeds {} to {}: four shards that split; repeated, late and concurrent batches; crashes; poison",
        range.start,
        range.end.saturating_sub(1)
    );
    let tally = streams::runs::seeds(range, None, arguments.at_once, |_| {}).await;
    println!("  runs                    {}", tally.runs);
    println!("  records                 {}", tally.records);
    println!("  deliveries              {}", tally.deliveries);
    println!("  redeliveries            {}", tally.redeliveries);
    for fault in Fault::ALL {
        println!("  fault {:<20}{}", fault.name(), tally.injected.get(fault).copied().unwrap_or_default());
    }
    println!("  dead letters            {}", tally.dead_letters);
    println!("  replays that succeeded  {}", tally.replayed);
    println!("  mails                   {}", tally.mails);
    println!("  repeated, unmarked      {}", tally.repeated_in_the_window);
    println!("  violations              {}", tally.violations.len());
    for (run, violation) in tally.violations.iter().take(20) {
        println!("    {run}: {violation}");
    }
    tally.violations.is_empty()
}

async fn recovery() -> bool {
    println!("\nrecovery: a lost stream, and crashes around stored objects:");
    let mut all = true;
    for verdict in streams::recovery::all().await {
        all &= verdict.violations.is_empty() && verdict.bug_noticed;
        println!("  {}, violations {}", verdict.what, verdict.violations.len());
        verdict.violations.iter().for_each(|violation| println!("    {violation}"));
        println!("  {}  {}", if verdict.bug_noticed { "caught" } else { "MISSED" }, verdict.bug);
    }
    all
}

async fn bugs(arguments: &Arguments) -> bool {
    println!("\nplanted bugs: each must be found by name");
    let mut all = true;
    for bug in Bug::ALL.iter().filter(|bug| arguments.includes(&format!("{bug:?} {}", bug.name()))) {
        let caught = runs::plant(*bug, arguments.patience, arguments.at_once).await;
        all &= caught.rule.is_some();
        match caught.rule {
            Some(rule) => println!("  caught  {} by {rule}, within {} seeds", bug.name(), caught.seeds),
            None => println!(
                "  MISSED  {} in {} seeds, though it acted {} times",
                bug.name(),
                caught.seeds,
                caught.bug_actions
            ),
        }
    }
    for planted in model::planted().into_iter().filter(|planted| arguments.includes(&planted.bug)) {
        all &= planted.noticed.is_some();
        let verdict = if planted.noticed.is_some() { "caught" } else { "MISSED" };
        println!("  {verdict}  {} by the model's {}", planted.bug, planted.property);
    }
    all
}

async fn stream_bugs(arguments: &Arguments) -> bool {
    println!("\nplanted bugs of the stream's consumers: each must be found by name");
    let mut all = true;
    for bug in streams::bugs::Bug::ALL {
        let caught = streams::runs::plant(*bug, arguments.patience, arguments.at_once).await;
        all &= caught.rule.is_some();
        let (name, breaks) = (bug.name(), bug.breaks());
        match caught.rule {
            Some(rule) => println!("  caught  {name} ({breaks}) by {rule}, within {} seeds", caught.seeds),
            None => println!(
                "  MISSED  {name} ({breaks}) in {} seeds, though it acted {} times",
                caught.seeds, caught.bug_actions
            ),
        }
    }
    all
}

async fn indexer(arguments: &Arguments) -> bool {
    println!("\nthe indexer: each of its calls fails, others overtake it, S3 loses an upload");
    let engine = indexing::Engine::start().await;
    let every = if arguments.half { 3 } else { 1 };
    let mut all = true;
    for (what, tally) in [
        ("each call with each fault", indexing::enumerate(&engine, None, &indexing::FAULTS, every).await),
        ("overtaken by changes", indexing::overtaken(&engine, None, false).await),
        ("overtaken by another run", indexing::overtaken(&engine, None, true).await),
        ("an upload that S3 loses", indexing::lost_uploads(&engine).await),
    ] {
        println!("  {what}: {} runs, {} violations", tally.runs, tally.violations.len());
        tally.violations.iter().for_each(|(run, rule)| println!("    {run}: {rule}"));
        all &= tally.violations.is_empty();
    }
    for bug in indexing::wire::Bug::ALL {
        let rules = indexing::plant(&engine, bug).await;
        all &= !rules.is_empty();
        match rules.first() {
            Some(rule) => println!("  caught  {} by {rule}", bug.name()),
            None => println!("  MISSED  {}", bug.name()),
        }
    }
    all
}
