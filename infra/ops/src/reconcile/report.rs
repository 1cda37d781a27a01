use std::fmt;

use domain::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use table::{StoreError, error_chain, keys::PRODUCT_PREFIX};

/// The result of a comparison. Its `Display` is the summary; findings have their own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether repairs were requested.
    pub repair: bool,
    pub looked_at: LookedAt,
    pub findings: Vec<Finding>,
    /// Products whose stock differs, but may be correct.
    pub not_judged: Vec<NotVerified>,
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LookedAt {
    /// Days whose settled orders were read.
    pub days: usize,
    pub orders: usize,
    /// Products whose stock was compared.
    pub products: usize,
    pub objects: usize,
}

/// A difference, and the result of its repair. Its `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(flatten)]
    pub problem: Problem,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Problem {
    /// Projections of an order are missing, or of an earlier version.
    OrderBehind {
        key: String,
        /// The entry in the customer's list.
        entry_key: String,
        version: u64,
        listed_version: Option<u64>,
        lines: usize,
        /// Existing line items.
        listed_lines: usize,
    },
    /// Staff do not find an order by its number, its contact or its payment.
    OrderUnfound {
        key: String,
        /// The entries that are missing.
        missing: Vec<String>,
    },
    /// The available units differ from those supplied, less those in orders.
    StockWrong { key: String, available: i64, expected: i64, supplied: i64, in_orders: i64 },
    /// Units that were set aside for the sales of a product are neither in lots nor in orders, or are in both.
    SaleUnitsWrong { key: String, set_aside: i64, in_lots: i64, in_orders: i64 },
    /// Lists show a product as sold out that is not, or the reverse.
    SignWrong { key: String, sold_out: bool },
    /// An object that no product points to.
    ObjectOrphaned { key: String, bytes: u64, written_at: Timestamp },
    /// An object that is not a product's description.
    ObjectForeign { key: String },
    /// A malformed item.
    Damaged { key: String, error: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    Reported,
    Mended,
    /// A repair was requested but not possible.
    Unmended {
        reason: String,
    },
}

/// A product whose stock differs, but may be correct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotVerified {
    pub product: String,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It was sold, returned or restocked shortly before or meanwhile.
    Moving,
    /// An earlier product with the same id was deleted, and its ledger and orders remain.
    CreatedAgain,
}

/// Something that was requested and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "check", rename_all = "camelCase")]
pub enum Skipped {
    /// Not all orders since the first product were read, and any of them may have taken stock.
    Stock { from: Date },
}

impl Report {
    /// Whether no difference is left.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome == Outcome::Mended)
    }

    pub(super) fn add(&mut self, problem: Problem, outcome: Outcome) {
        self.findings.push(Finding { problem, outcome });
    }

    /// Each malformed item counts once, however often it is read. It is not repaired, because its correct content is
    /// unknown.
    pub(super) fn add_damaged(&mut self, error: &StoreError) {
        let key = match error {
            StoreError::Corrupt { key, .. } => key.clone(),
            _ => String::new(),
        };
        let known = |f: &Finding| matches!(&f.problem, Problem::Damaged { key: known, .. } if *known == key);
        if self.findings.iter().any(known) {
            return;
        }
        let outcome = match self.repair {
            true => Outcome::unmended("its correct content is unknown"),
            false => Outcome::Reported,
        };
        self.add(Problem::Damaged { key, error: error_chain(error) }, outcome);
    }
}

