//! What a table consumed, minute by minute.

use jiff::Timestamp;
use serde::Deserialize;

use super::cloudwatch;
use crate::{csv::CsvError, decimal::Decimal};

/// Two years. More is a mistake in a time.
const MOST_MINUTES: usize = 2 * 366 * 24 * 60;

/// The samples that are built in, by name.
pub const SAMPLES: [(&str, &str); 3] = [
    ("steady-catalogue", include_str!("../../samples/advise/steady-catalogue.json")),
    ("flash-sale", include_str!("../../samples/advise/flash-sale.json")),
    ("nightly-import", include_str!("../../samples/advise/nightly-import.json")),
];

/// Units of reads and of writes, of each minute. Where the file has longer periods, they are spread evenly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    pub start: Timestamp,
    pub period_minutes: u32,
    pub reads: Vec<Decimal>,
    pub writes: Vec<Decimal>,
}

#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Csv(#[from] CsvError),
    #[error("{0}")]
    Content(String),
}

/// A file of one's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    /// For its reader.
    #[serde(default, rename = "about")]
    _about: String,
    start: Timestamp,
    period_minutes: u32,
    points: Vec<Point>,
}

/// Units that were consumed in one period, or in each of several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    #[serde(default)]
    reads: Decimal,
    #[serde(default)]
    writes: Decimal,
    #[serde(default = "once")]
    times: u32,
}

const fn once() -> u32 {
    1
}

impl Demand {
    /// From JSON of one's own, of CloudWatch's `GetMetricData`, or from the CSV of its console. Without a period it is the
    /// shortest distance of two times.
    ///
    /// # Errors
    /// It is none of these; times or values are missing or wrong. With line and column where there are any.
    pub fn parse(text: &str, period_minutes: Option<u32>) -> Result<Self, MetricsError> {
        if !text.trim_start().starts_with('{') {
            let points = cloudwatch::from_csv(text)?;
            return Self::of_points(&points, period_minutes);
        }
        let value: serde_json::Value = serde_json::from_str(text)?;
        if value.get("MetricDataResults").is_some() {
            let points = cloudwatch::from_json(text)?;
            return Self::of_points(&points, period_minutes);
        }
        let own: Own = serde_json::from_str(text)?;
        let periods: usize = own.points.iter().map(|point| point.times as usize).sum();
        let minutes = checked_minutes(periods, own.period_minutes)?;
        let (mut reads, mut writes) = (Vec::with_capacity(minutes), Vec::with_capacity(minutes));
        for point in &own.points {
            for _ in 0..point.times {
                spread(&mut reads, point.reads, own.period_minutes);
                spread(&mut writes, point.writes, own.period_minutes);
            }
        }
        Self { start: own.start, period_minutes: own.period_minutes, reads, writes }.checked()
    }

    /// From times and what was consumed in the period that begins there. A period without a point had no requests.
    fn of_points(points: &cloudwatch::Points, period_minutes: Option<u32>) -> Result<Self, MetricsError> {
        let content = |reason: &str| MetricsError::Content(reason.to_owned());
        let minutes_of = |time: &Timestamp| time.as_second().div_euclid(60);
        let times: Vec<i64> = points.keys().map(minutes_of).collect();
        let (Some(start), Some(first), Some(last)) = (points.keys().next(), times.first(), times.last()) else {
            return Err(content("there is no value in it"));
        };
        let shortest = times.windows(2).map(|pair| pair[1] - pair[0]).min();
        let period = period_minutes.map(i64::from).or(shortest);
        let period = period.filter(|period| *period > 0);
        let period = period.ok_or_else(|| content("it has one time only: set --period, the minutes of a value"))?;
        if times.iter().any(|time| (time - first) % period != 0) {
            return Err(content("its times are not at equal distances: set --period, the minutes of a value"));
        }
        let periods = usize::try_from((last - first) / period + 1).unwrap_or(usize::MAX);
        let period = u32::try_from(period).unwrap_or(u32::MAX);
        checked_minutes(periods, period)?;
        let mut demand = Self { start: *start, period_minutes: period, reads: Vec::new(), writes: Vec::new() };
        let mut points = points.iter().peekable();
        for at in 0..periods {
            let here = first + i64::try_from(at).unwrap_or(i64::MAX) * i64::from(period);
            let point =
                points.next_if(|(time, _)| minutes_of(time) == here).map(|(_, point)| *point).unwrap_or_default();
            spread(&mut demand.reads, point.reads, period);
            spread(&mut demand.writes, point.writes, period);
        }
        demand.checked()
    }

