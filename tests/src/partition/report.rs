//! The runs that are documented, and their section of `docs/benchmarks.md`.

use std::{fmt::Write as _, thread};

use ops::prewarm::{Forecast, warm_throughput};
use table::{TableNames, WarmThroughput};

use super::{
    config_reads::{self, ConfigOutcome, ConfigReads, Way},
    constants,
    day::{self, Day, DayOutcome},
    sale::{self, Design, Sale, SaleOutcome},
    service::{Rules, StateDay},
    shop::TABLE,
    simulate,
    svg::{self, Line},
    wire::Jitter,
};

pub const BEGIN: &str = "<!-- partition-model:begin -->";
pub const END: &str = "<!-- partition-model:end -->";
/// Below `docs`.
pub const PICTURE: &str = "benchmarks/partition-sale.svg";

/// Lots are run with so many seeds, from the first one on.
const SEEDS_OF_LOTS: u64 = 3;

/// How large the runs are: a part of the documented size.
#[derive(Debug, Clone, Copy)]
pub struct Size(pub f64);

impl Size {
    fn of(self, count: usize) -> usize {
        ((count as f64 * self.0) as usize).max(1)
    }

    fn rate(self, rate: f64) -> f64 {
        rate * self.0
    }
}

/// A run of the documentation, with what it is called there.
pub struct Named<T> {
    pub name: String,
    pub outcome: T,
}

/// Everything that is documented.
pub struct Report {
    pub config: Vec<Named<ConfigOutcome>>,
    pub sales: Vec<Named<SaleOutcome>>,
    /// Lots under other conditions, and planted bugs.
    pub variants: Vec<Named<SaleOutcome>>,
    pub days: Vec<Named<DayOutcome>>,
}

/// The sale of the documentation, in one design.
pub fn sale_of(size: Size, design: Design, seed: u64) -> Sale {
    let (buyers, units) = (size.of(20_000), size.of(5_000));
    Sale::warmed(design, buyers, u32::try_from(units).unwrap_or(u32::MAX), size.rate(2_000.0), seed)
}

fn run_sale(name: impl Into<String>, sale: Sale, progress: &impl Fn(&str)) -> Named<SaleOutcome> {
    let name = name.into();
    let outcome = simulate(move || async move { sale::run(&sale).await });
    progress(&format!("{name}: {}", sale_line(&outcome)));
    Named { name, outcome }
}

/// Runs everything whose name contains `only`, several at a time. `progress` gets a line after each run.
pub fn run(size: Size, seed: u64, only: &str, progress: impl Fn(&str) + Sync) -> Report {
    let others = [Design::OneItem, Design::SortKeyShards, Design::PartitionKeyCounters];
    let designs = others.map(|design| (design.name().to_owned(), sale_of(size, design, seed)));
    let lots =
        (seed..seed + SEEDS_OF_LOTS).map(|seed| (Design::Lots.name().to_owned(), sale_of(size, Design::Lots, seed)));
    let progress = &progress;
    let run_sales = |sales: Vec<(String, Sale)>| -> Vec<_> {
        let wanted = sales.into_iter().filter(|(name, _)| name.contains(only));
        wanted.map(|(name, sale)| run_sale(name, sale, progress)).collect()
    };
    let (designs, lots) = (designs.to_vec(), lots.collect());
    thread::scope(|scope| {
        let designs = scope.spawn(|| run_sales(designs));
        let lots: Vec<Named<SaleOutcome>> = run_sales(lots);
        let mut sales = designs.join().expect("a run ends");
        sales.extend(lots);
        let variants = scope.spawn(|| run_sales(variants(size, seed)));
        let config = configs(size, seed, only, progress);
        let days = days(size, seed, only, progress);
        Report { sales, variants: variants.join().expect("a run ends"), config, days }
    })
}

fn variants(size: Size, seed: u64) -> Vec<(String, Sale)> {
    // What is shown happens within a second, and each refusal costs time to simulate.
    let fewer = |design| {
        let sale = sale_of(size, design, seed);
        Sale { buyers: sale.buyers / 8, ..sale }
    };
    let (lots, counters) = (fewer(Design::Lots), fewer(Design::PartitionKeyCounters));
    let all = [
        ("lots, table and indexes not warmed", Sale { warm: Vec::new(), ..lots.clone() }),
        ("bug: lots, one key a state and day", Sale { state_day: StateDay::OneKey, ..lots.clone() }),
        ("bug: lots, the shard in the sort key", Sale { lots_in_sort_key: true, ..lots }),
        ("bug: 16 counters, retries without jitter", Sale { jitter: Jitter::None, ..counters }),
    ];
    all.map(|(name, sale)| (name.to_owned(), sale)).to_vec()
}

