//! Converts a record of the stream's API to the form in a Lambda event.

use aws_sdk_dynamodbstreams::types::{AttributeValue, Record};
use serde_json::{Map, Value, json};

/// The record in the form of a Lambda event.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
pub fn event_record(record: Record, stream_arn: &str) -> Value {
    let change = record.dynamodb.map(|change| {
        let created = change.approximate_creation_date_time;
        object([
            ("ApproximateCreationDateTime", created.map(|at| epoch_seconds(at.secs(), at.subsec_nanos()))),
            ("Keys", change.keys.map(item)),
            ("NewImage", change.new_image.map(item)),
            ("OldImage", change.old_image.map(item)),
            ("SequenceNumber", change.sequence_number.map(Value::from)),
            ("SizeBytes", change.size_bytes.map(Value::from)),
            ("StreamViewType", change.stream_view_type.map(|view| view.as_str().into())),
        ])
    });
    let user = record.user_identity.map(|user| {
        object([("type", user.r#type.map(Value::from)), ("principalId", user.principal_id.map(Value::from))])
    });
    object([
        ("eventID", record.event_id.map(Value::from)),
        ("eventName", record.event_name.map(|name| name.as_str().into())),
        ("eventVersion", record.event_version.map(Value::from)),
        ("eventSource", Some(record.event_source.map_or_else(|| json!("aws:dynamodb"), Value::from))),
        ("awsRegion", record.aws_region.map(Value::from)),
        ("dynamodb", change),
        ("eventSourceARN", Some(stream_arn.into())),
        // Only an identity other than a caller of the API is given: TTL.
        ("userIdentity", user),
    ])
}

/// The position of the record in its shard: 21 to 40 digits, opaque.
pub fn sequence_number(record: &Value) -> Option<&str> {
    record.pointer("/dynamodb/SequenceNumber")?.as_str().filter(|number| !number.is_empty())
}

/// Absent members are left out instead of being null.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect())
}

/// AWS gives whole seconds; an engine with more precision is not rounded.
fn epoch_seconds(seconds: i64, nanos: u32) -> Value {
    match nanos {
        0 => json!(seconds),
        // An f64 of seconds is exact to the microsecond, more than "approximate" promises.
        _ => json!(seconds as f64 + f64::from(nanos) / 1e9),
    }
}

fn item(item: std::collections::HashMap<String, AttributeValue>) -> Value {
    // Attribute values are strings, booleans, lists and maps, which JSON can represent.
    serde_json::to_value(serde_dynamo::Item::from(item)).unwrap_or_else(|_| Value::Object(Map::new()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::{
        primitives::{Blob, DateTime},
        types::{Identity, OperationType, StreamRecord, StreamViewType},
    };
    use stream::{Change, Kind};

    use super::*;

    const NUMBER: &str = "1234567890123456789012345678901234567890";

    fn record() -> Record {
        let change = StreamRecord::builder()
            .approximate_creation_date_time(DateTime::from_secs(1_790_000_000))
            .keys("PK", AttributeValue::S("ORDER#1".to_owned()))
            .keys("SK", AttributeValue::S("STATUS".to_owned()))
            .old_image("n", AttributeValue::N("12345678901234567890.5".to_owned()))
            .old_image("list", AttributeValue::L(vec![AttributeValue::Bool(true), AttributeValue::Null(true)]))
            .old_image("bytes", AttributeValue::B(Blob::new([1, 2, 3])))
            .old_image("set", AttributeValue::Ss(vec!["a".to_owned()]))
            .sequence_number(NUMBER)
            .size_bytes(59)
            .stream_view_type(StreamViewType::NewAndOldImages);
        Record::builder()
            .event_id("0b1e")
            .event_name(OperationType::Remove)
            .event_version("1.1")
            .event_source("aws:dynamodb")
            .aws_region("us-east-1")
            .dynamodb(change.build())
            .build()
    }

    #[test]
    fn a_record_takes_the_form_of_a_lambda_event() {
        assert_eq!(
            event_record(record(), "arn:aws:dynamodb:us-east-1:0:table/T/stream/1"),
            json!({
                "eventID": "0b1e",
                "eventName": "REMOVE",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_790_000_000,
                    "Keys": {"PK": {"S": "ORDER#1"}, "SK": {"S": "STATUS"}},
                    "OldImage": {
                        "n": {"N": "12345678901234567890.5"},
                        "list": {"L": [{"BOOL": true}, {"NULL": true}]},
                        "bytes": {"B": "AQID"},
                        "set": {"SS": ["a"]},
                    },
                    "SequenceNumber": NUMBER,
                    "SizeBytes": 59,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
                "eventSourceARN": "arn:aws:dynamodb:us-east-1:0:table/T/stream/1",
            })
        );
    }

    #[test]
    fn a_function_distinguishes_deletions_by_ttl_from_others() {
        let by_ttl = Identity::builder().r#type("Service").principal_id("dynamodb.amazonaws.com").build();
        let expired = Record::builder().user_identity(by_ttl);
        let mut record = record();
        let removed = event_record(record.clone(), "arn");
        record.user_identity = expired.build().user_identity;
        let expired = event_record(record, "arn");

        assert_eq!(Change::parse(&removed).unwrap().kind, Kind::Remove);
        assert_eq!(Change::parse(&expired).unwrap().kind, Kind::Expire);
        assert_eq!(Change::parse(&expired).unwrap().sequence_number, NUMBER);
    }
}