    fn checked(self) -> Result<Self, MetricsError> {
        let wrong = |units: &Decimal| *units < Decimal::ZERO || *units > Decimal::whole(1_000_000_000_000);
        match self.reads.iter().chain(&self.writes).find(|units| wrong(units)) {
            Some(units) => Err(MetricsError::Content(format!("a minute cannot have {units} units"))),
            None => Ok(self),
        }
    }

    pub fn minutes(&self) -> usize {
        self.reads.len()
    }
}

fn checked_minutes(periods: usize, period_minutes: u32) -> Result<usize, MetricsError> {
    if !(1..=60).contains(&period_minutes) {
        let reason = format!("a value is of {period_minutes} minutes; it has to be of a minute up to an hour");
        return Err(MetricsError::Content(reason));
    }
    let minutes = periods.saturating_mul(period_minutes as usize);
    match minutes {
        0 => Err(MetricsError::Content("there is no value in it".to_owned())),
        1..=MOST_MINUTES => Ok(minutes),
        _ => Err(MetricsError::Content(format!("it has {minutes} minutes, more than two years"))),
    }
}

/// A period's units, evenly over its minutes.
fn spread(minutes: &mut Vec<Decimal>, units: Decimal, period_minutes: u32) {
    let each = units.over(Decimal::whole(period_minutes.into())).unwrap_or_default();
    minutes.extend(std::iter::repeat_n(each, period_minutes as usize));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Demand::parse(text, None).unwrap_err().to_string()
    }

    #[test]
    fn a_file_of_ones_own_repeats_points() {
        let text = r#"{"start": "2026-11-02T00:00:00Z", "period_minutes": 5,
                       "points": [{"reads": 10, "times": 2}, {"reads": 0.5, "writes": 5}]}"#;

        let demand = Demand::parse(text, None).unwrap();

        assert_eq!(demand.minutes(), 15);
        assert_eq!((demand.reads[9], demand.reads[10]), (Decimal::whole(2), "0.1".parse().unwrap()));
        assert_eq!((demand.writes[9], demand.writes[14]), (Decimal::ZERO, Decimal::ONE));
    }

    #[test]
    fn a_period_without_a_value_had_no_requests() {
        let csv =
            "Label,ConsumedReadCapacityUnits\n2026/11/02 00:00:00,60\n2026/11/02 00:01:00,60\n2026/11/02 00:04:00,30\n";

        let demand = Demand::parse(csv, None).unwrap();

        let units: Vec<_> = demand.reads.iter().map(ToString::to_string).collect();
        assert_eq!(units, ["60", "60", "0", "0", "30"]);
    }

    #[test]
    fn hours_are_spread_over_their_minutes() {
        let csv = "Label,ConsumedWriteCapacityUnits\n2026/11/02 00:00:00,60\n2026/11/02 01:00:00,120\n";

        let demand = Demand::parse(csv, None).unwrap();

        assert_eq!((demand.minutes(), demand.period_minutes), (120, 60));
        assert_eq!((demand.writes[0], demand.writes[60]), (Decimal::ONE, Decimal::whole(2)));
    }

    #[test]
    fn each_sample_can_be_read() {
        for (name, text) in SAMPLES {
            assert!(Demand::parse(text, None).unwrap().minutes() >= 24 * 60, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let own = |period: &str, points: &str| {
            refused(&format!(
                r#"{{"start": "2026-11-02T00:00:00Z", "period_minutes": {period}, "points": [{points}]}}"#
            ))
        };

        assert_eq!(own("0", r#"{"reads": 1}"#), "a value is of 0 minutes; it has to be of a minute up to an hour");
        assert_eq!(own("1", ""), "there is no value in it");
        assert_eq!(own("1", r#"{"reads": -1}"#), "a minute cannot have -1 units");
        assert_eq!(own("60", r#"{"reads": 1, "times": 4000000}"#), "it has 240000000 minutes, more than two years");
        assert!(own("1", r#"{"read": 1}"#).contains("unknown field `read`"));
        assert!(refused("{\n").contains("line 2 column 0"), "{}", refused("{\n"));
        assert_eq!(
            refused("Label,ConsumedReadCapacityUnits\n2026/11/02 00:00:00,1\n"),
            "it has one time only: set --period, the minutes of a value"
        );
    }
}
