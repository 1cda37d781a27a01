//! Planted bugs: what a consumer would do if its code had one of these mistakes. They change its requests and their
//! answers, the event before it gets it, and its answer, so that its own code has no switch for them.

use serde_json::{Value, json};
use stream::Answer;

use super::records::sequence;
use crate::faults::bugs::{drop_condition, key, writes};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    NoticeNotRemembered,
    DeclineMailed,
    FreeOrderMailed,
    ProjectedWithoutLooking,
    BatchFailsAsOne,
    FailureAnsweredAsSuccess,
    LastRecordNamed,
    TtlNotRecognised,
    SequenceNumberAsInteger,
    RatingCountedTwice,
    CategoryCountedTwice,
    CategoryPassedUpTwice,
    AuditByArrival,
    ContactNotFound,
}

/// What a bug does to a request to the table.
#[derive(Debug, PartialEq)]
pub enum Deed {
    Nothing,
    /// It was changed, and is sent.
    Changed,
    /// It is not sent; this is the answer.
    Answered(Value),
}

impl Bug {
    pub const ALL: &[Bug] = &[
        Bug::NoticeNotRemembered,
        Bug::DeclineMailed,
        Bug::FreeOrderMailed,
        Bug::ProjectedWithoutLooking,
        Bug::BatchFailsAsOne,
        Bug::FailureAnsweredAsSuccess,
        Bug::LastRecordNamed,
        Bug::TtlNotRecognised,
        Bug::SequenceNumberAsInteger,
        Bug::RatingCountedTwice,
        Bug::CategoryCountedTwice,
        Bug::CategoryPassedUpTwice,
        Bug::AuditByArrival,
        Bug::ContactNotFound,
    ];

