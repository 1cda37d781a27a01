//! Logs and metrics of a function: one log line for each invocation, and metrics, which CloudWatch reads from separate
//! lines in its [embedded metric
//! format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use domain::Timestamp;
use serde_json::{Map, Value, json};
use table::meter::{Cost, Costs, Pattern};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    filter::{FilterExt as _, Targets, filter_fn},
    layer::Filter,
    registry::LookupSpan,
};

/// The namespace of all our metrics; the table's name is their dimension.
pub const NAMESPACE: &str = "OneTill";

/// The crates of this workspace that log.
const OWN_CRATES: [&str; 20] = [
    "api",
    "cart",
    "domain",
    "generations",
    "indexer",
    "local",
    "notifications",
    "ops",
    "orders",
    "payments",
    "products",
    "projections",
    "runtime",
    "saga",
    "search",
    "search_function",
    "sessions",
    "stream",
    "sweeper",
    "table",
];

/// The log filter: `RUST_LOG`, or else `otherwise`, but third-party crates are limited to warnings. Below that the AWS
/// SDK, the Lambda runtime and the HTTP stack log requests and items verbatim, with e-mails, addresses, tokens and
/// hashes. What this workspace logs contains none of those at any level.
///
/// `RUST_LOG` is a level, `crate=level` or `crate::module=level`, or several of these, comma-separated. One that cannot be
/// read counts as unset. Spans and their fields cannot be named: that takes regular expressions, which every function
/// would be larger by.
pub fn log_filter<S>(otherwise: &str) -> impl Filter<S> + Send + Sync + 'static
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let asked_for = crate::variable("RUST_LOG").and_then(|levels| targets(&levels));
    let asked_for = asked_for.or_else(|| targets(otherwise)).unwrap_or_default();
    asked_for.and(filter_fn(may_be_logged))
}

fn targets(levels: &str) -> Option<Targets> {
    let levels: Vec<_> = levels.split(',').map(str::trim).filter(|level| !level.is_empty()).collect();
    if levels.is_empty() { None } else { levels.join(",").parse().ok() }
}

fn may_be_logged(line: &Metadata<'_>) -> bool {
    let of_crate = line.target().split("::").next().unwrap_or_default();
    *line.level() <= Level::WARN || OWN_CRATES.contains(&of_crate)
}

/// Whether this is the first invocation of the process. Returns true once.
pub fn is_cold_start() -> bool {
    static COLD: AtomicBool = AtomicBool::new(true);
    COLD.swap(false, Ordering::Relaxed)
}

/// The access patterns that were used, for a log line: `AP-06 AP-17`.
pub fn patterns(costs: &Costs) -> String {
    costs.by_pattern.keys().copied().collect::<Vec<_>>().join(" ")
}

/// Where metrics go: to a function's standard output, or nowhere.
#[derive(Debug, Clone)]
pub struct Metrics {
    table: String,
    /// Whether to emit one metric for each access pattern, which costs money.
    of_patterns: bool,
}

impl Metrics {
    /// Metrics of a shop, by its table. With `ACCESS_PATTERN_METRICS=on` all metrics are written, otherwise only those
    /// that alarms need.
    ///
    /// # Errors
    /// The variable has an unknown value.
    pub fn from_env(table: &str, var: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let of_patterns = match var("ACCESS_PATTERN_METRICS").as_deref() {
            Some("on") => true,
            Some("off") | None => false,
            Some(other) => return Err(format!("ACCESS_PATTERN_METRICS={other} is neither on nor off")),
        };
        Ok(Self { table: table.to_owned(), of_patterns })
    }

    /// `RRU` and `WRU` of each access pattern that consumed any.
    pub fn emit_patterns(&self, costs: &Costs, now: Timestamp) {
        if self.of_patterns {
            for (pattern, cost) in &costs.by_pattern {
                if let Some(line) = pattern_line(&self.table, pattern, cost, now) {
                    print_line(&line);
                }
            }
        }
    }

    /// Counts of the shop as a whole.
    pub fn emit(&self, counts: &[(&str, f64)], now: Timestamp) {
        print_line(&line(&[("Table", &self.table)], counts, now));
    }
}

fn pattern_line(table: &str, pattern: Pattern, cost: &Cost, now: Timestamp) -> Option<Value> {
    let units = [("RRU", cost.rru), ("WRU", cost.wru)];
    let consumed: Vec<_> = units.into_iter().filter(|(_, units)| *units > 0.0).collect();
    (!consumed.is_empty()).then(|| line(&[("AccessPattern", pattern), ("Table", table)], &consumed, now))
}

fn line(dimensions: &[(&str, &str)], metrics: &[(&str, f64)], now: Timestamp) -> Value {
    let names: Vec<_> = dimensions.iter().map(|(name, _)| *name).collect();
    let kinds: Vec<_> = metrics.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut line = Map::new();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": kinds});
    line.insert("_aws".to_owned(), json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]}));
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    line.extend(metrics.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    Value::Object(line)
}

/// Written at once, so that lines of concurrent requests do not mix. If it cannot be written it is lost; the request
/// goes on.
fn print_line(line: &Value) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_metric_is_a_line_of_the_embedded_metric_format() {
        let cost = Cost { wru: 13.0, dynamodb_calls: 1, ..Cost::default() };

        let line = pattern_line("EcommerceApp", "AP-08", &cost, NOW);

        let expected = json!({
            "_aws": {"Timestamp": 0, "CloudWatchMetrics": [{
                "Namespace": "OneTill",
                "Dimensions": [["AccessPattern", "Table"]],
                "Metrics": [{"Name": "WRU", "Unit": "Count"}],
            }]},
            "AccessPattern": "AP-08",
            "Table": "EcommerceApp",
            "WRU": 13.0,
        });
        assert_eq!(line, Some(expected));
    }

    #[test]
    fn levels_are_read_for_everything_a_crate_or_a_module() {
        let enabled = |levels: &str, target: &str, level: Level| targets(levels).unwrap().would_enable(target, &level);

        for all in ["info", "INFO", " info ", "3", "warn,info"] {
            assert!(enabled(all, "orders::checkout", Level::INFO), "{all}");
            assert!(!enabled(all, "orders::checkout", Level::DEBUG), "{all}");
        }
        for some in ["orders=debug", "error,orders=debug", "error, orders::checkout=debug,", "orders"] {
            assert!(enabled(some, "orders::checkout", Level::DEBUG), "{some}");
            assert!(!enabled(some, "cart::handlers", Level::WARN), "{some}");
        }
        assert!(!enabled("off", "orders", Level::ERROR));
        for unread in ["", ",", "orders=loud", "orders=info=debug"] {
            assert!(targets(unread).is_none(), "{unread}");
        }
        assert!(targets("warn,dynoxide=error").is_some());
    }

    #[test]
    fn a_pattern_that_consumed_nothing_is_not_a_metric() {
        assert_eq!(pattern_line("EcommerceApp", "AP-08", &Cost::default(), NOW), None);
    }

    #[test]
    fn metrics_of_patterns_are_on_or_off() {
        let of = |value: &'static str| Metrics::from_env("t", move |_| Some(value.to_owned()));

        assert!(of("on").unwrap().of_patterns && !of("off").unwrap().of_patterns);
        assert!(!Metrics::from_env("t", |_| None).unwrap().of_patterns);
        assert!(of("yes").unwrap_err().contains("ACCESS_PATTERN_METRICS"));
    }
}
