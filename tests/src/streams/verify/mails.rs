use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Evidence, number, text};
use crate::streams::records::key;

/// A required e-mail: its recipient, and a word of its subject.
struct Called<'a> {
    to: &'a str,
    word: &'static str,
}

/// Every e-mail that the orders require, by its id. It goes to the order's contact, or to the customer's account if the
/// order has none. About an order for which no money was taken, it goes to the account only, so a guest gets none.
fn called_for(evidence: &Evidence) -> BTreeMap<String, Called<'_>> {
    let profile = |item: &'_ Value| text(item, "SK") == "PROFILE";
    let profiles = evidence.table.iter().filter(|item| profile(item));
    let addresses: BTreeMap<&str, &str> = profiles.map(|item| (text(item, "uid"), text(item, "email"))).collect();
    let mut called = BTreeMap::new();
    for order in evidence.table.iter().filter(|item| text(item, "SK") == "STATUS") {
        let account = addresses.get(text(order, "customer")).copied();
        let contact = order["contact"]["email"].as_str().or(account);
        let id = text(order, "PK").trim_start_matches("ORDER#");
        let history = order["history"].as_array().map_or(&[][..], Vec::as_slice);
        for (version, event) in (1..).zip(history) {
            let to = if matches!(text(event, "s"), "declined" | "expired") { account } else { contact };
            if let (Some(to), Some(word)) = (to, word(order, &history[..version - 1], event)) {
                called.insert(format!("{id}-{version}"), Called { to, word });
            }
        }
    }
    called
}

/// The word of the e-mail that an event requires. An order for which no money was taken requires none, except that it
/// is cancelled after its customer was answered to wait.
fn word(order: &Value, past: &[Value], event: &Value) -> Option<&'static str> {
    let had = |name: &str| past.iter().any(|earlier| text(earlier, "s") == name);
    let took_money = number(order, "total") > 0 && (had("confirmed") || had("paid_late"));
    match text(event, "s") {
        "confirmed" if number(order, "total") > 0 => Some("confirmed"),
        "shipped" if took_money => Some("on its way"),
        "delivered" if took_money => Some("arrived"),
        "declined" | "expired" if had("payment_lost") => Some("cancelled"),
        "refund_paid" | "refund_recorded" => Some("refunded"),
        "refund_requested" => {
            let of_event = |refund: &&Value| number(refund, "n") == number(event, "n");
            let refund = order["refunds"].as_array().into_iter().flatten().find(of_event);
            refund.is_some_and(|refund| refund["c"] == true).then_some("cancelled")
        }
        _ => None,
    }
}

/// T1, T3: after the dead letters are replayed, every required e-mail was sent, whatever was lost or given up before.
pub fn missing(evidence: &Evidence) -> Vec<String> {
    let sent: BTreeSet<_> = evidence.mails.iter().map(|mail| mail.id.as_str()).collect();
    let called = called_for(evidence);
    let missing = called.iter().filter(|(id, _)| !sent.contains(id.as_str()));
    missing.map(|(id, called)| format!("{id}, that it is {}", called.word)).collect()
}

/// T1: no e-mail is sent that is marked as sent in the table, and no mark is removed.
pub fn repeated(evidence: &Evidence) -> Vec<String> {
    let again = evidence.mails.iter().filter(|mail| mail.marked).map(|mail| format!("{} was sent before", mail.id));
    let forgotten = evidence.written.iter().filter(|record| {
        let change = &record["dynamodb"];
        let marked = |image: &str| !change[image]["sentAt"].is_null();
        key(record).0.starts_with("NOTIFY#") && marked("OldImage") && !marked("NewImage")
    });
    again.chain(forgotten.map(|record| format!("{} was forgotten", key(record).0))).collect()
}

/// T5: every e-mail is required by its order's history, says so, and goes to the order's contact or customer.
pub fn of_nothing(evidence: &Evidence) -> Vec<String> {
    let called = called_for(evidence);
    let wrong = evidence.mails.iter().filter_map(|mail| match called.get(&mail.id) {
        None => Some(format!("{} is not required", mail.id)),
        Some(called) if called.to != mail.to => Some(format!("{} went to {}", mail.id, mail.to)),
        Some(called) if !mail.subject.contains(called.word) => {
            Some(format!("{} says {:?}, not that it is {}", mail.id, mail.subject, called.word))
        }
        Some(_) => None,
    });
    wrong.collect()
}

/// E-mails that were sent again because of a crash or a lost answer between sending and marking. That is allowed, and
/// counted.
pub fn repeated_in_the_window(evidence: &Evidence) -> usize {
    let different: BTreeSet<_> = evidence.mails.iter().map(|mail| mail.id.as_str()).collect();
    let marked = evidence.mails.iter().filter(|mail| mail.marked).count();
    evidence.mails.len().saturating_sub(different.len() + marked)
}