impl Outcome {
    pub(super) fn unmended(reason: &str) -> Self {
        Self::Unmended { reason: reason.to_owned() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LookedAt { days, orders, products, objects } = self.looked_at;
        write!(f, "checked {orders} orders ({days} days, and open ones), stock of {products} products, ")?;
        write!(f, "{objects} objects: ")?;
        let repaired = self.findings.iter().filter(|finding| finding.outcome == Outcome::Mended).count();
        match self.findings.len() {
            0 if self.skipped.is_empty() && self.not_judged.is_empty() => write!(f, "nothing is wrong"),
            0 => write!(f, "nothing is wrong with what was compared"),
            wrong if self.repair => write!(f, "findings: {wrong}, repaired: {repaired}"),
            wrong => write!(f, "findings: {wrong}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        match &self.outcome {
            Outcome::Reported => Ok(()),
            Outcome::Mended => write!(f, "; repaired"),
            Outcome::Unmended { reason } => write!(f, "; not repaired: {reason}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::OrderBehind { key, entry_key, version, listed_version, lines, listed_lines } => {
                write!(f, "{key}: at version {version}, but {entry_key} ")?;
                match listed_version {
                    Some(listed) => write!(f, "is at {listed}")?,
                    None => write!(f, "is missing")?,
                }
                write!(f, "; {listed_lines} of {lines} lines exist")
            }
            Problem::OrderUnfound { key, missing } => write!(f, "{key}: {} missing", missing.join(", ")),
            Problem::StockWrong { key, available, expected, supplied, in_orders } => {
                write!(f, "{key}: {available} available instead of {expected} ")?;
                write!(f, "({supplied} supplied, {in_orders} in orders)")
            }
            Problem::SaleUnitsWrong { key, set_aside, in_lots, in_orders } => {
                write!(f, "{key}: {set_aside} units are set aside for sales, but {in_lots} are in lots ")?;
                write!(f, "and {in_orders} in orders")
            }
            Problem::SignWrong { key, sold_out: true } => write!(f, "{key}: sold out, but lists do not show it"),
            Problem::SignWrong { key, sold_out: false } => write!(f, "{key}: lists show it as sold out, but it is not"),
            Problem::ObjectOrphaned { key, bytes, written_at } => {
                write!(f, "{key}: no product points to it ({bytes} bytes of {written_at:.0})")
            }
            Problem::ObjectForeign { key } => write!(f, "{}: not a product's description", key.escape_debug()),
            Problem::Damaged { key, error } => write!(f, "{key}: {}", error.escape_debug()),
        }
    }
}

impl fmt::Display for NotVerified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Moving => "its stock is changing; run it again at a quieter time",
            Why::CreatedAgain => "it was deleted and created again, and its ledger and orders belong to both products",
        };
        write!(f, "{PRODUCT_PREFIX}{}: not judged: {why}", self.product)
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Skipped::Stock { from } = self;
        write!(f, "stock was not compared: that needs every order since the first product; use --from {from}, ")?;
        write!(f, "or --only stock")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn behind(outcome: Outcome) -> Finding {
        let problem = Problem::OrderBehind {
            key: "ORDER#1 / STATUS".to_owned(),
            entry_key: "USER#ann / ORDER#2024-01-01#1".to_owned(),
            version: 2,
            listed_version: None,
            lines: 3,
            listed_lines: 1,
        };
        Finding { problem, outcome }
    }

    #[test]
    fn a_finding_is_one_line_with_its_keys() {
        let damaged = StoreError::Corrupt { key: "ORDER#2 / STATUS".to_owned(), source: "two\nlines".into() };
        let mut report = Report { repair: true, ..Report::default() };
        report.add_damaged(&damaged);
        report.add_damaged(&damaged);
        let stock = Problem::StockWrong {
            key: "PROD#mug / META#mug#STOCK#00".to_owned(),
            available: 5,
            expected: 7,
            supplied: 9,
            in_orders: 2,
        };
        report.add(stock, Outcome::Reported);

        let lines: Vec<_> = report.findings.iter().map(Finding::to_string).collect();

        assert_eq!(
            behind(Outcome::Mended).to_string(),
            "ORDER#1 / STATUS: at version 2, but USER#ann / ORDER#2024-01-01#1 is missing; 1 of 3 lines exist; repaired"
        );
        assert_eq!(
            lines,
            [
                "ORDER#2 / STATUS: stored item ORDER#2 / STATUS does not read back: two\\nlines; \
                 not repaired: its correct content is unknown",
                "PROD#mug / META#mug#STOCK#00: 5 available instead of 7 (9 supplied, 2 in orders)",
            ]
        );
    }

    #[test]
    fn a_report_is_clean_when_every_difference_is_repaired() {
        let with = |outcomes: Vec<Outcome>| Report {
            repair: true,
            findings: outcomes.into_iter().map(behind).collect(),
            ..Report::default()
        };

        assert!(with(vec![]).is_clean());
        assert!(with(vec![Outcome::Mended, Outcome::Mended]).is_clean());
        assert!(!with(vec![Outcome::Mended, Outcome::unmended("busy")]).is_clean());
        assert!(!with(vec![Outcome::Reported]).is_clean());
        assert!(with(vec![Outcome::Mended]).to_string().ends_with("findings: 1, repaired: 1"));
    }

    #[test]
    fn a_program_reads_findings_by_name() {
        let report = Report {
            findings: vec![behind(Outcome::unmended("busy"))],
            not_judged: vec![NotVerified { product: "mug".to_owned(), why: Why::Moving }],
            skipped: vec![Skipped::Stock { from: "2024-01-01".parse().unwrap() }],
            ..Report::default()
        };

        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            json!({
                "repair": false,
                "lookedAt": { "days": 0, "orders": 0, "products": 0, "objects": 0 },
                "findings": [{
                    "problem": "orderBehind",
                    "key": "ORDER#1 / STATUS",
                    "entryKey": "USER#ann / ORDER#2024-01-01#1",
                    "version": 2,
                    "listedVersion": null,
                    "lines": 3,
                    "listedLines": 1,
                    "outcome": "unmended",
                    "reason": "busy",
                }],
                "notJudged": [{ "product": "mug", "why": "moving" }],
                "skipped": [{ "check": "stock", "from": "2024-01-01" }],
            })
        );
    }
}