fn configs(size: Size, seed: u64, only: &str, progress: &impl Fn(&str)) -> Vec<Named<ConfigOutcome>> {
    let reads =
        |way, seconds| ConfigReads { way, environments: size.of(500), rate: size.rate(50_000.0), seconds, seed };
    let all = [
        // Without a cache a second shows it, and each read costs as much to simulate as a request.
        ("config: not remembered, one copy", reads(Way::OneCopy, 1)),
        ("config: not remembered", reads(Way::AnyCopy, 1)),
        ("config: as the product reads it", reads(Way::Remembered, 60)),
    ];
    let wanted = all.into_iter().filter(|(name, ..)| name.contains(only));
    let run = |(name, reads): (&str, ConfigReads)| {
        let outcome = simulate(move || async move { config_reads::run(reads).await });
        let (reached, throttled) = (outcome.reached(), outcome.counts.throttled());
        progress(&format!("{name}: {reached:.2} requests an environment and second, {throttled} throttled"));
        Named { name: name.to_owned(), outcome }
    };
    wanted.map(run).collect()
}

fn days(size: Size, seed: u64, only: &str, progress: &impl Fn(&str)) -> Vec<Named<DayOutcome>> {
    let rate = size.rate(200.0);
    let new = Day { products: size.of(1_000), rate, seconds: 30, rules: Rules::new(seed) };
    let forecast = Forecast { checkouts_per_second: rate.ceil() as u64, lines: 3, limit: false };
    let warm = warm_throughput(forecast, &TableNames::one(TABLE));
    let warmed = Day { rules: Rules::new(seed).warm(&warm), ..new.clone() };
    let all = [("day: a new table", new), ("day: a table that was warmed", warmed)];
    let wanted = all.into_iter().filter(|(name, _)| name.contains(only));
    let run = |(name, day): (&str, Day)| {
        let outcome = simulate(move || async move { day::run(&day).await });
        let throttled = 100.0 * outcome.counts.throttled_share();
        progress(&format!("{name}: {} of {} placed, {throttled:.2} % throttled", outcome.placed, outcome.checkouts));
        Named { name: name.to_owned(), outcome }
    };
    wanted.map(run).collect()
}

/// The outputs of a sale on one line.
pub fn sale_line(outcome: &SaleOutcome) -> String {
    let throttled: Vec<_> = outcome
        .counts
        .throttled
        .iter()
        .map(|(why, times)| match why.index() {
            Some(index) => format!("{} of {index} {times}", why.reason()),
            None => format!("{} {times}", why.reason()),
        })
        .collect();
    format!(
        "seed {}, {} sold, {} held, {} left, {} stranded, {} oversold, {} refused as sold out ({} too early), {} gave up, \
         throttled {:.2} % [{}], tried again after {:?}, conflicts {}, attempts p50 {} p99 {}, time p50 {} ms p99 {} ms, sold out {}, {} splits, \
         {} requests, {:.0} write units",
        outcome.sale.seed,
        outcome.sold,
        outcome.held,
        outcome.left,
        outcome.stranded,
        outcome.oversold,
        outcome.refused,
        outcome.refused_too_early,
        outcome.gave_up,
        100.0 * outcome.counts.throttled_share(),
        throttled.join(", "),
        outcome.answers,
        outcome.counts.conflicts(),
        outcome.attempts_p50,
        outcome.attempts_p99,
        outcome.time_p50.as_millis(),
        outcome.time_p99.as_millis(),
        sold_out(outcome),
        outcome.splits,
        outcome.counts.requests(),
        outcome.counts.write_units,
    )
}

fn sold_out(outcome: &SaleOutcome) -> String {
    outcome.sold_out_at.map_or_else(|| "never".to_owned(), |at| format!("after {:.1} s", at.as_secs_f64()))
}

/// A number with separators of thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

impl Report {
    /// The runs of lots, each with its own seed.
    fn lots(&self) -> impl Iterator<Item = &SaleOutcome> {
        self.sales.iter().map(|run| &run.outcome).filter(|outcome| outcome.sale.design == Design::Lots)
    }

    /// Whether every run of lots is what a sale has to be.
    pub fn holds(&self) -> bool {
        self.lots().all(SaleOutcome::holds)
    }

