use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{DeadLetter, Evidence, Invocation};
use crate::streams::records::{event_id, key, sequence};

/// Whether a function can never handle a record: none can read the malformed one, and no e-mail reaches one customer.
fn is_poison(evidence: &Evidence, function: &str, record: &Value) -> bool {
    let image = |name: &str| record["dynamodb"][name]["customer"]["S"] == evidence.unreachable.as_str();
    let unreachable = key(record).1 == "STATUS" && (image("NewImage") || image("OldImage"));
    event_id(record) == evidence.malformed || (function == "notifications" && unreachable)
}

/// T3: neither a temporary fault nor a poison record in the same batch turns another record into a dead letter.
pub fn healthy_given_up(evidence: &Evidence) -> Vec<String> {
    let of_dead_letter = |dead_letter: &DeadLetter| {
        let healthy = dead_letter.records.iter().filter(|record| !is_poison(evidence, &dead_letter.function, record));
        healthy
            .map(|record| format!("{} {:?} in {}", event_id(record), key(record), dead_letter.key))
            .collect::<Vec<_>>()
    };
    evidence.dead_letters.iter().flat_map(of_dead_letter).collect()
}

/// T3: the record that cannot be read is in one dead letter of each function, alone.
pub fn malformed_not_kept(evidence: &Evidence) -> Vec<String> {
    let of_function = |function: &String| {
        let has =
            |dead_letter: &&DeadLetter| dead_letter.records.iter().any(|record| event_id(record) == evidence.malformed);
        let dead_letters: Vec<_> =
            evidence.dead_letters.iter().filter(|l| l.function == *function).filter(has).collect();
        match dead_letters.as_slice() {
            [dead_letter] if dead_letter.records.len() == 1 => None,
            dead_letters => Some(format!("{function} has {} dead letters with it", dead_letters.len())),
        }
    };
    evidence.courses.keys().filter_map(of_function).collect()
}

/// T3, T4: an answer names no record that had no fault and is no poison.
///
/// What a fault left behind, such as a claim, may block a record for a while; so only records count that were never in
/// a disturbed invocation.
pub fn without_cause(evidence: &Evidence) -> Vec<String> {
    let records: HashMap<&str, &Value> = evidence.records.iter().map(|record| (sequence(record), record)).collect();
    let mut found = Vec::new();
    for (function, course) in &evidence.courses {
        let mut disturbed = BTreeSet::new();
        for invocation in course {
            if invocation.disturbed || invocation.answer.is_none() {
                disturbed.extend(&invocation.records);
                continue;
            }
            for named in invocation.answer.iter().flatten().filter(|named| !disturbed.contains(named)) {
                if records.get(named.as_str()).is_some_and(|record| !is_poison(evidence, function, record)) {
                    found.push(format!("{function} names {named}"));
                }
            }
        }
    }
    found
}

/// T4, T7: what an answer names was in the batch, with exactly this number.
pub fn names_nothing(evidence: &Evidence) -> Vec<String> {
    let unknown = |invocation: &Invocation| {
        let unknown = invocation.answer.iter().flatten().filter(|named| !invocation.records.contains(named));
        unknown.cloned().collect::<Vec<_>>()
    };
    evidence.courses.values().flatten().flat_map(unknown).collect()
}

/// T4: one record is enough, because the mapping continues from the first.
pub fn names_many(evidence: &Evidence) -> Vec<String> {
    let answers = evidence.courses.values().flatten().filter_map(|invocation| invocation.answer.as_ref());
    answers.filter(|answer| answer.len() > 1).map(|answer| format!("{answer:?}")).collect()
}

/// T3, T4: the records of each item are first handled in the order of commits, except those that were given up.
pub fn order_broken(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (function, course) in &evidence.courses {
        let dead_letters = evidence.dead_letters.iter().filter(|dead_letter| dead_letter.function == *function);
        let given_up: BTreeSet<_> = dead_letters.flat_map(|dead_letter| &dead_letter.records).map(sequence).collect();
        // By record: the invocation that first handled it, and the place it had there.
        let mut handled: HashMap<&str, (usize, usize)> = HashMap::new();
        for (at, invocation) in course.iter().enumerate() {
            for (place, record) in invocation.records.iter().take(done(invocation)).enumerate() {
                handled.entry(record).or_insert((at, place));
            }
        }
        let mut last: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
        for record in evidence.records.iter().filter(|record| !given_up.contains(sequence(record))) {
            let Some(now) = handled.get(sequence(record)) else { continue };
            let before = last.insert(key(record), *now);
            if before.is_some_and(|before| before > *now) {
                found.push(format!(
                    "{function}: {} of {:?} was handled before the one before it",
                    sequence(record),
                    key(record)
                ));
            }
        }
    }
    found
}

/// How many records an answer reports as done: all before the first that it names.
fn done(invocation: &Invocation) -> usize {
    let Some(named) = &invocation.answer else { return 0 };
    let place = |named: &String| invocation.records.iter().position(|record| record == named).unwrap_or_default();
    named.iter().map(place).min().unwrap_or(invocation.records.len())
}
