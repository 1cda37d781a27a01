//! The figures of the story that this project began with, in docs/costs.md beside what its arithmetic gives.

use super::{
    Known, Scan,
    known::Cause,
    prices::{Item, PriceList},
};
use crate::decimal::Decimal;

/// The month of the story: 24 × 30 hours.
const HOURS: u64 = 720;
const DOCUMENT: &str = include_str!("../../../../docs/costs.md");

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn ratio(part: Decimal, of: Decimal) -> Decimal {
    part.over(of).unwrap()
}

fn percent(part: Decimal) -> String {
    format!("{} %", part.times(Decimal::whole(100)).to_fixed(1))
}

/// US dollars: of a million read units, and of a read unit for an hour.
#[derive(Clone, Copy)]
struct Prices {
    a_million_reads: Decimal,
    hour: Decimal,
}

impl Prices {
    fn reads(self, units: u64) -> Decimal {
        ratio(Decimal::whole(units).times(self.a_million_reads), Decimal::whole(1_000_000))
    }

    /// The part that capacity saves, if this part of it is consumed.
    fn saved(self, consumed: Decimal) -> Decimal {
        Decimal::ONE - ratio(self.hour, self.reads(3600).times(consumed))
    }
}

/// A row of the table: the figure, what the story says, and the same with the prices it quotes and with today's.
fn row(what: &str, story: &str, with: impl Fn(Prices) -> String) -> String {
    let list = PriceList::built_in();
    let today = Prices { a_million_reads: list.of(Item::Rru).usd, hour: list.of(Item::RcuHour).usd };
    let quoted = Prices { a_million_reads: decimal("0.25"), hour: decimal("0.00013") };
    format!("| {what} | {story} | {} | {} |", with(quoted), with(today)).replace("|  |", "| |")
}

fn usd(amount: Decimal) -> String {
    amount.to_text(2)
}

#[test]
fn the_document_has_the_figures_of_the_story() {
    let scan = Scan::of(Decimal::whole(5_000_000), Decimal::whole(1024));
    let by_size = scan.rru_by_size.to_fixed(0).parse().unwrap();
    let seventy = Decimal::percent(70);
    let a_minute = |prices: Prices| prices.reads(5_000_000).times(Decimal::whole(200));
    let a_month = |prices: Prices| prices.reads(100 * 3600 * HOURS);
    let rows = [
        row("a Scan of 5 million items, a unit for each", "2.50", |p| usd(p.reads(5_000_000))),
        row("the same Scan as DynamoDB counts it: 625,000 units", "", |p| usd(p.reads(by_size))),
        row("200 such Scans a minute, a unit for each item", "500", |p| usd(a_minute(p))),
        row("an hour of them", "30,000", |p| usd(a_minute(p).times(Decimal::whole(60)))),
        row("minutes until they cost 4,200", "", |p| ratio(Decimal::whole(4200), a_minute(p)).to_fixed(1)),
        row("100 read units, provisioned for 720 hours", "9.36", |p| usd(p.hour.times(Decimal::whole(100 * HOURS)))),
        row("on demand, if all 100 are consumed all the time", "40", |p| usd(a_month(p))),
        row("on demand, if 70 % of them are", "40", |p| usd(a_month(p).times(seventy))),
        row("units a second that 40 dollars buy on demand", "100", |p| {
            ratio(Decimal::whole(40).times(Decimal::whole(100)), a_month(p)).to_fixed(1)
        }),
        row("saved by provisioning, if 70 % are consumed", "65 %", |p| percent(p.saved(seventy))),
        row("saved, if all are consumed", "", |p| percent(p.saved(Decimal::ONE))),
        row("what has to be consumed to save 65 %", "", |p| {
            percent(ratio(p.hour, p.reads(3600).times(Decimal::percent(35))))
        }),
        row("on demand, as a multiple of capacity that is all consumed", "4–7", |p| {
            ratio(p.reads(3600), p.hour).to_fixed(1)
        }),
    ];

    for row in &rows {
        assert!(DOCUMENT.contains(row), "docs/costs.md has to have the rows\n{}", rows.join("\n"));
    }
}

/// An order of one line: 9 WRU of its commit are in a transaction, or of an index. The count against a rate, the
/// confirmation, the projections and what the stream writes are not; each would cost a unit more for each unit of the table.
#[test]
fn the_document_has_what_is_saved_by_few_transactions() {
    let known = Known::built_in();
    let all = known.routes["POST /orders"].wru + known.after(Cause::Order).usage.of(Item::Wru);
    let alone = Decimal::whole(1 + 1 + 2) + known.after(Cause::Order).usage.of(Item::Wru);

    let saved = ratio(alone, all + alone).times(Decimal::whole(100)).to_fixed(0);

    let sentence = format!(
        "consumes {all} WRU, {alone} of them of single writes; in transactions they would be {}, so {saved} % are saved",
        all + alone
    );
    let on_one_line = DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(on_one_line.contains(&sentence), "docs/costs.md has to say {sentence:?}");
}