    /// Units taken over time, one line a design.
    pub fn picture(&self) -> String {
        let line = |Named { name, outcome }: &Named<SaleOutcome>| {
            let mut points = vec![(0.0, 0.0)];
            let every = (outcome.placed_at.len() / 60).max(1);
            let placed = outcome.placed_at.iter().enumerate();
            points.extend(
                placed.filter(|(at, _)| (at + 1) % every == 0).map(|(at, time)| (time.as_secs_f64(), (at + 1) as f64)),
            );
            if let Some(last) = outcome.placed_at.last() {
                points.push((last.as_secs_f64(), outcome.placed_at.len() as f64));
            }
            (name.clone(), points)
        };
        let first = self.sales.first().map(|run| run.outcome.sale.seed);
        let lines: Vec<_> = self.sales.iter().filter(|run| Some(run.outcome.sale.seed) == first).map(line).collect();
        let lines: Vec<_> = lines.iter().map(|(name, points)| Line { name, points: points.clone() }).collect();
        svg::lines("Orders placed since the sale began", "seconds", "orders", &lines)
    }

    /// The section of `docs/benchmarks.md`.
    pub fn markdown(&self) -> String {
        let mut text = format!("{BEGIN}\n## A flash sale in a model of DynamoDB's partitions\n\n");
        text.push_str(
            "Written by `cargo xtask partitions --write`. Every buyer sends the product's own checkout, `POST /orders` with \
             session, cart, counters and payment, through the SDK with the timeouts and retries of a function; below the SDK \
             a model of DynamoDB's partitions (`tests/src/partition`) stands before the bundled engine. Time is simulated, \
             so that nothing here depends on the machine. The seed fixes arrivals, latencies and where keys are placed; the \
             jitter of retries and the choice of lots are random, so figures differ a little from run to run. It is a model: \
             what it assumes is at its end, and DynamoDB itself may do better.\n\n",
        );
        self.sale_section(&mut text);
        self.config_section(&mut text);
        self.day_section(&mut text);
        text.push_str("### What the model assumes\n\n| what | value | source |\n|---|---|---|\n");
        for constants::Constant { what, value, source } in constants::all() {
            let _ = writeln!(text, "| {what} | {value} | {source} |");
        }
        let _ = write!(text, "\n{END}\n");
        text
    }

    fn sale_section(&self, text: &mut String) {
        let Some(first) = self.sales.first().map(|run| &run.outcome.sale) else { return };
        let _ = write!(
            text,
            "### The sale\n\n{} buyers come for {} units of one product, {} a second. The table was warmed as `ops sale \
             prewarm` says: {}. A buyer who is answered 503 tries again, {} times in all. With lots the product is in a sale, \
             as the product plans and sells it. The other designs are its stock without a sale, and two that it does not \
             have: there only the key of the stock action is changed, below the SDK, and a checkout that finds a shard empty \
             tries up to three others. Attempts are the transactions of a buyer that sent any; time is from the arrival to \
             the placed order.\n\n![Orders placed over time]({PICTURE})\n\n",
            count(first.buyers as u64),
            count(first.units.into()),
            count(first.rate as u64),
            warmed(&first.warm),
            constants::TRIES,
        );
        sale_table(text, &self.sales);
        text.push_str(
            "\nLots on a table that is not warmed, and planted bugs; with an eighth of the buyers, who are too few to throttle \
             one key of a state and day for long:\n\n",
        );
        sale_table(text, &self.variants);
        if self.holds() {
            text.push_str(
                "\nWith lots every unit was sold, none twice, and no buyer was refused while one was left; less than 1 % of \
                 the requests were throttled, and 99 of 100 buyers needed at most three transactions.\n",
            );
        }
        let by_index: Vec<_> = self.lots().map(|outcome| throttled_by(outcome, outcome.sale.seed)).collect();
        let _ = write!(text, "\nWhat was throttled with lots: {}.\n\n", by_index.join("; "));
    }

