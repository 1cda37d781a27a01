//! All that is said about a month, as `--json` prints it.

use serde::Serialize;

use super::{
    actual::Comparison,
    bill::{Bill, Part},
    export::Month,
    known::Known,
    prices::{Item, PriceList},
    profile::Profile,
    provisioned::{BreakEven, Capacity},
    scans::ScanBill,
    usage::Usage,
};
use crate::decimal::Decimal;

/// Amounts are in US dollars a month, as texts.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub profile: String,
    pub requests: Decimal,
    pub lines: Vec<ReportLine>,
    pub services: Vec<Service>,
    pub totals: Totals,
    pub capacity: Capacity,
    pub capacity_usd: CapacityCosts,
    pub break_even: BreakEven,
    pub scan_design: ScanBill,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Comparison>,
}

/// A line of the bill, on demand.
#[derive(Clone, Debug, Serialize)]
pub struct ReportLine {
    pub part: Part,
    pub what: String,
    pub count: Option<Decimal>,
    pub rru: Decimal,
    pub wru: Decimal,
    pub usd: Decimal,
}

#[derive(Clone, Debug, Serialize)]
pub struct Service {
    pub name: String,
    pub on_demand_usd: Decimal,
    pub scaled_usd: Decimal,
    pub fixed_usd: Decimal,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Totals {
    pub on_demand_usd: Decimal,
    /// With capacity that Auto Scaling keeps at its target.
    pub scaled_usd: Decimal,
    /// With capacity for the busiest minute, all the time.
    pub fixed_usd: Decimal,
}

/// What reads and writes of the table cost in each mode.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CapacityCosts {
    pub on_demand_reads_usd: Decimal,
    pub on_demand_writes_usd: Decimal,
    pub scaled_reads_usd: Decimal,
    pub scaled_writes_usd: Decimal,
    pub alarms_usd: Decimal,
}

impl Report {
    pub fn of(profile: &Profile, known: &Known, prices: &PriceList, actual: Option<&Month>) -> Self {
        let bill = Bill::of(profile, known);
        let (scaled, fixed) = (bill.scaled(), bill.fixed());
        let line = |line: &super::bill::Line| ReportLine {
            part: line.part,
            what: line.what.clone(),
            count: line.count,
            rru: line.usage.of(Item::Rru),
            wru: line.usage.of(Item::Wru),
            usd: line.usage.cost(prices),
        };
        let cost = |usage: &Usage, item: Item| prices.cost(item, usage.of(item));
        Self {
            profile: profile.name.clone(),
            requests: profile.requests_in_all(),
            lines: bill.lines.iter().map(line).collect(),
            services: services(&[&bill.usage, &scaled, &fixed], prices),
            totals: Totals {
                on_demand_usd: bill.total(prices),
                scaled_usd: scaled.cost(prices),
                fixed_usd: fixed.cost(prices),
            },
            capacity_usd: CapacityCosts {
                on_demand_reads_usd: cost(&bill.usage, Item::Rru),
                on_demand_writes_usd: cost(&bill.usage, Item::Wru),
                scaled_reads_usd: cost(&scaled, Item::RcuHour),
                scaled_writes_usd: cost(&scaled, Item::WcuHour),
                alarms_usd: prices.cost(Item::AlarmMetric, bill.capacity.alarm_metrics),
            },
            break_even: BreakEven::of(&bill, prices),
            scan_design: ScanBill::of(profile, &bill, prices),
            actual: actual.map(|month| Comparison::of(month, &bill, prices)),
            capacity: bill.capacity,
        }
    }
}

/// Services in the order of the price list, with what each mode costs.
fn services(modes: &[&Usage; 3], prices: &PriceList) -> Vec<Service> {
    let costs = modes.map(|usage| usage.cost_by_service(prices));
    let mut names: Vec<String> = Vec::new();
    for price in prices.iter() {
        let is_used = costs.iter().flatten().any(|(name, _)| *name == price.service);
        if is_used && !names.contains(&price.service) {
            names.push(price.service.clone());
        }
    }
    let of = |mode: usize, name: &str| {
        costs[mode].iter().find(|(service, _)| service == name).map_or(Decimal::ZERO, |(_, cost)| *cost)
    };
    let service =
        |name: String| Service { on_demand_usd: of(0, &name), scaled_usd: of(1, &name), fixed_usd: of(2, &name), name };
    names.into_iter().map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::profile::SAMPLES;

    #[test]
    fn lines_and_services_add_up_to_the_totals() {
        let (known, prices) = (Known::built_in(), PriceList::built_in());

        for (name, _) in SAMPLES {
            let report = Report::of(&Profile::sample(name, &known).unwrap(), &known, &prices, None);

            let lines: Decimal = report.lines.iter().map(|line| line.usd).sum();
            let services: Decimal = report.services.iter().map(|service| service.on_demand_usd).sum();
            let scaled: Decimal = report.services.iter().map(|service| service.scaled_usd).sum();
            assert_eq!((lines, services), (report.totals.on_demand_usd, report.totals.on_demand_usd), "{name}");
            assert_eq!(scaled, report.totals.scaled_usd, "{name}");
        }
    }

    #[test]
    fn the_document_has_the_bills_of_the_samples() {
        let (known, prices) = (Known::built_in(), PriceList::built_in());
        let row = |(name, _): &(&str, &str)| {
            let profile = Profile::sample(name, &known).unwrap();
            let Report { requests, totals, scan_design, .. } = Report::of(&profile, &known, &prices, None);
            let usd =
                [totals.on_demand_usd, totals.scaled_usd, scan_design.total_usd_by_size].map(|usd| usd.to_text(2));
            let orders = profile.requests_of("POST /orders").to_text(0);
            format!("| `{name}` | {} | {orders} | {} |", requests.to_text(0), usd.join(" | "))
        };

        let rows = SAMPLES.iter().map(row).collect::<Vec<_>>().join("\n");

        let document = include_str!("../../../../docs/costs.md");
        assert!(document.contains(&rows), "docs/costs.md has to have the rows\n{rows}");
    }

    #[test]
    fn amounts_are_texts_in_json() {
        let (known, prices) = (Known::built_in(), PriceList::built_in());
        let report = Report::of(&Profile::sample("small", &known).unwrap(), &known, &prices, None);

        let json = serde_json::to_value(&report).unwrap();

        assert!(json["totals"]["on_demand_usd"].is_string());
        assert_eq!(json["lines"][0]["part"], "requests");
        assert!(json.get("actual").is_none());
    }
}
