use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Evidence, number, text};
use crate::streams::records::key;

/// What a mail says, in a word of its subject, and to whom.
struct Called<'a> {
    to: &'a str,
    word: &'static str,
}

/// Every mail that the orders of registered customers call for, by its id.
fn called_for(evidence: &Evidence) -> BTreeMap<String, Called<'_>> {
    let profile = |item: &'_ Value| text(item, "SK") == "PROFILE";
    let profiles = evidence.table.iter().filter(|item| profile(item));
    let addresses: BTreeMap<&str, &str> = profiles.map(|item| (text(item, "uid"), text(item, "email"))).collect();
    let mut called = BTreeMap::new();
    for order in evidence.table.iter().filter(|item| text(item, "SK") == "STATUS") {
        let Some(to) = addresses.get(text(order, "customer")) else { continue };
        let id = text(order, "PK").trim_start_matches("ORDER#");
        let history = order["history"].as_array().map_or(&[][..], Vec::as_slice);
        for (version, event) in (1..).zip(history) {
            if let Some(word) = word(order, &history[..version - 1], event) {
                called.insert(format!("{id}-{version}"), Called { to, word });
            }
        }
    }
    called
}

/// What has to be mailed of an event, and to whom nothing may be: of an order that no money was taken for nothing is, but
/// that it came to nothing after its customer was answered to wait.
fn word(order: &Value, past: &[Value], event: &Value) -> Option<&'static str> {
    let had = |name: &str| past.iter().any(|earlier| text(earlier, "s") == name);
    let took_money = number(order, "total") > 0 && (had("confirmed") || had("paid_late"));
    match text(event, "s") {
        "confirmed" if number(order, "total") > 0 => Some("confirmed"),
        "shipped" if took_money => Some("on its way"),
        "delivered" if took_money => Some("arrived"),
        "declined" | "expired" if had("payment_lost") => Some("cancelled"),
        "refund_paid" | "refund_recorded" => Some("paid back"),
        "refund_requested" => {
            let of_event = |refund: &&Value| number(refund, "n") == number(event, "n");
            let refund = order["refunds"].as_array().into_iter().flatten().find(of_event);
            refund.is_some_and(|refund| refund["c"] == true).then_some("cancelled")
        }
        _ => None,
    }
}

/// T1, T3: after the poison was mended, every mail was sent, whatever was lost or given up on the way.
pub fn missing(evidence: &Evidence) -> Vec<String> {
    let sent: BTreeSet<_> = evidence.mails.iter().map(|mail| mail.id.as_str()).collect();
    let called = called_for(evidence);
    let missing = called.iter().filter(|(id, _)| !sent.contains(id.as_str()));
    missing.map(|(id, called)| format!("{id}, that it is {}", called.word)).collect()
}

/// T1: no mail is sent whose mark was in the table, and no mark is taken away.
pub fn repeated(evidence: &Evidence) -> Vec<String> {
    let again = evidence.mails.iter().filter(|mail| mail.marked).map(|mail| format!("{} was sent before", mail.id));
    let forgotten = evidence.written.iter().filter(|record| {
        let change = &record["dynamodb"];
        let marked = |image: &str| !change[image]["sentAt"].is_null();
        key(record).0.starts_with("NOTIFY#") && marked("OldImage") && !marked("NewImage")
    });
    again.chain(forgotten.map(|record| format!("{} was forgotten", key(record).0))).collect()
}

/// T5: every mail is called for by its order's history, says so, and goes to the order's customer.
pub fn of_nothing(evidence: &Evidence) -> Vec<String> {
    let called = called_for(evidence);
    let wrong = evidence.mails.iter().filter_map(|mail| match called.get(&mail.id) {
        None => Some(format!("{} is not called for", mail.id)),
        Some(called) if called.to != mail.to => Some(format!("{} went to {}", mail.id, mail.to)),
        Some(called) if !mail.subject.contains(called.word) => {
            Some(format!("{} says {:?}, not that it is {}", mail.id, mail.subject, called.word))
        }
        Some(_) => None,
    });
    wrong.collect()
}

/// Mails that came again before anybody could know that they had been sent: a crash, or an answer that was lost, between
/// sending and marking. That is allowed, and counted.
pub fn repeated_in_the_window(evidence: &Evidence) -> usize {
    let different: BTreeSet<_> = evidence.mails.iter().map(|mail| mail.id.as_str()).collect();
    let marked = evidence.mails.iter().filter(|mail| mail.marked).count();
    evidence.mails.len().saturating_sub(different.len() + marked)
}