    fn config_section(&self, text: &mut String) {
        let Some(reads) = self.config.last().map(|run| run.outcome.reads) else { return };
        let _ = write!(
            text,
            "### Reads of a sale's configuration\n\n{} reads a second in {} environments, of a new table, for {} s as the \
             product reads (`api::SalesCache`); without its memory a second shows what happens.\n\n\
             | | copies | reads | requests to the table an environment and second | throttled | failed |\n\
             |---|---|---|---|---|---|\n",
            count(reads.rate as u64),
            count(reads.environments as u64),
            reads.seconds,
        );
        for Named { name, outcome } in &self.config {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.2} | {} | {} |",
                name.trim_start_matches("config: "),
                outcome.reads.way.copies(),
                count(outcome.asked),
                outcome.reached(),
                count(outcome.counts.throttled()),
                count(outcome.failed),
            );
        }
        text.push('\n');
    }

    fn day_section(&self, text: &mut String) {
        let Some(day) = self.days.first().map(|run| &run.outcome.day) else { return };
        let _ = write!(
            text,
            "### An ordinary day\n\n{} checkouts a second over {} products, as popular as those of a real shop, for {} s, up to three lines each.\n\n\
             | | checkouts | placed | answered 503 | throttled | conflicts | attempts p50, p99 | time p50, p99 |\n\
             |---|---|---|---|---|---|---|---|\n",
            day.rate,
            count(day.products as u64),
            day.seconds,
        );
        for Named { name, outcome } in &self.days {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} ({:.2} %) | {} | {}, {} | {} ms, {} ms |",
                name.trim_start_matches("day: "),
                count(outcome.checkouts as u64),
                count(outcome.placed as u64),
                count(outcome.busy as u64),
                count(outcome.counts.throttled()),
                100.0 * outcome.counts.throttled_share(),
                count(outcome.counts.conflicts()),
                outcome.attempts_p50,
                outcome.attempts_p99,
                outcome.time_p50.as_millis(),
                outcome.time_p99.as_millis(),
            );
        }
        text.push('\n');
    }
}

fn warmed(throughput: &[WarmThroughput]) -> String {
    let of = |warm: &WarmThroughput| {
        let what = warm.index.map_or_else(|| "the table".to_owned(), |index| format!("`{index}`"));
        format!("{what} for {} reads and {} writes", count(warm.reads_per_second), count(warm.writes_per_second))
    };
    throughput.iter().map(of).collect::<Vec<_>>().join(", ")
}

fn throttled_by(outcome: &SaleOutcome, seed: u64) -> String {
    let reasons = outcome.counts.throttled.iter().map(|(why, times)| match why.index() {
        Some(index) => format!("`{index}` {} times", count(*times)),
        None => format!("the table {} times ({})", count(*times), why.reason()),
    });
    let reasons: Vec<_> = reasons.collect();
    let said = if reasons.is_empty() { "nothing".to_owned() } else { reasons.join(", ") };
    format!("seed {seed}: {said}")
}

fn sale_table(text: &mut String, runs: &[Named<SaleOutcome>]) {
    text.push_str(
        "| stock in | sold | held | stranded | oversold | refused too early | gave up | throttled | conflicts | attempts p50, \
         p99 | time p50, p99 | sold out | seed |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for Named { name, outcome } in runs {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {:.2} % | {} | {}, {} | {} ms, {} ms | {} | {} |",
            count(outcome.sold),
            count(outcome.held),
            count(outcome.stranded),
            count(outcome.oversold),
            count(outcome.refused_too_early as u64),
            count(outcome.gave_up as u64),
            100.0 * outcome.counts.throttled_share(),
            count(outcome.counts.conflicts()),
            outcome.attempts_p50,
            outcome.attempts_p99,
            outcome.time_p50.as_millis(),
            outcome.time_p99.as_millis(),
            sold_out(outcome),
            outcome.sale.seed,
        );
    }
}

/// The document with this section in the place of the one that it has, or at its end.
pub fn replaced(document: &str, section: &str) -> String {
    let found = document.find(BEGIN).zip(document.find(END));
    match found.filter(|(begin, end)| begin < end) {
        Some((begin, end)) => {
            let after = document[end + END.len()..].trim_start_matches('\n');
            let gap = if after.is_empty() { "" } else { "\n" };
            format!("{}{section}{gap}{after}", &document[..begin])
        }
        None => format!("{}\n\n{section}", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_the_one_before_and_leaves_the_rest() {
        let section = |text: &str| format!("{BEGIN}\n{text}\n{END}\n");

        let once = replaced("# Benchmarks\n", &section("old"));
        let twice = replaced(&format!("{once}\n## More\n"), &section("new"));

        assert_eq!(once, format!("# Benchmarks\n\n{}", section("old")));
        assert_eq!(twice, format!("# Benchmarks\n\n{}\n## More\n", section("new")));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
