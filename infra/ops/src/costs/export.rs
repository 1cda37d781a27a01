//! The CSV that AWS Cost Explorer exports: a column for each group, a row for each day or month.
//!
//! ```text
//! Usage type,USE1-ReadRequestUnits($),USE1-WriteRequestUnits($),Total costs($)
//! Usage type total,12.5,40,52.5
//! 2026-10-01,12.5,40,52.5
//! ```
//!
//! AWS does not document this form; these are exports as others have published them.

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    csv::{self, Cell, CsvError},
    decimal::Decimal,
};

const DOLLARS: &str = "($)";
const TOTAL_COLUMN: &str = "Total costs";
/// Cells are rounded, so sums may differ by this.
const ROUNDING: Decimal = Decimal::percent(1);

/// What the export is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    UsageType,
    Operation,
    Service,
}

/// The costs of one month by group, in US dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    pub grouping: Grouping,
    /// `2026-10`.
    pub name: String,
    /// The days that the file has, and those of the month; none if it has months.
    pub days: Option<(usize, usize)>,
    pub costs: Vec<(String, Decimal)>,
}

struct Row<'a> {
    day: Date,
    cells: &'a [Cell],
}

impl Month {
    /// The month of this name, or the last one of the file.
    ///
    /// # Errors
    /// It is no such export, or its sums are not those of its cells: with line and column.
    pub fn parse(text: &str, name: Option<&str>) -> Result<Self, CsvError> {
        let rows = csv::rows(text)?;
        let nothing = || CsvError::new(csv::Place { line: 1, column: 1 }, "the file is empty");
        let (header, rows) = rows.split_first().ok_or_else(nothing)?;
        let grouping = grouping(&header[0])?;
        let groups = groups(header)?;

        let (mut days, mut totals) = (Vec::new(), None);
        for row in rows {
            if let Some(more) = row.get(header.len()) {
                return Err(CsvError::new(more.at, format!("there are {} columns above it", header.len())));
            }
            match row[0].text.to_lowercase().ends_with(" total") {
                true => totals = Some(row),
                false => days.push(Row { day: day(&row[0])?, cells: row }),
            }
            check_sum_of_row(header, row)?;
        }
        let last = days.iter().map(|row| row.day).max();
        let last = last.ok_or_else(|| CsvError::new(header[0].at, "there is no row with a day below it"))?;
        if let Some(totals) = totals {
            check_sums_of_columns(totals, &days)?;
        }

        let name = name.map_or_else(|| month_of(last), str::to_owned);
        let of_month: Vec<_> = days.iter().filter(|row| month_of(row.day) == name).collect();
        let Some(first) = of_month.first() else {
            let reason = format!("there is no row of {name}; the last one is of {}", month_of(last));
            return Err(CsvError::new(header[0].at, reason));
        };
        let monthly = days.iter().all(|row| row.day.day() == 1);
        let days = (!monthly).then(|| (of_month.len(), first.day.days_in_month().unsigned_abs().into()));
        let mut costs = Vec::new();
        for (column, group) in groups {
            let cells = of_month.iter().filter_map(|row| row.cells.get(column));
            let cost = cells.map(amount).sum::<Result<Decimal, _>>()?;
            costs.push((group, cost));
        }
        Ok(Self { grouping, name, days, costs })
    }

    pub fn total(&self) -> Decimal {
        self.costs.iter().map(|(_, cost)| *cost).sum()
    }
}

fn grouping(cell: &Cell) -> Result<Grouping, CsvError> {
    match cell.text.to_lowercase().replace(' ', "").as_str() {
        "usagetype" => Ok(Grouping::UsageType),
        "apioperation" | "operation" => Ok(Grouping::Operation),
        "service" => Ok(Grouping::Service),
        other => Err(CsvError::new(
            cell.at,
            format!(
                "a report of Cost Explorer that is grouped by usage type, API operation or service begins with that, \
                 and this one with {other:?}"
            ),
        )),
    }
}

/// The groups with their columns, without that of the totals.
fn groups(header: &[Cell]) -> Result<Vec<(usize, String)>, CsvError> {
    let mut groups = Vec::new();
    for (column, cell) in header.iter().enumerate().skip(1).filter(|(_, cell)| !cell.text.is_empty()) {
        let Some(name) = cell.text.strip_suffix(DOLLARS) else {
            return Err(CsvError::new(
                cell.at,
                format!("{:?} is not in US dollars: it does not end with {DOLLARS}", cell.text),
            ));
        };
        if name.trim() != TOTAL_COLUMN {
            groups.push((column, name.trim().to_owned()));
        }
    }
    match groups.is_empty() {
        true => Err(CsvError::new(header[0].at, "there is no column of costs beside it")),
        false => Ok(groups),
    }
}

fn day(cell: &Cell) -> Result<Date, CsvError> {
    Date::strptime("%Y-%m-%d", &cell.text).map_err(|_| {
        CsvError::new(cell.at, format!("{:?} is neither a day, such as 2026-10-01, nor a row of totals", cell.text))
    })
}

fn month_of(day: Date) -> String {
    day.strftime("%Y-%m").to_string()
}

