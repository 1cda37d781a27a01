//! An independent checker of what the stream's consumers did.
//!
//! Like the checker of whole shops it shares no code with the shop: which e-mails an order's history requires, what is
//! audited and what adds up is written here a second time. A correct run breaks no rule, however often and late records
//! were delivered, and whatever crashed.

mod audit;
mod deliveries;
mod mails;
mod search;
mod sums;

use std::collections::BTreeMap;

use serde_json::Value;

pub use mails::repeated_in_the_window;

use crate::faults::checker::{self, Violation};

/// What is left after a run.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Every item of the table; numbers are JSON numbers.
    pub table: Vec<Value>,
    /// Every record for the functions, in the order of commits, in Lambda's form.
    pub records: Vec<Value>,
    /// Records of what the functions themselves wrote.
    pub written: Vec<Value>,
    /// Records of what they wrote when the whole stream was delivered once more.
    pub written_again: Vec<Value>,
    /// The objects of the audit log, by key.
    pub audit: Vec<(String, String)>,
    /// Every e-mail that was sent, in order.
    pub mails: Vec<SentMail>,
    /// Dead letters that were written under faults.
    pub dead_letters: Vec<DeadLetter>,
    /// What could not be handled after the faults had stopped.
    pub unreplayed: Vec<String>,
    /// The invocations of each function under faults, in order.
    pub courses: BTreeMap<String, Vec<Invocation>>,
    /// Texts that no log may show.
    pub secrets: Vec<String>,
    /// The customer to whom no e-mail could be sent.
    pub unreachable: String,
    /// Event ids of the record of a deletion by TTL and of the one that cannot be read.
    pub by_ttl: String,
    pub malformed: String,
}

#[derive(Debug, Clone)]
pub struct SentMail {
    /// `<order>-<version>`.
    pub id: String,
    pub to: String,
    pub subject: String,
    /// When it was sent, the table had it marked as sent already.
    pub marked: bool,
}

/// A dead letter.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub key: String,
    pub function: String,
    pub records: Vec<Value>,
}

/// One call of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The sequence numbers of its records.
    pub records: Vec<String>,
    /// The records that its answer names; `None` if it gave none.
    pub answer: Option<Vec<String>>,
    /// A fault happened meanwhile, or another environment had the same records.
    pub disturbed: bool,
    /// An additional delivery, not by the mapping.
    pub repeated: bool,
}

/// Something that holds in every correct run.
pub struct Rule {
    pub name: &'static str,
    /// The ids of `reliability.md` it proves.
    pub proves: &'static str,
    /// What it protects.
    pub protects: &'static str,
    /// Descriptions of what breaks it.
    broken: fn(&Evidence) -> Vec<String>,
}

const fn rule(
    name: &'static str,
    proves: &'static str,
    protects: &'static str,
    broken: fn(&Evidence) -> Vec<String>,
) -> Rule {
    Rule { name, proves, protects, broken }
}

/// The checker's rules of projections, which hold here as well.
const PROJECTIONS: [&str; 2] = ["order-outside-its-list", "phantom-projection"];

/// Every rule but those two. The details of each are at its function.
pub const RULES: [Rule; 19] = [
    rule("mail-missing", "T1, T3", "customers are mailed what happens to their orders", mails::missing),
    rule("mail-repeated", "T1", "an e-mail that is marked as sent is not sent again", mails::repeated),
    rule("mail-of-nothing", "T5", "no e-mail says what did not happen, or goes to others", mails::of_nothing),
    rule("audit-missing", "T1, T3", "every change to be audited is in the log", audit::missing),
    rule("audit-repeated", "T1", "no change is in the log twice", audit::repeated),
    rule("audit-of-ttl", "T5", "deletions by TTL are not in the log", audit::of_ttl),
    rule("audit-shows-secrets", "T1", "the log shows no name, address or password", audit::shows_secrets),
    rule("rating-wrong", "T1, T2", "a product's rating is what its reviews add up to", sums::rating_wrong),
    rule("sold-out-flag-wrong", "T1, T2", "lists show what is sold out", sums::sold_out_flag_wrong),
    rule("category-count-wrong", "T1, T2", "a category counts the products that are in it", sums::category_count_wrong),
    rule("order-unfound", "T1, T2", "staff find an order by number, e-mail and payment", search::order_unfound),
    rule("healthy-record-given-up", "T3", "only poison records become dead letters", deliveries::healthy_given_up),
    rule(
        "malformed-not-kept",
        "T3",
        "an unreadable record becomes one dead letter, alone",
        deliveries::malformed_not_kept,
    ),
    rule("failed-without-cause", "T3, T4", "an answer names what failed, and nothing else", deliveries::without_cause),
    rule("answer-names-nothing", "T4, T7", "an answer names a record of its batch", deliveries::names_nothing),
    rule("answer-names-many", "T4", "an answer names the first record that failed, alone", deliveries::names_many),
    rule("order-broken", "T3, T4", "the records of an item are handled in order", deliveries::order_broken),
    rule("replay-failed", "T3", "after the faults, everything can be handled", |e| e.unreplayed.clone()),
    rule("written-again", "T1", "a handled stream changes nothing when it is delivered again", |e| {
        // A note for the indexer is another with each delivery, so that none is mistaken for one that was done.
        let is_note = |record: &&Value| super::records::key(record).0.starts_with("SEARCH#CHANGED#");
        let written = e.written_again.iter().filter(|record| !is_note(record));
        written.map(|record| format!("{:?}", super::records::key(record))).collect()
    }),
];

/// The rules that the evidence breaks; none after a correct run.
pub fn verify(evidence: &Evidence) -> Vec<Violation> {
    let broken = |rule: &Rule| {
        let name = rule.name;
        (rule.broken)(evidence).into_iter().map(move |detail| Violation { rule: name, detail })
    };
    let table = checker::Evidence { table: evidence.table.clone(), ..checker::Evidence::default() };
    let projections = checker::check(&table).into_iter().filter(|v| PROJECTIONS.contains(&v.rule));
    RULES.iter().flat_map(broken).chain(projections).collect()
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_default()
}

fn number(item: &Value, name: &str) -> i64 {
    item[name].as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests;
