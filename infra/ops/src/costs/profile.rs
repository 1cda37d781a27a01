//! A shop's month, as a TOML file says it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::known::Known;
use crate::decimal::Decimal;

/// More than any shop has; sums of it stay exact.
const MOST: Decimal = Decimal::whole(1_000_000_000_000);

/// The samples that are built in, by name.
pub const SAMPLES: [(&str, &str); 3] = [
    ("small", include_str!("../../samples/costs/small.toml")),
    ("busy", include_str!("../../samples/costs/busy.toml")),
    ("flash-sales", include_str!("../../samples/costs/flash-sales.toml")),
];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub name: String,
    /// A month's requests, by route.
    pub requests: BTreeMap<String, Decimal>,
    #[serde(default)]
    pub orders: Orders,
    /// The part of a route's requests that are answered without a read of the table, by route, from 0 to 1.
    #[serde(default)]
    pub from_memory: BTreeMap<String, Decimal>,
    #[serde(default)]
    pub stored: Stored,
    #[serde(default)]
    pub more: More,
    #[serde(default)]
    pub load: Load,
    #[serde(default)]
    pub scan_design: ScanDesign,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Orders {
    /// Lines of an average order, and of the cart before it.
    pub lines: Decimal,
    /// The parts of the checkouts that are paid, and that are left unpaid until the sweeper cancels them.
    pub paid: Decimal,
    pub abandoned: Decimal,
    /// E-mails for a paid order: placed, shipped, delivered.
    pub mails: Decimal,
}

impl Default for Orders {
    fn default() -> Self {
        Self { lines: Decimal::ONE, paid: Decimal::ONE, abandoned: Decimal::ZERO, mails: Decimal::ONE }
    }
}

/// GB that are kept, on average of the month.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stored {
    pub table_gb: Decimal,
    pub indexes_gb: Decimal,
    pub s3_gb: Decimal,
    pub logs_gb: Decimal,
}

/// What cannot be derived from the requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct More {
    pub traces: Decimal,
    pub custom_metrics: Decimal,
    pub key_requests: Decimal,
    pub secret_requests: Decimal,
    pub transfer_gb: Decimal,
    /// Products that a rename of their category moves.
    pub moved_products: Decimal,
}

/// How unevenly the month's traffic arrives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// The busiest hour, as a multiple of the month's average.
    pub busiest_hour: Decimal,
    /// The busiest minute of an hour, as a multiple of that hour's average.
    pub busiest_minute: Decimal,
}

impl Default for Load {
    fn default() -> Self {
        Self { busiest_hour: Decimal::whole(3), busiest_minute: Decimal::percent(150) }
    }
}

/// The design that it is compared with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScanDesign {
    pub products: Decimal,
    /// Of a product, as it is stored.
    pub item_bytes: Decimal,
}

impl Default for ScanDesign {
    fn default() -> Self {
        Self { products: Decimal::whole(5_000_000), item_bytes: Decimal::whole(1024) }
    }
}

/// Why a profile is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// With line and column.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("line {line}: {reason}")]
    Value { line: usize, reason: String },
}

