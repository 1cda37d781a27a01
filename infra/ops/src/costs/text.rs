//! A report as text for a terminal.

use std::fmt::Write as _;

use super::{
    actual::Comparison,
    bill::{HOURS, Part},
    export::Grouping,
    prices::{Item, PriceList},
    report::{Report, ReportLine},
};
use crate::decimal::Decimal;

/// Characters of the first column.
const FIRST: usize = 50;

/// The whole report, with its arithmetic.
pub fn text(report: &Report, prices: &PriceList) -> String {
    let mut out = String::new();
    // Writing into a string never fails.
    let _ = write_all(&mut out, report, prices);
    out
}

fn write_all(out: &mut String, report: &Report, prices: &PriceList) -> std::fmt::Result {
    let totals = &report.totals;
    writeln!(
        out,
        "{}: {} requests a month, {} dollars on demand. US dollars without tax, us-east-1; each price is in docs/costs.md.",
        report.profile,
        report.requests.to_text(0),
        usd(totals.on_demand_usd)
    )?;
    services(out, report)?;
    lines(out, report)?;
    capacity(out, report, prices)?;
    scans(out, report, prices)?;
    report.actual.as_ref().map_or(Ok(()), |actual| actual_month(out, actual))
}

fn usd(amount: Decimal) -> String {
    amount.to_text(2)
}

fn services(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "\n{:FIRST$} {:>14} {:>14} {:>14}", "By service", "on demand", "scaled", "fixed")?;
    let totals = &report.totals;
    let rows = report.services.iter().map(|s| (s.name.as_str(), s.on_demand_usd, s.scaled_usd, s.fixed_usd));
    for (name, on_demand, scaled, fixed) in
        rows.chain([("together", totals.on_demand_usd, totals.scaled_usd, totals.fixed_usd)])
    {
        writeln!(out, "{name:FIRST$} {:>14} {:>14} {:>14}", usd(on_demand), usd(scaled), usd(fixed))?;
    }
    writeln!(out, "scaled: Auto Scaling keeps the target; fixed: provisioned for the busiest minute, all the time.")
}

fn lines(out: &mut String, report: &Report) -> std::fmt::Result {
    let parts = [
        (Part::Requests, "By route, on demand"),
        (Part::Follows, "What follows from requests"),
        (Part::Stored, "What is kept"),
        (Part::Always, "Every month"),
    ];
    for (part, title) in parts {
        let of_part: Vec<&ReportLine> = report.lines.iter().filter(|line| line.part == part).collect();
        if of_part.is_empty() {
            continue;
        }
        writeln!(out, "\n{title:FIRST$} {:>14} {:>14} {:>14} {:>14}", "count", "RRU", "WRU", "USD")?;
        let mut sum = Decimal::ZERO;
        for line in &of_part {
            let count = line.count.map_or_else(String::new, number);
            let units = |units: Decimal| if units == Decimal::ZERO { String::new() } else { units.to_text(0) };
            sum += line.usd;
            writeln!(
                out,
                "{:FIRST$} {count:>14} {:>14} {:>14} {:>14}",
                line.what,
                units(line.rru),
                units(line.wru),
                usd(line.usd)
            )?;
        }
        writeln!(out, "{:FIRST$} {:>14} {:>14} {:>14} {:>14}", "together", "", "", "", usd(sum))?;
    }
    Ok(())
}

/// Whole if it is large.
fn number(count: Decimal) -> String {
    match count < Decimal::whole(100) {
        true => count.to_string(),
        false => count.to_text(0),
    }
}

fn capacity(out: &mut String, report: &Report, prices: &PriceList) -> std::fmt::Result {
    let (capacity, costs, even) = (&report.capacity, &report.capacity_usd, &report.break_even);
    writeln!(out, "\nReads and writes of the table with its indexes")?;
    let rows = [
        (
            "reads",
            Item::Rru,
            Item::RcuHour,
            capacity.average.reads,
            capacity.scaled.reads,
            costs.on_demand_reads_usd,
            costs.scaled_reads_usd,
        ),
        (
            "writes",
            Item::Wru,
            Item::WcuHour,
            capacity.average.writes,
            capacity.scaled.writes,
            costs.on_demand_writes_usd,
            costs.scaled_writes_usd,
        ),
    ];
    for (name, request, hour, average, scaled, on_demand_usd, scaled_usd) in rows {
        let units: Decimal = report.lines.iter().map(|l| if request == Item::Rru { l.rru } else { l.wru }).sum();
        writeln!(
            out,
            "{name}, on demand: {} units × {} dollars a million = {}",
            units.to_text(0),
            prices.of(request).usd,
            usd(on_demand_usd)
        )?;
        writeln!(
            out,
            "{name}, scaled: {} units ÷ ({HOURS} h × 3,600 s) = {} a second × {} in the busiest minute of an hour ÷ {} %, at least {}: {} units × {HOURS} h × {} dollars = {}",
            units.to_text(0),
            average.to_text(2),
            capacity.load.busiest_minute,
            percent(capacity.target),
            capacity.minimum.to_text(0),
            scaled.to_text(0),
            prices.of(hour).usd,
            usd(scaled_usd)
        )?;
    }
    writeln!(out, "Alarms that only provisioned capacity has: {} dollars.", usd(costs.alarms_usd))?;
    writeln!(
        out,
        "Break-even: capacity costs the same as requests when {} % of the reads and {} % of the writes are consumed. At {} % in the busiest minute of each hour, that minute may be {} times its hour's average; here it is {}.",
        percent(even.consumed.reads),
        percent(even.consumed.writes),
        percent(capacity.target),
        even.busiest_minute.to_text(2),
        capacity.load.busiest_minute
    )?;
    match even.traffic {
        Some(times) => writeln!(
            out,
            "For this mix provisioned costs less from {} requests a month, {} times as many as here.",
            report.requests.times(times).to_text(0),
            times.to_text(3)
        ),
        None => writeln!(out, "For this mix provisioned never costs less, however many requests there are."),
    }
}