/// A cell without a text is one without costs. Very small amounts have an exponent.
fn amount(cell: &Cell) -> Result<Decimal, CsvError> {
    if cell.text.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let wrong = || CsvError::new(cell.at, format!("{:?} is not an amount such as 12.5", cell.text));
    let fraction = cell.text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    match cell.text.parse() {
        Ok(amount) => Ok(amount),
        Err(_) if cell.text.contains(['e', 'E']) || fraction > 12 => {
            let binary: f64 = cell.text.parse().map_err(|_| wrong())?;
            format!("{binary:.12}").parse().map_err(|_| wrong())
        }
        Err(_) => Err(wrong()),
    }
}

/// The column of totals is the sum of the others.
fn check_sum_of_row(header: &[Cell], row: &[Cell]) -> Result<(), CsvError> {
    let is_total = |column: usize| header[column].text.trim_end_matches(DOLLARS).trim() == TOTAL_COLUMN;
    let (mut sum, mut total) = (Decimal::ZERO, None);
    for (column, cell) in row.iter().enumerate().skip(1) {
        match is_total(column) {
            true => total = Some((cell, amount(cell)?)),
            false => sum += amount(cell)?,
        }
    }
    match total {
        Some((cell, total)) => check(cell, total, sum, "the columns before it"),
        None => Ok(()),
    }
}

/// The row of totals has the sums of the rows below it.
fn check_sums_of_columns(totals: &[Cell], days: &[Row<'_>]) -> Result<(), CsvError> {
    for (column, cell) in totals.iter().enumerate().skip(1) {
        let cells = days.iter().filter_map(|row| row.cells.get(column));
        check(cell, amount(cell)?, cells.map(amount).sum::<Result<_, _>>()?, "the rows")?;
    }
    Ok(())
}

fn check(cell: &Cell, total: Decimal, sum: Decimal, of_what: &str) -> Result<(), CsvError> {
    let difference = if total > sum { total - sum } else { sum - total };
    match difference > ROUNDING {
        true => Err(CsvError::new(cell.at, format!("the total is {total}, and {of_what} add up to {sum}"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Usage type,USE1-ReadRequestUnits($),USE1-WriteRequestUnits($),Total costs($)";

    fn month(text: &str) -> Result<Month, String> {
        Month::parse(text, None).map_err(|error| error.to_string())
    }

    fn refused(rows: &str) -> String {
        month(&format!("{HEADER}\n{rows}")).unwrap_err()
    }

    #[test]
    fn months_are_read_from_a_report_by_month() {
        let text = format!("{HEADER}\nUsage type total,3,7,10\n2026-09-01,1,2,3\n2026-10-01,2,5,7\n");

        let last = month(&text).unwrap();
        let before = Month::parse(&text, Some("2026-09")).unwrap();

        assert_eq!((last.name.as_str(), last.days, last.total()), ("2026-10", None, Decimal::whole(7)));
        assert_eq!(last.costs[1], ("USE1-WriteRequestUnits".to_owned(), Decimal::whole(5)));
        assert_eq!(before.total(), Decimal::whole(3));
        assert!(Month::parse(&text, Some("2026-08")).unwrap_err().to_string().contains("there is no row of 2026-08"));
    }

    #[test]
    fn days_are_added_up_and_counted() {
        let text = format!("{HEADER}\n2026-10-01,1,2,3\n2026-10-02,\"0.5\",,0.5\n2026-10-03,1.5E-9,0,0\n");

        let month = month(&text).unwrap();

        assert_eq!(month.days, Some((3, 31)));
        assert_eq!(month.costs[0].1.to_string(), "1.5000000015");
    }

    #[test]
    fn reports_by_operation_and_by_service_are_recognised() {
        let by = |grouping: &str| month(&format!("{grouping},DynamoDB($)\n2026-10-01,1\n")).unwrap().grouping;

        assert_eq!(by("API operation"), Grouping::Operation);
        assert_eq!(by("Service"), Grouping::Service);
    }

    #[test]
    fn what_is_wrong_has_a_line_and_a_column() {
        assert_eq!(refused("2026-10-01,1,x,1\n"), "line 2, column 3: \"x\" is not an amount such as 12.5");
        assert_eq!(
            refused("2026-10-01,1,2,4\n"),
            "line 2, column 4: the total is 4, and the columns before it add up to 3"
        );
        assert_eq!(
            refused("Usage type total,9,2,11\n2026-10-01,1,2,3\n"),
            "line 2, column 2: the total is 9, and the rows add up to 1"
        );
        assert_eq!(refused("2026-10-01,1,2,3,4\n"), "line 2, column 5: there are 4 columns above it");
        assert_eq!(
            refused("October,1,2,3\n"),
            "line 2, column 1: \"October\" is neither a day, such as 2026-10-01, nor a row of totals"
        );
        assert_eq!(refused(""), "line 1, column 1: there is no row with a day below it");
        assert_eq!(month("").unwrap_err(), "line 1, column 1: the file is empty");
        assert!(month("Region,us-east-1($)\n").unwrap_err().starts_with("line 1, column 1: a report of Cost Explorer"));
        assert!(month("Service,S3(€)\n").unwrap_err().starts_with("line 1, column 2: \"S3(€)\" is not in US dollars"));
    }
}