    pub fn name(self) -> &'static str {
        self.description().0
    }

    /// The id in `reliability.md` that it breaks.
    pub fn breaks(self) -> &'static str {
        self.description().1
    }

    /// The checker's rules that may catch it; one is enough.
    pub fn expected(self) -> &'static [&'static str] {
        self.description().2
    }

    fn description(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Bug::NoticeNotRemembered => ("notice-not-remembered", "T1", &["mail-repeated"]),
            Bug::DeclineMailed => ("decline-mailed", "T5", &["mail-of-nothing"]),
            Bug::FreeOrderMailed => ("free-order-mailed", "T5", &["mail-of-nothing"]),
            Bug::ProjectedWithoutLooking => ("projected-without-looking", "T2", &["order-outside-its-list"]),
            Bug::BatchFailsAsOne => ("batch-fails-as-one", "T3", &["failed-without-cause"]),
            Bug::FailureAnsweredAsSuccess => {
                ("failure-answered-as-success", "T4", &["mail-missing", "audit-missing", "order-outside-its-list"])
            }
            Bug::LastRecordNamed => {
                ("last-record-named", "T4", &["mail-missing", "audit-missing", "order-outside-its-list"])
            }
            Bug::TtlNotRecognised => ("ttl-not-recognised", "T5", &["audit-of-ttl"]),
            Bug::SequenceNumberAsInteger => ("sequence-number-as-integer", "T7", &["answer-names-nothing"]),
            Bug::RatingCountedTwice => ("rating-counted-twice", "T1", &["rating-wrong"]),
            Bug::CategoryCountedTwice => ("category-counted-twice", "T1", &["category-count-wrong"]),
            Bug::CategoryPassedUpTwice => ("category-passed-up-twice", "T1", &["category-count-wrong"]),
            Bug::AuditByArrival => ("audit-by-arrival", "T1", &["audit-repeated"]),
            Bug::ContactNotFound => ("contact-not-found", "T2", &["order-unfound"]),
        }
    }

    /// Applies the bug to a request of a consumer.
    pub fn ask(self, operation: &str, body: &mut Value) -> Deed {
        let before = body.clone();
        match self {
            Bug::NoticeNotRemembered if operation == "PutItem" && key(body).0.starts_with("NOTIFY#") => {
                drop_condition(body);
            }
            Bug::ProjectedWithoutLooking => match operation {
                "GetItem" if is_list_entry(body) => return Deed::Answered(json!({})),
                "Query" if body["Select"] == "COUNT" => return Deed::Answered(json!({"Count": 0, "ScannedCount": 0})),
                "PutItem" if is_list_entry(body) => drop_condition(body),
                _ => {}
            },
            // As if the entry for the contact's e-mail were not written.
            Bug::ContactNotFound if operation == "PutItem" && key(body).0.starts_with("CONTACT#") => {
                return Deed::Answered(json!({}));
            }
            Bug::RatingCountedTwice if operation == "TransactWriteItems" => {
                writes(body).filter(|write| key(write).1.starts_with("COUNTED#")).for_each(drop_condition);
            }
            // What was counted or passed on is not recorded, so that every delivery does it again.
            Bug::CategoryCountedTwice if operation == "TransactWriteItems" => {
                forget(body, |write| key(write).1 == "CATEGORY");
            }
            Bug::CategoryPassedUpTwice if operation == "TransactWriteItems" => {
                forget(body, |write| write["UpdateExpression"] == "SET passedUp = :has");
            }
            _ => {}
        }
        if *body == before { Deed::Nothing } else { Deed::Changed }
    }

    /// Applies the bug to an event. Returns whether that made a difference.
    pub fn alter_event(self, records: &mut [Value]) -> bool {
        let change: fn(&mut Value) -> bool = match self {
            Bug::TtlNotRecognised => {
                |record| record.as_object_mut().is_some_and(|record| record.remove("userIdentity").is_some())
            }
            Bug::DeclineMailed => calls_its_payment_lost,
            Bug::FreeOrderMailed => charges_a_cent,
            _ => return false,
        };
        records.iter_mut().filter_map(|record| change(record).then_some(())).count() > 0
    }

    /// Applies the bug to the answer to an event. Returns whether that made a difference.
    pub fn alter_answer(self, records: &[Value], answer: &mut Answer) -> bool {
        let Some(failure) = answer.batch_item_failures.first_mut() else { return false };
        let before = failure.item_identifier.clone();
        let named = |record: Option<&Value>| record.map(|record| sequence(record).to_owned());
        match self {
            Bug::BatchFailsAsOne => failure.item_identifier = named(records.first()),
            Bug::LastRecordNamed => failure.item_identifier = named(records.last()),
            Bug::FailureAnsweredAsSuccess => {
                answer.batch_item_failures.clear();
                return true;
            }
            Bug::SequenceNumberAsInteger => {
                let number = before.as_deref().and_then(|number| number.parse::<f64>().ok());
                failure.item_identifier = number.map(|number| format!("{number:.0}"));
            }
            _ => {}
        }
        failure.item_identifier != before
    }
}

/// Removes writes from a transaction.
fn forget(body: &mut Value, which: impl Fn(&Value) -> bool) {
    let Some(actions) = body.get_mut("TransactItems").and_then(Value::as_array_mut) else { return };
    actions.retain(|action| !action.as_object().is_some_and(|action| action.values().any(&which)));
}

/// Whether a request is about an entry in a customer's list of orders.
fn is_list_entry(request: &Value) -> bool {
    key(request).0.starts_with("USER#") && key(request).1.starts_with("ORDER#")
}

/// Makes an order that was declined at once look as if its payment's answer had been lost.
fn calls_its_payment_lost(record: &mut Value) -> bool {
    let history = &mut record["dynamodb"]["NewImage"]["history"]["L"];
    let Some([first, second, ..]) = history.as_array_mut().map(Vec::as_mut_slice) else { return false };
    if second["M"]["s"]["S"] != "declined" {
        return false;
    }
    first["M"]["s"]["S"] = json!("payment_lost");
    true
}

/// Makes a free order look as if it had been paid.
fn charges_a_cent(record: &mut Value) -> bool {
    let total = &mut record["dynamodb"]["NewImage"]["total"]["N"];
    if total.as_str() != Some("0") {
        return false;
    }
    *total = json!("1");
    true
}