fn percent(part: Decimal) -> String {
    let percent = part.times(Decimal::whole(100));
    percent.to_fixed(1).trim_end_matches(".0").to_owned()
}

fn scans(out: &mut String, report: &Report, prices: &PriceList) -> std::fmt::Result {
    let design = &report.scan_design;
    let (rru, scan) = (prices.of(Item::Rru).usd, &design.scan);
    writeln!(
        out,
        "\nThe same traffic where each list of products is a Scan of {} products of {} bytes",
        design.products.to_text(0),
        design.item_bytes.to_text(0)
    )?;
    writeln!(
        out,
        "One Scan, a unit for each item:   {} RRU × {rru} dollars a million = {}",
        scan.rru_by_item.to_text(0),
        design.usd_a_scan_by_item.to_text(4)
    )?;
    writeln!(
        out,
        "One Scan, as DynamoDB counts it:  {} × {} bytes ÷ 8,192 bytes, eventually consistent = {} RRU = {}, in {} calls of 1 MB",
        design.products.to_text(0),
        design.item_bytes.to_text(0),
        scan.rru_by_size.to_text(0),
        design.usd_a_scan_by_size.to_text(4),
        scan.calls.to_text(0)
    )?;
    writeln!(out, "{:FIRST$} {:>14} {:>18} {:>18} {:>14}", "", "count", "a unit an item", "as DynamoDB", "here")?;
    for scans in &design.scans {
        writeln!(
            out,
            "{:FIRST$} {:>14} {:>18} {:>18} {:>14}",
            scans.route,
            scans.count.to_text(0),
            usd(scans.usd_by_item),
            usd(scans.usd_by_size),
            usd(scans.usd_here)
        )?;
    }
    let rest = usd(design.rest_usd);
    writeln!(out, "{:FIRST$} {:>14} {rest:>18} {rest:>18} {rest:>14}", "everything else, counted as here", "")?;
    writeln!(
        out,
        "{:FIRST$} {:>14} {:>18} {:>18} {:>14}",
        "together",
        "",
        usd(design.total_usd_by_item),
        usd(design.total_usd_by_size),
        usd(report.totals.on_demand_usd)
    )
}

fn actual_month(out: &mut String, actual: &Comparison) -> std::fmt::Result {
    let by = match actual.grouping {
        Grouping::UsageType => "usage type",
        Grouping::Operation => "API operation",
        Grouping::Service => "service",
    };
    let mode = if actual.provisioned { "provisioned, scaled" } else { "on demand" };
    writeln!(out, "\nThe bill of {} by {by}, beside the estimate ({mode})", actual.month)?;
    if let Some((has, of)) = actual.days.filter(|(has, of)| has < of) {
        writeln!(out, "The file has {has} of the month's {of} days; the estimate is of a whole month.")?;
    }
    writeln!(out, "{:FIRST$} {:>14} {:>14} {:>14}", "", "estimate", "bill", "difference")?;
    let row = |out: &mut String, name: &str, estimate: Decimal, bill: Decimal| {
        writeln!(out, "{name:FIRST$} {:>14} {:>14} {:>14}", usd(estimate), usd(bill), usd(bill - estimate))
    };
    for pair in &actual.pairs {
        row(out, &pair.name, pair.estimate_usd, pair.actual_usd)?;
    }
    if actual.only_estimated_usd != Decimal::ZERO {
        row(out, "estimated, and not in a report of this kind", actual.only_estimated_usd, Decimal::ZERO)?;
    }
    for (name, cost) in &actual.unexplained {
        row(out, &format!("not in the estimate: {name}"), Decimal::ZERO, *cost)?;
    }
    row(out, "together", actual.estimate_usd, actual.actual_usd)?;
    writeln!(out, "Not explained by the estimate: {} dollars.", usd(actual.unexplained_usd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::{Known, Month, Profile};

    fn printed(sample: &str, actual: Option<&str>) -> String {
        let (known, prices) = (Known::built_in(), PriceList::built_in());
        let month = actual.map(|csv| Month::parse(csv, None).unwrap());
        text(&Report::of(&Profile::sample(sample, &known).unwrap(), &known, &prices, month.as_ref()), &prices)
    }

    #[test]
    fn the_arithmetic_is_shown() {
        let text = printed("busy", None);

        assert!(text.contains("5,000,000 RRU × 0.125 dollars a million = 0.6250"), "{text}");
        assert!(text.contains("when 28.9 % of the reads"), "{text}");
        assert!(text.contains("POST /orders  "), "{text}");
        assert!(text.contains("For this mix provisioned costs less from"), "{text}");
    }

    #[test]
    fn a_shop_with_sales_is_advised_against_capacity() {
        assert!(printed("flash-sales", None).contains("never costs less"));
    }

    #[test]
    fn an_incomplete_month_is_said_to_be_one() {
        let text = printed("small", Some("Usage type,Tax($)\n2026-10-01,1\n2026-10-02,1\n"));

        assert!(text.contains("The file has 2 of the month's 31 days"), "{text}");
        assert!(text.contains("Not explained by the estimate: 2.00 dollars."), "{text}");
    }
}
