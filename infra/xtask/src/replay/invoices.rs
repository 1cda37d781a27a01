//! Converts the rows of a real shop's order log to orders that can be placed here.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Outcome;

/// The limits of a cart in the HTTP contract.
const MAX_LINES: usize = 90;
const MAX_UNITS: i64 = 9_999;

const SOURCE: &str = "uci-online-retail";
const HEADER: &str = "invoice_no,invoice_date,customer_id,country,stock_code,quantity,unit_price_gbp";

/// An invoice that can be placed as one order.
#[derive(Debug, PartialEq, Eq)]
pub struct Invoice {
    pub number: String,
    pub customer: String,
    /// One for each product, however often the log names it.
    pub lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub product: String,
    pub units: i64,
    /// Of one unit, from the catalogue: the log's own price changes from invoice to invoice.
    pub price_pence: i64,
}

/// Why an invoice cannot be an order here; the first reason in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ineligible {
    CancelledOrAdjustment,
    NoCustomer,
    QuantityNotPositive,
    TooManyLines,
    QuantityTooLarge,
    UnknownCode,
    Unpriced,
}

/// The invoices to replay, and the ones skipped before there were enough.
#[derive(Debug, Default)]
pub struct Selection {
    pub invoices: Vec<Invoice>,
    pub ineligible: BTreeMap<Ineligible, usize>,
}

/// The data of products that the replay needs, read from the file rather than from the shop.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// All of them, from whatever source.
    pub records: usize,
    by_code: HashMap<String, Product>,
}

#[derive(Debug)]
struct Product {
    id: String,
    price_pence: Option<i64>,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    source: String,
    price: Option<String>,
    currency: String,
    #[serde(default)]
    attrs: Map<String, Value>,
}

/// An invoice as the log has it.
#[derive(Debug)]
struct Draft {
    number: String,
    customer: String,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    code: String,
    units: i64,
    /// Whether the log has a positive price for it.
    priced: bool,
}

/// The first `most` eligible invoices of a gzip log, in its order.
pub fn select(log: &Path, catalogue: &Catalogue, most: usize) -> Outcome<Selection> {
    let drafts = drafts(lines(log)?).map_err(|e| format!("{}: {e}", log.display()))?;
    let mut selection = Selection::default();
    for draft in &drafts {
        if selection.invoices.len() == most {
            break;
        }
        match draft.invoice(catalogue) {
            Ok(invoice) => selection.invoices.push(invoice),
            Err(reason) => *selection.ineligible.entry(reason).or_default() += 1,
        }
    }
    Ok(selection)
}

impl Invoice {
    pub fn total_pence(&self) -> i64 {
        self.lines.iter().map(|line| line.units * line.price_pence).sum()
    }
}

impl Selection {
    pub fn looked_at(&self) -> usize {
        self.invoices.len() + self.ineligible.values().sum::<usize>()
    }
}

impl Catalogue {
    pub fn read(file: &Path) -> Outcome<Self> {
        Self::parse(lines(file)?).map_err(|e| format!("{}: {e}", file.display()).into())
    }

    fn parse(lines: impl Iterator<Item = io::Result<String>>) -> Outcome<Self> {
        let mut catalogue = Self::default();
        for line in lines {
            let record: Record = serde_json::from_str(&line?)?;
            catalogue.records += 1;
            if record.source != SOURCE {
                continue;
            }
            let code = record.attrs.get("stock_code").and_then(Value::as_str);
            let code = code.ok_or_else(|| format!("{} has no stock_code", record.id))?.to_owned();
            let price = record.price.filter(|_| record.currency == "GBP");
            let product = Product { id: record.id, price_pence: price.as_deref().map(parse_pence).transpose()? };
            if let Some(other) = catalogue.by_code.insert(code, product) {
                return Err(format!("the stock code of {} is another product's too", other.id).into());
            }
        }
        Ok(catalogue)
    }
}

