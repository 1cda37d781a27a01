//! A month's bill, from a profile.

use serde::Serialize;

use super::{
    known::{Calls, Cause, Known},
    prices::{Item, PriceList},
    profile::Profile,
    provisioned::{self, Capacity},
    usage::Usage,
};
use crate::decimal::Decimal;

/// Hours of a month, as AWS counts them.
pub const HOURS: u64 = 730;

/// Where in the bill a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Requests,
    Follows,
    Stored,
    Always,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub part: Part,
    pub what: String,
    /// Of the requests, orders or whatever it is; none if it is not counted.
    pub count: Option<Decimal>,
    pub usage: Usage,
}

/// All of a month, on demand, and what provisioning replaces.
#[derive(Clone, Debug)]
pub struct Bill {
    pub lines: Vec<Line>,
    /// Of all lines, on demand.
    pub usage: Usage,
    pub capacity: Capacity,
}

impl Bill {
    pub fn of(profile: &Profile, known: &Known) -> Self {
        let mut lines = requests(profile, known);
        lines.extend(follows(profile, known));
        lines.extend(stored(profile));
        lines.extend(always(profile, known));
        let mut usage = Usage::default();
        lines.iter().for_each(|line| usage.add_all(&line.usage));
        let capacity = provisioned::capacity(&usage, &profile.load, &known.provisioned);
        Self { lines, usage, capacity }
    }

    /// Of the same month with capacity that follows the hours.
    pub fn scaled(&self) -> Usage {
        self.provisioned(self.capacity.scaled)
    }

    /// Of the same month with capacity for its busiest minute, all the time.
    pub fn fixed(&self) -> Usage {
        self.provisioned(self.capacity.fixed)
    }

    fn provisioned(&self, units: provisioned::Units) -> Usage {
        let hours = Decimal::whole(HOURS);
        self.usage
            .clone()
            .without_requests_to_the_table()
            .and(Item::RcuHour, units.reads.times(hours))
            .and(Item::WcuHour, units.writes.times(hours))
            .and(Item::AlarmMetric, self.capacity.alarm_metrics)
    }

    pub fn total(&self, prices: &PriceList) -> Decimal {
        self.usage.cost(prices)
    }
}

fn requests(profile: &Profile, known: &Known) -> Vec<Line> {
    let each = profile.requests.iter().filter(|(_, count)| **count > Decimal::ZERO);
    each.map(|(route, count)| {
        let calls = known.calls(route, profile.orders.lines).unwrap_or_default();
        let read = Decimal::ONE - profile.from_memory.get(route).copied().unwrap_or_default();
        let calls = Calls { rru: calls.rru.times(read), ..calls };
        let usage = known.request(route, &calls).times(*count);
        Line { part: Part::Requests, what: route.clone(), count: Some(*count), usage }
    })
    .collect()
}

fn follows(profile: &Profile, known: &Known) -> Vec<Line> {
    let orders = profile.requests_of("POST /orders");
    let paid = orders.times(profile.orders.paid);
    let after_routes = |cause| known.after(cause).routes.iter().map(|route| profile.requests_of(route)).sum();
    let links: Decimal = after_routes(Cause::Link);
    let counts = [
        ("paid orders", Cause::Order, paid),
        ("abandoned orders", Cause::Abandoned, orders.times(profile.orders.abandoned)),
        ("mailed links", Cause::Link, links),
        ("e-mails", Cause::Mail, paid.times(profile.orders.mails) + links),
        ("changes, in the audit log", Cause::Change, after_routes(Cause::Change)),
        ("products created or deleted, counted", Cause::Count, after_routes(Cause::Count)),
        ("products moved by a rename", Cause::Move, profile.more.moved_products),
    ];
    let further = profile.orders.lines - Decimal::ONE;
    let line = |(what, cause, count): (&str, Cause, Decimal)| {
        let after = known.after(cause);
        let mut usage = after.usage.clone();
        usage.add_all(&after.each_further_line.times(further));
        Line { part: Part::Follows, what: what.to_owned(), count: Some(count), usage: usage.times(count) }
    };
    counts.into_iter().filter(|(_, _, count)| *count > Decimal::ZERO).map(line).collect()
}

fn stored(profile: &Profile) -> Vec<Line> {
    let Profile { stored, .. } = profile;
    let kept = [
        ("GB in the table", Item::TableGb, stored.table_gb),
        ("GB in the indexes", Item::TableGb, stored.indexes_gb),
        ("GB restorable to any point in time", Item::RecoveryGb, stored.table_gb),
        ("GB in S3", Item::S3Gb, stored.s3_gb),
        ("GB of logs that are kept", Item::LogsGb, stored.logs_gb),
    ];
    counted(Part::Stored, &kept)
}

fn always(profile: &Profile, known: &Known) -> Vec<Line> {
    let idle = known.always.iter().filter(|always| always.usage != Usage::default());
    let mut lines: Vec<_> = idle
        .map(|always| {
            // The words before the explanation.
            let what = always.what.split(':').next().unwrap_or_default().to_owned();
            Line { part: Part::Always, what, count: always.usage.of_one_kind(), usage: always.usage.clone() }
        })
        .collect();
    let more = &profile.more;
    lines.extend(counted(
        Part::Always,
        &[
            ("metrics of access patterns and others", Item::Metric, more.custom_metrics),
            ("traces", Item::Trace, more.traces),
            ("requests to the key", Item::KeyRequest, more.key_requests),
            ("reads of secrets", Item::SecretRequest, more.secret_requests),
            ("GB to the internet", Item::TransferGb, more.transfer_gb),
        ],
    ));
    lines
}

