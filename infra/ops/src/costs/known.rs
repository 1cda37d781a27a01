//! What is known of the shop's costs without its traffic: what each route needs, measured, and what follows from it,
//! calculated by hand. docs/costs.md says the same in words.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    prices::{Item, PriceList},
    usage::Usage,
};
use crate::decimal::Decimal;

const ROUTES: &str = include_str!("../../data/routes.toml");
const FOLLOWS: &str = include_str!("../../data/follows.toml");
/// KB in a GB, as the bill counts logs.
const KB_A_GB: u64 = 1_000_000;

/// Read units, write units and calls to S3 of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    pub rru: Decimal,
    pub wru: Decimal,
    pub s3: Decimal,
}

/// What a request needs beside the table and S3. Not measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    pub seconds: Decimal,
    pub seconds_that_hash_a_password: Decimal,
    pub memory_gb: Decimal,
    pub memory_gb_of_sessions: Decimal,
    pub log_kb: Decimal,
}

/// What follows from a request, or happens every month.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    pub name: Cause,
    pub what: String,
    pub for_each: String,
    pub usage: Usage,
    #[serde(default)]
    pub each_further_line: Usage,
    /// Each request of these has it.
    #[serde(default)]
    pub routes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    Order,
    Mail,
    Link,
    Change,
    Count,
    Move,
    Abandoned,
}

/// What is paid in a month without requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Always {
    pub what: String,
    pub usage: Usage,
}

/// What `BillingMode=PROVISIONED` sets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    pub tables_and_indexes: u64,
    /// Units of reads, and of writes, of each of them.
    pub minimum: u64,
    pub maximum: u64,
    pub target_percent: u64,
    /// Metrics that more alarms look at.
    pub alarm_metrics: u64,
}

#[derive(Clone, Debug)]
pub struct Known {
    pub routes: BTreeMap<String, Calls>,
    pub each_further_line: BTreeMap<String, Calls>,
    pub assumed: Assumed,
    pub after: Vec<After>,
    pub always: Vec<Always>,
    pub provisioned: Provisioned,
}

impl Known {
    /// What this program was built with.
    pub fn built_in() -> Self {
        Self::parse(ROUTES, FOLLOWS).expect("the embedded files are read by a test")
    }

    fn parse(routes: &str, follows: &str) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Routes {
            route: BTreeMap<String, Calls>,
            each_further_line: BTreeMap<String, Calls>,
        }

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Follows {
            assumed: Assumed,
            after: Vec<After>,
            always: Vec<Always>,
            provisioned: Provisioned,
        }

        let Routes { route, each_further_line } = toml::from_str(routes)?;
        let Follows { assumed, after, always, provisioned } = toml::from_str(follows)?;
        Ok(Self { routes: route, each_further_line, assumed, after, always, provisioned })
    }

    /// What a request of the route uses, with these calls to the table and to S3.
    pub fn request(&self, route: &str, calls: &Calls) -> Usage {
        let hashes_a_password = matches!(route, "POST /users" | "POST /sessions");
        // Orders that can be claimed are of another function than the rest of a customer.
        let of_sessions =
            route.contains("/sessions") || route.contains("/users") && !route.contains("/claimable-orders");
        let Assumed { seconds, seconds_that_hash_a_password, memory_gb, memory_gb_of_sessions, log_kb } = self.assumed;
        let memory_gb = if of_sessions { memory_gb_of_sessions } else { memory_gb };
        let seconds = if hashes_a_password { seconds_that_hash_a_password } else { seconds };
        let of_s3 = if route.starts_with("GET ") { Item::S3Get } else { Item::S3Put };
        Usage::default()
            .and(Item::HttpApi, Decimal::ONE)
            .and(Item::LambdaRequest, Decimal::ONE)
            .and(Item::LambdaGbSecond, memory_gb.times(seconds))
            .and(Item::Logs, log_kb.over(Decimal::whole(KB_A_GB)).unwrap_or_default())
            .and(Item::Rru, calls.rru)
            .and(Item::Wru, calls.wru)
            .and(of_s3, calls.s3)
    }

    /// With so many lines in the cart or in the order.
    pub fn calls(&self, route: &str, lines: Decimal) -> Option<Calls> {
        let Calls { rru, wru, s3 } = *self.routes.get(route)?;
        let further = self.each_further_line.get(route).copied().unwrap_or_default();
        let more = lines - Decimal::ONE;
        let with = |first: Decimal, further: Decimal| first + further.times(more);
        Some(Calls { rru: with(rru, further.rru), wru: with(wru, further.wru), s3: with(s3, further.s3) })
    }

    pub fn after(&self, cause: Cause) -> &After {
        self.after.iter().find(|after| after.name == cause).expect("a test reads each")
    }

    /// US dollars for a million, as docs/costs.md says them.
    pub fn a_million(usage: &Usage, prices: &PriceList) -> Decimal {
        usage.times(Decimal::whole(1_000_000)).cost(prices)
    }

    /// The row of docs/costs.md.
    pub fn row(&self, route: &str, calls: &Calls, prices: &PriceList) -> String {
        let usd = Self::a_million(&self.request(route, calls), prices).to_fixed(2);
        format!("| {route} | {} | {} | {} | {usd} |", calls.rru, calls.wru, calls.s3)
    }
}