impl Profile {
    /// # Errors
    /// It is no TOML, has a field or a route that does not exist, or a number that is out of range.
    pub fn parse(text: &str, known: &Known) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text)?;
        match profile.fault(known) {
            None => Ok(profile),
            Some((name, reason)) => Err(ProfileError::Value { line: line_of(text, &name), reason }),
        }
    }

    /// A built-in sample.
    pub fn sample(name: &str, known: &Known) -> Option<Self> {
        let (_, text) = SAMPLES.iter().find(|(sample, _)| *sample == name)?;
        Some(Self::parse(text, known).expect("a test reads each"))
    }

    /// The first field that cannot be so, and why.
    fn fault(&self, known: &Known) -> Option<(String, String)> {
        let routes = self.requests.keys().chain(self.from_memory.keys());
        if let Some(route) = routes.clone().find(|route| !known.routes.contains_key(*route)) {
            let path = route.split_once(' ').map_or(route.as_str(), |(_, path)| path);
            let alike = known.routes.keys().filter(|known| known.ends_with(path)).cloned().collect::<Vec<_>>();
            let hint = match alike.is_empty() {
                true => "docs/costs.md lists them".to_owned(),
                false => format!("did you mean {}?", alike.join(" or ")),
            };
            return Some((route.clone(), format!("there is no route {route:?}; {hint}")));
        }
        let share = |value: Decimal| value <= Decimal::ONE;
        let Self { orders, stored, more, load, scan_design, .. } = self;
        let values = [
            ("lines", orders.lines, Decimal::ONE, Decimal::whole(90)),
            ("paid", orders.paid, Decimal::ZERO, Decimal::ONE),
            ("abandoned", orders.abandoned, Decimal::ZERO, Decimal::ONE),
            ("mails", orders.mails, Decimal::ZERO, Decimal::whole(100)),
            ("table_gb", stored.table_gb, Decimal::ZERO, MOST),
            ("indexes_gb", stored.indexes_gb, Decimal::ZERO, MOST),
            ("s3_gb", stored.s3_gb, Decimal::ZERO, MOST),
            ("logs_gb", stored.logs_gb, Decimal::ZERO, MOST),
            ("traces", more.traces, Decimal::ZERO, MOST),
            ("custom_metrics", more.custom_metrics, Decimal::ZERO, MOST),
            ("key_requests", more.key_requests, Decimal::ZERO, MOST),
            ("secret_requests", more.secret_requests, Decimal::ZERO, MOST),
            ("transfer_gb", more.transfer_gb, Decimal::ZERO, MOST),
            ("moved_products", more.moved_products, Decimal::ZERO, MOST),
            ("busiest_hour", load.busiest_hour, Decimal::ONE, Decimal::whole(730)),
            ("busiest_minute", load.busiest_minute, Decimal::ONE, Decimal::whole(60)),
            ("products", scan_design.products, Decimal::ZERO, Decimal::whole(10_000_000_000)),
            ("item_bytes", scan_design.item_bytes, Decimal::ONE, Decimal::whole(400 * 1024)),
        ];
        let out_of_range = |name: &str, value, least, most| {
            (!(least..=most).contains(&value))
                .then(|| (name.to_owned(), format!("{name} is {value}, and has to be from {least} to {most}")))
        };
        let of_routes = self.requests.iter().map(|(route, count)| (route.as_str(), *count, Decimal::ZERO, MOST));
        let of_memory =
            self.from_memory.iter().map(|(route, part)| (route.as_str(), *part, Decimal::ZERO, Decimal::ONE));
        values
            .into_iter()
            .chain(of_routes)
            .chain(of_memory)
            .find_map(|(name, value, least, most)| out_of_range(name, value, least, most))
            .or_else(|| {
                (!share(orders.paid + orders.abandoned))
                    .then(|| ("abandoned".to_owned(), "paid and abandoned are together more than 1".to_owned()))
            })
    }

    pub fn requests_in_all(&self) -> Decimal {
        self.requests.values().copied().sum()
    }

    pub fn requests_of(&self, route: &str) -> Decimal {
        self.requests.get(route).copied().unwrap_or_default()
    }
}

/// The first line that names a field, or 1.
fn line_of(text: &str, name: &str) -> usize {
    let names_it = |line: &str| line.trim_start().trim_start_matches('"').starts_with(name);
    text.lines().position(names_it).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Profile::parse(text, &Known::built_in()).unwrap_err().to_string()
    }

    #[test]
    fn each_sample_can_be_read() {
        let known = Known::built_in();

        for (name, _) in SAMPLES {
            let profile = Profile::sample(name, &known).unwrap();
            assert_eq!(profile.name, name);
            assert!(profile.requests_in_all() > Decimal::ZERO);
        }
        assert!(Profile::sample("huge", &known).is_none());
    }

    #[test]
    fn a_profile_needs_only_a_name_and_requests() {
        let text = "name = \"a\"\n[requests]\n\"GET /cart\" = 1_000\n";

        let profile = Profile::parse(text, &Known::built_in()).unwrap();

        assert_eq!(profile.requests_of("GET /cart"), Decimal::whole(1000));
        assert_eq!(profile.orders.lines, Decimal::ONE);
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let with = |rest: &str| refused(&format!("name = \"a\"\n[requests]\n\"GET /cart\" = 1\n{rest}"));

        assert_eq!(
            with("\"PUSH /orders\" = 2\n"),
            "line 4: there is no route \"PUSH /orders\"; did you mean GET /admin/orders or GET /orders or POST /orders?"
        );
        assert_eq!(with("\"GET /x\" = 2\n"), "line 4: there is no route \"GET /x\"; docs/costs.md lists them");
        assert_eq!(with("[orders]\nlines = 0\n"), "line 5: lines is 0, and has to be from 1 to 90");
        assert_eq!(
            with("[orders]\npaid = 0.9\nabandoned = 0.2\n"),
            "line 6: paid and abandoned are together more than 1"
        );
        assert!(with("[orders]\nline = 2\n").contains("line 5"), "{}", with("[orders]\nline = 2\n"));
        assert!(with("[orders]\nlines = \"two\"\n").contains("\"two\" is not a number such as 12 or 0.25"));
        assert!(refused("name = ").contains("line 1, column"));
    }
}