fn counted(part: Part, counts: &[(&str, Item, Decimal)]) -> Vec<Line> {
    let some = counts.iter().filter(|(_, _, count)| *count > Decimal::ZERO);
    some.map(|(what, item, count)| Line {
        part,
        what: (*what).to_owned(),
        count: Some(*count),
        usage: Usage::default().and(*item, *count),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/costs.md");

    fn bill(text: &str) -> Bill {
        let known = Known::built_in();
        Bill::of(&Profile::parse(&format!("name = \"a\"\n{text}"), &known).unwrap(), &known)
    }

    /// What a month costs beyond one without requests.
    fn beyond_idle(text: &str) -> String {
        let prices = PriceList::built_in();
        (bill(text).total(&prices) - bill("[requests]").total(&prices)).to_fixed(2)
    }

    fn request_line(bill: &Bill) -> &Line {
        bill.lines.iter().find(|line| line.part == Part::Requests).unwrap()
    }

    fn said(words: &str) -> String {
        let rest = DOCUMENT.split(words).nth(1).unwrap_or_else(|| panic!("docs/costs.md has no {words:?}"));
        rest.trim_start().split(|c: char| !(c.is_ascii_digit() || c == '.')).next().unwrap().to_owned()
    }

    #[test]
    fn a_million_orders_of_one_line_cost_what_the_document_says() {
        let orders = "[requests]\n\"POST /orders\" = 1_000_000\n[orders]\nmails = 0";

        assert_eq!(beyond_idle(orders), said("A million orders of one line thus cost "));
    }

    #[test]
    fn a_month_without_requests_costs_what_the_document_says() {
        assert_eq!(bill("[requests]").total(&PriceList::built_in()).to_fixed(2), said("| **together** | | **"));
    }

    #[test]
    fn a_million_requests_cost_what_the_document_says() {
        let requests = "[requests]\n\"GET /products\" = 1_000_000";

        let row = DOCUMENT.lines().find(|line| line.starts_with("| GET /products |")).unwrap();
        assert_eq!(beyond_idle(requests), row.trim_end_matches(" |").rsplit(' ').next().unwrap());
    }

    #[test]
    fn what_comes_from_memory_costs_no_reads() {
        let requests = "[requests]\n\"GET /products\" = 1_000\n[from_memory]\n\"GET /products\" = 0.75";

        let usage = request_line(&bill(requests)).usage.clone();

        let reads = Known::built_in().routes["GET /products"].rru;
        assert_eq!(usage.of(Item::Rru), reads.times(Decimal::whole(250)));
        assert_eq!(usage.of(Item::HttpApi), Decimal::whole(1000));
    }

    #[test]
    fn each_further_line_adds_what_the_access_patterns_say() {
        let of_lines = |lines: u64| {
            let text = format!("[requests]\n\"POST /orders\" = 1\n[orders]\nlines = {lines}");
            request_line(&bill(&text)).usage.clone()
        };

        let (one, four) = (of_lines(1), of_lines(4));

        // n lines take 2n RRU and 3n WRU of the sum in docs/access-patterns.md.
        assert_eq!(four.of(Item::Rru) - one.of(Item::Rru), Decimal::whole(6));
        assert_eq!(four.of(Item::Wru) - one.of(Item::Wru), Decimal::whole(9));
    }

    #[test]
    fn a_link_costs_its_e_mail_as_well() {
        let bill = bill("[requests]\n\"POST /passwords/reset\" = 10");

        assert_eq!(bill.usage.of(Item::Mail), Decimal::whole(10));
    }

    proptest! {
        #[test]
        fn more_requests_never_cost_less_and_lines_add_up(counts in prop::collection::vec(0_u32..100_000_000, 40..80)) {
            let (known, prices) = (Known::built_in(), PriceList::built_in());
            let profile = |factor: u64| {
                let count = |count: &u32| Decimal::whole(u64::from(*count) * factor);
                let mut profile = Profile::parse("name = \"a\"\n[requests]", &known).unwrap();
                profile.requests = known.routes.keys().cloned().zip(counts.iter().map(count)).collect();
                profile
            };

            let (once, twice) = (Bill::of(&profile(1), &known), Bill::of(&profile(2), &known));

            let idle = Bill::of(&Profile::parse("name = \"a\"\n[requests]", &known).unwrap(), &known).total(&prices);
            let lines: Decimal = once.lines.iter().map(|line| line.usage.cost(&prices)).sum();
            prop_assert_eq!(lines, once.total(&prices));
            // What is not idle doubles.
            prop_assert_eq!(twice.total(&prices) - idle, (once.total(&prices) - idle).times(Decimal::whole(2)));
            prop_assert!(twice.scaled().cost(&prices) >= once.scaled().cost(&prices));
            prop_assert!(once.fixed().cost(&prices) >= once.scaled().cost(&prices));
        }
    }
}