impl Draft {
    fn invoice(&self, catalogue: &Catalogue) -> Result<Invoice, Ineligible> {
        if !self.number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Ineligible::CancelledOrAdjustment);
        }
        if self.customer.is_empty() {
            return Err(Ineligible::NoCustomer);
        }
        if self.rows.iter().any(|row| row.units <= 0) {
            return Err(Ineligible::QuantityNotPositive);
        }
        let mut merged: BTreeMap<&str, i64> = BTreeMap::new();
        for row in &self.rows {
            *merged.entry(&row.code).or_default() += row.units;
        }
        if merged.len() > MAX_LINES {
            return Err(Ineligible::TooManyLines);
        }
        if merged.values().any(|units| *units > MAX_UNITS) {
            return Err(Ineligible::QuantityTooLarge);
        }
        let known = merged.iter().map(|(code, units)| Some((catalogue.by_code.get(*code)?, *units)));
        let known: Vec<(&Product, i64)> = known.collect::<Option<_>>().ok_or(Ineligible::UnknownCode)?;
        if self.rows.iter().any(|row| !row.priced) {
            return Err(Ineligible::Unpriced);
        }
        let lines = known.into_iter().map(|(product, units)| {
            let price_pence = product.price_pence.filter(|pence| *pence > 0)?;
            Some(Line { product: product.id.clone(), units, price_pence })
        });
        let lines = lines.collect::<Option<_>>().ok_or(Ineligible::Unpriced)?;
        Ok(Invoice { number: self.number.clone(), customer: self.customer.clone(), lines })
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CancelledOrAdjustment => "cancelled or adjustment",
            Self::NoCustomer => "no customer",
            Self::QuantityNotPositive => "quantity not positive",
            Self::TooManyLines => "more than 90 lines",
            Self::QuantityTooLarge => "quantity over 9,999",
            Self::UnknownCode => "unknown code",
            Self::Unpriced => "unpriced",
        })
    }
}

fn lines(gzip: &Path) -> Outcome<impl Iterator<Item = io::Result<String>> + use<>> {
    let file = File::open(gzip).map_err(|e| format!("{} cannot be read: {e}", gzip.display()))?;
    Ok(BufReader::new(MultiGzDecoder::new(BufReader::new(file))).lines())
}

/// Every invoice of the log, in the order of their first rows. The rows of one need not be together.
fn drafts(mut lines: impl Iterator<Item = io::Result<String>>) -> Outcome<Vec<Draft>> {
    if lines.next().transpose()?.as_deref() != Some(HEADER) {
        return Err(format!("the first line is not {HEADER}").into());
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut drafts: Vec<Draft> = Vec::new();
    for line in lines {
        let line = line?;
        // No field of this log is quoted; a comma inside one would show as a field too many.
        let fields: Vec<&str> = line.split(',').collect();
        let [number, _, customer, _, code, units, price] = fields[..] else {
            return Err(format!("not seven fields: {line}").into());
        };
        let units = units.parse::<i64>().map_err(|e| format!("{e}: {line}"))?;
        let priced = parse_pence(price).is_ok_and(|pence| pence > 0);
        let place = *places.entry(number.to_owned()).or_insert_with(|| {
            drafts.push(Draft { number: number.to_owned(), customer: customer.to_owned(), rows: Vec::new() });
            drafts.len() - 1
        });
        drafts[place].rows.push(Row { code: code.to_owned(), units, priced });
    }
    Ok(drafts)
}

/// Pence from `12`, `12.5` or `12.50`, by digits alone: a float would not always be exact.
fn parse_pence(decimal: &str) -> Result<i64, String> {
    let invalid = || format!("{decimal:?} is not a number of pence");
    let (pounds, fraction) = decimal.split_once('.').unwrap_or((decimal, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let pence = fraction.trim_end_matches('0');
    if !digits(pounds) || !digits(fraction) || pence.len() > 2 {
        return Err(invalid());
    }
    format!("{pounds}{pence:0<2}").parse().map_err(|_| invalid())
}

#[cfg(test)]
mod tests;
