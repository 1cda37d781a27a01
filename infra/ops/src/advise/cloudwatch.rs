//! What CloudWatch exports of ConsumedReadCapacityUnits and ConsumedWriteCapacityUnits.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;

use super::demand::MetricsError;
use crate::{
    csv::{self, Cell, CsvError, Place},
    decimal::Decimal,
};

const READS: &str = "ConsumedReadCapacityUnits";
const WRITES: &str = "ConsumedWriteCapacityUnits";

/// Units of a period, by when it began.
pub type Points = BTreeMap<Timestamp, Point>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    pub reads: Decimal,
    pub writes: Decimal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Reads,
    Writes,
}

impl Metric {
    fn named_in(text: &str) -> Option<Self> {
        match (text.contains(READS), text.contains(WRITES)) {
            (true, false) => Some(Self::Reads),
            (false, true) => Some(Self::Writes),
            (true, true) | (false, false) => None,
        }
    }

    /// The same metric of the table and of its indexes adds up.
    fn add(self, points: &mut Points, at: Timestamp, units: Decimal) {
        let point = points.entry(at).or_default();
        match self {
            Self::Reads => point.reads += units,
            Self::Writes => point.writes += units,
        }
    }
}

/// The answer of [GetMetricData](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html).
pub fn from_json(text: &str) -> Result<Points, MetricsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        metric_data_results: Vec<Series>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Series {
        id: String,
        #[serde(default)]
        label: String,
        timestamps: Vec<Timestamp>,
        values: Vec<Decimal>,
        status_code: Option<String>,
    }

    let answer: Answer = serde_json::from_str(text)?;
    let mut points = Points::new();
    for Series { id, label, timestamps, values, status_code } in answer.metric_data_results {
        let wrong = |reason: String| Err(MetricsError::Content(format!("the result {id:?} {reason}")));
        let Some(metric) = Metric::named_in(&label) else {
            return wrong(format!("has the label {label:?}; it has to name {READS} or {WRITES}"));
        };
        if let Some(status) = status_code.filter(|status| status != "Complete") {
            return wrong(format!("has the status {status}; it has to be complete"));
        }
        if timestamps.len() != values.len() {
            return wrong(format!("has {} times and {} values", timestamps.len(), values.len()));
        }
        timestamps.into_iter().zip(values).for_each(|(at, units)| metric.add(&mut points, at, units));
    }
    Ok(points)
}

/// The CSV that the console downloads from a graph: rows that describe each column, then a row for each time, in UTC. AWS
/// does not document it; what counts here is that a cell above a column names the metric.
pub fn from_csv(text: &str) -> Result<Points, CsvError> {
    let rows = csv::rows(text)?;
    let is_time = |row: &Vec<Cell>| row.first().is_some_and(|cell| time(&cell.text).is_some());
    let Some(first) = rows.iter().position(is_time) else {
        let at = rows.first().map_or(Place { line: 1, column: 1 }, |row| row[0].at);
        return Err(CsvError::new(at, "no row begins with a time such as 2026/11/02 00:00:00"));
    };
    let (above, below) = rows.split_at(first);
    let columns = columns(above, below[0][0].at)?;

    let mut points = Points::new();
    for row in below {
        let wrong = || CsvError::new(row[0].at, format!("{:?} is not a time such as 2026/11/02 00:00:00", row[0].text));
        let at = time(&row[0].text).ok_or_else(wrong)?;
        for (column, metric) in &columns {
            let Some(cell) = row.get(*column).filter(|cell| !cell.text.is_empty()) else { continue };
            let units = cell.text.parse();
            let wrong = |_| CsvError::new(cell.at, format!("{:?} is not a number of units", cell.text));
            metric.add(&mut points, at, units.map_err(wrong)?);
        }
    }
    Ok(points)
}