/// The section of `data/routes.toml`, for the test that measures it.
pub fn section<'a>(name: &str, rows: impl IntoIterator<Item = (&'a String, &'a Calls)>) -> String {
    let row = |(route, Calls { rru, wru, s3 }): (&String, &Calls)| {
        format!("{route:?} = {{ rru = {rru}, wru = {wru}, s3 = {s3} }}\n")
    };
    format!("[{name}]\n{}", rows.into_iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/costs.md");

    #[test]
    fn the_document_has_the_rows_of_each_route() {
        let (known, prices) = (Known::parse(ROUTES, FOLLOWS).unwrap(), PriceList::built_in());

        let rows: Vec<_> = known.routes.iter().map(|(route, calls)| known.row(route, calls, &prices)).collect();

        let methods = ["| DELETE /", "| GET /", "| PATCH /", "| POST /", "| PUT /"];
        let is_row = |line: &&str| methods.iter().any(|method| line.starts_with(method));
        let there: Vec<_> = DOCUMENT.lines().filter(is_row).collect();
        assert!(there == rows, "the rows of docs/costs.md have to be\n{}", rows.join("\n"));
    }

    #[test]
    fn the_document_has_what_follows_from_a_request() {
        let (known, prices) = (Known::built_in(), PriceList::built_in());

        for After { what, for_each, usage, .. } in &known.after {
            let row = format!("| {what} | {for_each} | {} |", Known::a_million(usage, &prices).to_fixed(2));
            assert!(DOCUMENT.contains(&row), "docs/costs.md has to say {row}");
        }
        let order = known.request("POST /orders", &known.routes["POST /orders"]);
        let placed = Known::a_million(&order, &prices) + Known::a_million(&known.after(Cause::Order).usage, &prices);
        let sum = format!("A million orders of one line thus cost {} dollars", placed.to_fixed(2));
        assert!(DOCUMENT.contains(&sum), "docs/costs.md has to say {sum:?}");
    }

    #[test]
    fn the_words_of_each_have_the_units_that_are_counted() {
        for After { what, usage, .. } in &Known::built_in().after {
            for (item, unit) in [(Item::Rru, "RRU"), (Item::Wru, "WRU"), (Item::S3Put, "S3 PUT")] {
                let counted = format!("{} {unit}", usage.of(item));
                let is_said = what.contains(&counted) || usage.of(item) == Decimal::ZERO && !what.contains(unit);
                assert!(is_said, "{what:?} has to say {counted}");
            }
        }
    }

    #[test]
    fn the_document_has_a_month_without_requests() {
        let (known, prices) = (Known::built_in(), PriceList::built_in());

        let mut together = Decimal::ZERO;
        for Always { what, usage } in &known.always {
            let (cost, how_many) =
                (usage.cost(&prices), usage.of_one_kind().map_or_else(String::new, |n| n.to_text(0)));
            // The sum is that of the rows as they are printed.
            together += cost.to_fixed(2).parse().unwrap();
            let row = format!("| {what} | {how_many} | {} |", cost.to_fixed(2)).replace("|  |", "| |");
            assert!(DOCUMENT.contains(&row), "docs/costs.md has to say {row}");
        }
        let sum = format!("| **together** | | **{}** |", together.to_fixed(2));
        assert!(DOCUMENT.contains(&sum), "docs/costs.md has to say {sum}");
    }

    #[test]
    fn the_document_has_what_is_provisioned_at_least() {
        let (known, prices) = (Known::built_in(), PriceList::built_in());
        let units = known.provisioned.tables_and_indexes * known.provisioned.minimum;

        for (what, item) in [("read", Item::RcuHour), ("write", Item::WcuHour)] {
            let cost = prices.cost(item, Decimal::whole(units * 730));
            let row = format!("| {what} units | {units} for 730 hours | {} |", cost.to_fixed(2));
            assert!(DOCUMENT.contains(&row), "docs/costs.md has to say {row}");
        }
        let alarms = known.provisioned.alarm_metrics;
        let cost = prices.cost(Item::AlarmMetric, Decimal::whole(alarms)).to_fixed(2);
        let row = format!("| metrics that alarms look at | {alarms} | {cost} |");
        assert!(DOCUMENT.contains(&row), "docs/costs.md has to say {row}");
    }

    #[test]
    fn each_cause_is_there_and_names_routes_that_exist() {
        let known = Known::built_in();

        for cause in
            [Cause::Order, Cause::Mail, Cause::Link, Cause::Change, Cause::Count, Cause::Move, Cause::Abandoned]
        {
            let after = known.after(cause);
            let unknown: Vec<_> = after.routes.iter().filter(|route| !known.routes.contains_key(*route)).collect();
            assert!(unknown.is_empty(), "{cause:?}: {unknown:?}");
        }
        let unknown: Vec<_> = known.each_further_line.keys().filter(|r| !known.routes.contains_key(*r)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn the_measured_section_is_printed_as_the_file_has_it() {
        let known = Known::built_in();

        assert!(ROUTES.contains(&section("route", &known.routes)));
        assert!(ROUTES.contains(&section("each_further_line", &known.each_further_line)));
    }
}
