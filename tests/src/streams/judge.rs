//! An independent judge of what the functions behind the stream made of it.
//!
//! Like the checker of whole shops it shares no code with the shop: what an order's history calls for, what is audited
//! and what adds up to what is written here a second time. No rule may break in a correct run, however often and late
//! records were delivered, and whatever crashed over them.

mod audit;
mod deliveries;
mod mails;
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
    /// Every record that the functions had, in the order of commits, as Lambda hands it over.
    pub records: Vec<Value>,
    /// Records of what the functions themselves wrote.
    pub written: Vec<Value>,
    /// Records of what they wrote when they got the whole stream once more.
    pub written_again: Vec<Value>,
    /// The objects of the audit log, by key.
    pub audit: Vec<(String, String)>,
    /// Every mail that somebody took, in order.
    pub mails: Vec<SentMail>,
    /// What was given up while everything went wrong.
    pub dead_letters: Vec<DeadLetter>,
    /// What still could not be handled when nothing went wrong any more.
    pub unreplayed: Vec<String>,
    /// What each function was called with, in order, while everything went wrong.
    pub courses: BTreeMap<String, Vec<Invocation>>,
    /// Texts that no log may show.
    pub secrets: Vec<String>,
    /// The customer whose mail nobody took.
    pub unreachable: String,
    /// Event ids of the record that TTL made and of the one that cannot be read.
    pub by_ttl: String,
    pub malformed: String,
}

#[derive(Debug, Clone)]
pub struct SentMail {
    /// `<order>-<version>`.
    pub id: String,
    pub to: String,
    pub subject: String,
    /// The table said, when the mail was taken, that it had been sent.
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
    /// Not by the mapping, that had done with these records or was about to.
    pub repeated: bool,
}

/// Something that holds in every correct run.
pub struct Rule {
    pub name: &'static str,
    /// The ids of `reliability.md` it proves.
    pub proves: &'static str,
    /// What it protects.
    pub protects: &'static str,
    /// What breaks it, in words.
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
pub const RULES: [Rule; 18] = [
    rule("mail-missing", "T1, T3", "customers are told what happens to their orders", mails::missing),
    rule("mail-repeated", "T1", "what is remembered as told is not told again", mails::repeated),
    rule("mail-of-nothing", "T5", "nobody is told what did not happen, or what happened to others", mails::of_nothing),
    rule("audit-missing", "T1, T3", "every change somebody may answer for is in the log", audit::missing),
    rule("audit-repeated", "T1", "and only once", audit::repeated),
    rule("audit-of-ttl", "T5", "time that passes is nobody's deed", audit::of_ttl),
    rule("audit-tells-secrets", "T1", "the log shows nobody's name, address or password", audit::tells_secrets),
    rule("rating-wrong", "T1, T2", "a product's rating is what its reviews add up to", sums::rating_wrong),
    rule("sold-out-flag-wrong", "T1, T2", "lists say of stock what is so", sums::sold_out_flag_wrong),
    rule("category-count-wrong", "T1, T2", "a category has the products that are in it", sums::category_count_wrong),
    rule("healthy-record-given-up", "T3", "only what can never work is given up", deliveries::healthy_given_up),
    rule("malformed-not-kept", "T3", "what cannot be read is kept, once and alone", deliveries::malformed_not_kept),
    rule("failed-without-cause", "T3, T4", "an answer names what failed, and nothing else", deliveries::without_cause),
    rule("answer-names-nothing", "T4, T7", "an answer names a record of its batch", deliveries::names_nothing),
    rule("answer-names-many", "T4", "an answer names the first record that failed, alone", deliveries::names_many),
    rule("order-broken", "T3, T4", "what happened to an item is handled in that order", deliveries::order_broken),
    rule("replay-failed", "T3", "once all is well, everything can be handled", |e| e.unreplayed.clone()),
    rule("written-again", "T1", "a stream that was handled changes nothing when it comes again", |e| {
        e.written_again.iter().map(|record| format!("{:?}", super::records::key(record))).collect()
    }),
];

/// What the evidence contradicts, rule by rule; nothing after a correct run.
pub fn judge(evidence: &Evidence) -> Vec<Violation> {
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