/// Which column has which metric, by the cells above it.
fn columns(above: &[Vec<Cell>], values: Place) -> Result<Vec<(usize, Metric)>, CsvError> {
    let mut columns = Vec::new();
    let widest = above.iter().map(Vec::len).max().unwrap_or_default();
    for column in 1..widest {
        let cells = above.iter().filter_map(|row| row.get(column));
        let Some(metric) = cells.clone().find_map(|cell| Metric::named_in(&cell.text)) else { continue };
        // Averages are those of a request, not of a second.
        let others = ["Average", "Maximum", "Minimum", "SampleCount", "Sample count"];
        if let Some(cell) = cells.clone().find(|cell| others.contains(&cell.text.as_str())) {
            return Err(CsvError::new(cell.at, format!("the statistic is {}; it has to be Sum", cell.text)));
        }
        columns.push((column, metric));
    }
    match columns.is_empty() {
        true => Err(CsvError::new(values, format!("no cell above the values names {READS} or {WRITES}"))),
        false => Ok(columns),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    let civil = |format: &str| DateTime::strptime(format, text).ok();
    text.parse().ok().or_else(|| {
        let time = civil("%Y/%m/%d %H:%M:%S")
            .or_else(|| civil("%Y-%m-%d %H:%M:%S"))
            .or_else(|| civil("%Y/%m/%d %H:%M"))
            .or_else(|| civil("%Y-%m-%d %H:%M"))?;
        TimeZone::UTC.to_timestamp(time).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        from_csv(text).unwrap_err().to_string()
    }

    #[test]
    fn the_answer_of_get_metric_data_is_read_in_any_order() {
        let text = r#"{"MetricDataResults": [
            {"Id": "r", "Label": "ConsumedReadCapacityUnits", "StatusCode": "Complete",
             "Timestamps": ["2026-11-02T00:01:00+00:00", "2026-11-02T00:00:00+00:00"], "Values": [2.5, 1.0]},
            {"Id": "i", "Label": "EcommerceApp due-index ConsumedReadCapacityUnits",
             "Timestamps": ["2026-11-02T00:01:00+00:00"], "Values": [4]},
            {"Id": "w", "Label": "ConsumedWriteCapacityUnits", "Timestamps": [], "Values": []}], "Messages": []}"#;

        let points: Vec<_> = from_json(text).unwrap().into_values().map(|point| point.reads.to_string()).collect();

        assert_eq!(points, ["1", "6.5"]);
    }

    #[test]
    fn an_answer_that_is_not_complete_is_refused() {
        let with = |member: &str| {
            let text = format!(r#"{{"MetricDataResults": [{{"Id": "m", {member}, "Values": [1]}}]}}"#);
            from_json(&text).unwrap_err().to_string()
        };

        assert_eq!(
            with(r#""Label": "ConsumedReadCapacityUnits", "StatusCode": "PartialData", "Timestamps": []"#),
            "the result \"m\" has the status PartialData; it has to be complete"
        );
        assert_eq!(
            with(r#""Label": "ConsumedReadCapacityUnits", "Timestamps": []"#),
            "the result \"m\" has 0 times and 1 values"
        );
        assert!(with(r#""Label": "x", "Timestamps": []"#).contains("has the label \"x\""));
    }

    #[test]
    fn the_csv_of_the_console_has_rows_above_the_values() {
        let text = "Full label,ConsumedReadCapacityUnits,ConsumedWriteCapacityUnits\nStatistic,Sum,Sum\nPeriod,60,60\n\
                    2026/11/02 00:00:00,1.5,\n2026/11/02 00:01:00,,3\n";

        let points: Vec<_> = from_csv(text).unwrap().into_values().collect();

        let units = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(
            points,
            [Point { reads: units("1.5"), writes: units("0") }, Point { reads: units("0"), writes: units("3") }]
        );
    }

    #[test]
    fn what_is_wrong_has_a_line_and_a_column() {
        let label = "Label,ConsumedReadCapacityUnits\n";

        assert_eq!(refused("a,b\nc,d\n"), "line 1, column 1: no row begins with a time such as 2026/11/02 00:00:00");
        assert_eq!(
            refused("Label,Other\n2026/11/02 00:00:00,1\n"),
            "line 2, column 1: no cell above the values names ConsumedReadCapacityUnits or ConsumedWriteCapacityUnits"
        );
        assert_eq!(
            refused(&format!("{label}Statistic,Average\n2026/11/02 00:00:00,1\n")),
            "line 2, column 2: the statistic is Average; it has to be Sum"
        );
        assert_eq!(
            refused(&format!("{label}2026/11/02 00:00:00,x\n")),
            "line 2, column 2: \"x\" is not a number of units"
        );
        assert_eq!(
            refused(&format!("{label}2026/11/02 00:00:00,1\nlater,1\n")),
            "line 3, column 1: \"later\" is not a time such as 2026/11/02 00:00:00"
        );
    }
}
