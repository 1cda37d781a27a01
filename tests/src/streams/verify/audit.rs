use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Evidence, text};
use crate::streams::records::{event_id, key};

/// Whether a change of such an item is audited.
fn is_audited(record: &Value) -> bool {
    if changes_nothing(record) {
        return false;
    }
    let (pk, sk) = key(record);
    let kind = pk.split('#').next().unwrap_or_default();
    match kind {
        "ORDER" => sk == "STATUS",
        // META#<product>, but neither its stock nor its rating.
        "PROD" => {
            sk.strip_prefix("META#").is_some_and(|product| !product.contains('#'))
                || sk.starts_with("MOVE#")
                || sk.starts_with("REVIEW#")
        }
        "USER" => sk == "PROFILE" || sk.starts_with("ADDRESS#"),
        "EMAIL" => true,
        _ => false,
    }
}

/// Written again unchanged: a login only counts itself on the credential, and an engine may emit records of writes that
/// change nothing at all.
fn changes_nothing(record: &Value) -> bool {
    let image = |name: &str| {
        let mut image = record["dynamodb"][name].as_object().cloned().unwrap_or_default();
        image.remove("logins");
        image
    };
    text(record, "eventName") == "MODIFY" && image("OldImage") == image("NewImage")
}

fn is_by_ttl(record: &Value) -> bool {
    text(record, "eventName") == "REMOVE" && record["userIdentity"]["type"] == "Service"
}

/// `yyyy/mm/dd` of a number of seconds since the epoch, by Howard Hinnant's `civil_from_days`.
/// <https://howardhinnant.github.io/date_algorithms.html>
fn day(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}/{month:02}/{day:02}", year_of_era + era * 400 + i64::from(month <= 2))
}

/// The object that each change to be audited is in.
fn expected(evidence: &Evidence) -> BTreeMap<&str, String> {
    let audited =
        evidence.records.iter().filter(|r| is_audited(r) && !is_by_ttl(r) && event_id(r) != evidence.malformed);
    let object = |record: &Value| {
        let made = record["dynamodb"]["ApproximateCreationDateTime"].as_i64().unwrap_or_default();
        format!("{}/{}.jsonl", day(made), event_id(record))
    };
    audited.map(|record| (event_id(record), object(record))).collect()
}

/// Every line of the log with the object it is in.
fn lines(evidence: &Evidence) -> Vec<(&str, Value)> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_default();
    let mut all = Vec::new();
    for (object, text) in &evidence.audit {
        all.extend(text.lines().map(|line| (object.as_str(), read(line))));
    }
    all
}

/// T1, T3: every change has a line that names its event, in the object of its day and event.
pub fn missing(evidence: &Evidence) -> Vec<String> {
    let lines = lines(evidence);
    let logged: BTreeSet<_> = lines.iter().map(|(object, line)| (*object, text(line, "eventId"))).collect();
    let expected = expected(evidence);
    let missing = expected.iter().filter(|(event, object)| !logged.contains(&(object.as_str(), *event)));
    missing.map(|(event, object)| format!("{event} in {object}")).collect()
}

/// T1: no change has two lines, and there is no line of anything else.
pub fn repeated(evidence: &Evidence) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let expected = expected(evidence);
    let mut wrong = Vec::new();
    for (object, line) in &lines(evidence) {
        let event = text(line, "eventId").to_owned();
        if !expected.contains_key(event.as_str()) && event != evidence.by_ttl {
            wrong.push(format!("{object} is about {event}, which is not audited"));
        }
        if !seen.insert(event.clone()) {
            wrong.push(format!("{event} is again in {object}"));
        }
    }
    wrong
}

/// T5: what TTL deleted has no line.
pub fn of_ttl(evidence: &Evidence) -> Vec<String> {
    let by_ttl: BTreeSet<_> = evidence.records.iter().filter(|r| is_by_ttl(r)).map(event_id).collect();
    let lines = lines(evidence);
    let wrong = lines.iter().filter(|(_, line)| by_ttl.contains(text(line, "eventId")));
    wrong.map(|(object, _)| (*object).to_owned()).collect()
}

/// T1: the log shows no customer's e-mail, name, address or password.
pub fn shows_secrets(evidence: &Evidence) -> Vec<String> {
    let shows = |text: &str| evidence.secrets.iter().any(|secret| text.contains(secret.as_str()));
    evidence.audit.iter().filter(|(_, text)| shows(text)).map(|(object, _)| object.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day(0), "1970/01/01");
        assert_eq!(day(951_782_400), "2000/02/29");
        assert_eq!(day(2_209_766_399), "2040/01/09");
        assert_eq!(day(1_709_251_199), "2024/02/29");
        assert_eq!(day(1_709_251_200), "2024/03/01");
    }
}
