//! The stream in Lambda's form: read to its end, numbered as AWS does, and with additional records.

use aws_sdk_dynamodb::config::SharedHttpClient;
use local::mapping::Source;
use serde_json::{Value, json};
use table::TableNames;

use crate::faults::{plan::mix, runs::Dice};

/// Every record of the tables' streams, those of each in the order of commits.
pub async fn read(endpoint: &str, tables: &TableNames, http: &SharedHttpClient) -> Vec<Value> {
    let mut records = Vec::new();
    for (table, _) in tables.tables() {
        records.extend(of_table(&Source::new(endpoint, table, http.clone())).await);
    }
    records
}

async fn of_table(source: &Source) -> Vec<Value> {
    let stream = source.stream().await.expect("the table has a stream");
    let mut records = Vec::new();
    for shard in &stream.shards {
        let mut next = source.iterator(&stream.arn, &shard.id, None).await.ok();
        while let Some(at) = next {
            let page = source.page(&stream.arn, &at).await.expect("the engine reads streams");
            if page.records.is_empty() {
                break;
            }
            records.extend(page.records);
            next = page.next;
        }
    }
    records
}

/// Numbers records as AWS does, ascending: 21 to 40 digits, which fit into no integer and are not distinct as floats.
/// The first record is number `from`; they were made five seconds apart, beginning at `made_s`.
pub fn number(records: &mut [Value], seed: u64, from: usize, made_s: i64) {
    for (at, record) in (from..).zip(records) {
        record["dynamodb"]["SequenceNumber"] = json!(sequence_number(seed, at));
        record["dynamodb"]["ApproximateCreationDateTime"] = json!(made_s + at as i64 * 5);
    }
}

/// One digit more for every 40 records: a longer number is a larger one, and among equally long ones `at` decides.
fn sequence_number(seed: u64, at: usize) -> String {
    let digits = (21 + at / 40).min(40);
    let noise = (0..3).map(|part| format!("{:020}", mix(seed ^ (at * 3 + part) as u64))).collect::<String>();
    format!("{}{at:06}{}", 1 + seed % 9, &noise[..digits - 7])
}

/// The records that were added to the stream.
#[derive(Debug, Clone, Default)]
pub struct Fabricated {
    /// Event ids: of an order that TTL deleted, of one that was deleted by hand, and of the record that cannot be read.
    pub by_ttl: String,
    pub by_hand: String,
    pub malformed: String,
}

/// Adds records of two orders that are deleted, by TTL and by hand, and one whose body cannot be read.
pub fn fabricate(records: &mut Vec<Value>, dice: &mut Dice) -> Fabricated {
    let last: Vec<Value> = records.iter().rev().filter(|r| is_order(r)).take(12).cloned().collect();
    let fabricated = Fabricated {
        by_ttl: "00000000000000000000000000000771".to_owned(),
        by_hand: "00000000000000000000000000000b0b".to_owned(),
        malformed: "000000000000000000000000000bad00".to_owned(),
    };
    let removed = |of: &Value, event: &str| {
        let mut record = of.clone();
        record["eventID"] = json!(event);
        record["eventName"] = json!("REMOVE");
        let image = record["dynamodb"].as_object_mut().and_then(|change| change.remove("NewImage"));
        record["dynamodb"]["OldImage"] = image.unwrap_or_default();
        record
    };
    let mut expired = removed(dice.pick(&last), &fabricated.by_ttl);
    expired["userIdentity"] = json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
    let deleted = removed(dice.pick(&last), &fabricated.by_hand);
    records.extend([expired, deleted]);

    // Of another order, so that no record has to wait for it, and at any place.
    let mut malformed = dice.pick(&last).clone();
    malformed["eventID"] = json!(fabricated.malformed);
    malformed["eventName"] = json!("MODIFY");
    malformed["dynamodb"]["Keys"]["PK"] = json!({"S": "ORDER#018cc251-f400-7000-8000-0000000bad00"});
    malformed["dynamodb"]["NewImage"]["state"] = json!({"S": ["neither a string nor anything else"]});
    let place = usize::try_from(dice.roll(records.len() as u64)).expect("an index");
    records.insert(place, malformed);
    fabricated
}

fn is_order(record: &Value) -> bool {
    let keys = &record["dynamodb"]["Keys"];
    keys["SK"]["S"] == "STATUS" && record["dynamodb"]["NewImage"].is_object()
}

pub fn event_id(record: &Value) -> &str {
    record["eventID"].as_str().unwrap_or_default()
}

pub fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

/// The item a record is of.
pub fn key(record: &Value) -> (&str, &str) {
    let part = |name: &str| record["dynamodb"]["Keys"][name]["S"].as_str().unwrap_or_default();
    (part("PK"), part("SK"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_ascend_beyond_any_integer() {
        let numbers: Vec<_> = (0..2_000).map(|at| sequence_number(7, at)).collect();

        assert!(numbers.is_sorted_by(|a, b| (a.len(), a) < (b.len(), b)));
        assert_eq!((numbers[0].len(), numbers[1_999].len()), (21, 40));
        assert!(numbers.iter().all(|number| number.parse::<u64>().is_err()));
        assert!(numbers[1_999].parse::<u128>().is_err());
    }
}
