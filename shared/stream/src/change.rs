use aws_lambda_events::dynamodb::EventRecord;
use jiff::Timestamp;
use serde_json::Value;
use table::{StreamImage, keys::Key};

/// One change of one item, from a stream record.
#[derive(Debug, Clone)]
pub struct Change {
    /// The same for every delivery of the record, and different for every record.
    pub event_id: String,
    /// 21 to 40 digits; opaque, only returned in answers.
    pub sequence_number: String,
    pub key: Key,
    pub kind: Kind,
    /// When the item was changed, in whole seconds as AWS gives it.
    pub at: Timestamp,
    /// The item before; `None` if there was none.
    pub old: Option<StreamImage>,
    /// The item after; `None` if it was deleted.
    pub new: Option<StreamImage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Insert,
    Modify,
    Remove,
    /// TTL deleted the item: it expired, and no request deleted it.
    Expire,
}

/// A record that is not what DynamoDB's streams send.
#[derive(Debug, thiserror::Error)]
#[error("the stream record is malformed: {0}")]
pub struct Malformed(String);

impl Change {
    /// Reads a record of a Lambda event.
    ///
    /// # Errors
    /// Names what is missing or unreadable.
    pub fn parse(record: &Value) -> Result<Self, Malformed> {
        let record: EventRecord = serde::Deserialize::deserialize(record).map_err(|e| Malformed(e.to_string()))?;
        let missing = |what: &str| Malformed(format!("it has no {what}"));
        let by_ttl = record
            .user_identity
            .is_some_and(|user| user.type_ == "Service" && user.principal_id == "dynamodb.amazonaws.com");
        let kind = match record.event_name.as_str() {
            "INSERT" => Kind::Insert,
            "MODIFY" => Kind::Modify,
            "REMOVE" if by_ttl => Kind::Expire,
            "REMOVE" => Kind::Remove,
            other => return Err(Malformed(format!("it is of the unknown kind {other:?}"))),
        };
        if record.event_id.is_empty() {
            return Err(missing("eventID"));
        }
        let change = record.change;
        let image = |item: serde_dynamo::Item| (!item.is_empty()).then(|| StreamImage::new(item));
        let (old, new) = (image(change.old_image), image(change.new_image));
        let images_fit = match kind {
            Kind::Insert => new.is_some(),
            Kind::Modify => old.is_some() && new.is_some(),
            Kind::Remove | Kind::Expire => old.is_some(),
        };
        if !images_fit {
            return Err(missing("image of the item: the stream's view type is NEW_AND_OLD_IMAGES"));
        }
        let millis = change.approximate_creation_date_time.timestamp_millis();
        Ok(Self {
            event_id: record.event_id,
            sequence_number: sequence_number(change.sequence_number).ok_or_else(|| missing("sequence number"))?,
            key: StreamImage::new(change.keys).key().ok_or_else(|| missing("key"))?,
            kind,
            at: Timestamp::from_millisecond(millis).map_err(|e| Malformed(e.to_string()))?,
            old,
            new,
        })
    }
}

fn sequence_number(number: Option<String>) -> Option<String> {
    number.filter(|number| !number.is_empty())
}

/// The sequence number of a record, for the answer: of any record, however malformed the rest of it is.
pub(crate) fn position(record: &Value) -> Option<String> {
    sequence_number(record.pointer("/dynamodb/SequenceNumber")?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn removal(user_identity: Value) -> Value {
        json!({
            "eventID": "7de3041dd709b024af6f29e4fa13d34c", "eventName": "REMOVE", "awsRegion": "us-east-1",
            "userIdentity": user_identity,
            "dynamodb": {
                "ApproximateCreationDateTime": 1_715_000_000, "SizeBytes": 26, "SequenceNumber": "111",
                "Keys": {"PK": {"S": "USER#ann"}, "SK": {"S": "CART"}},
                "OldImage": {"PK": {"S": "USER#ann"}, "SK": {"S": "CART"}},
            },
        })
    }

    #[test]
    fn a_deletion_by_ttl_is_distinguished_from_one_by_a_request() {
        let kind = |user_identity| Change::parse(&removal(user_identity)).unwrap().kind;

        assert_eq!(kind(json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"})), Kind::Expire);
        assert_eq!(kind(Value::Null), Kind::Remove);
        assert_eq!(kind(json!({"type": "Service", "principalId": "somebody.amazonaws.com"})), Kind::Remove);
        assert_eq!(kind(json!({"type": "User", "principalId": "dynamodb.amazonaws.com"})), Kind::Remove);
    }

    #[test]
    fn an_incomplete_record_is_refused_with_what_is_missing() {
        let without = |pointer: &str, name: &str| {
            let mut record = removal(Value::Null);
            record.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap().remove(name);
            Change::parse(&record).unwrap_err().to_string()
        };

        assert!(without("/dynamodb", "OldImage").contains("image"));
        assert!(without("/dynamodb", "SequenceNumber").contains("sequence number"));
        assert!(without("/dynamodb", "Keys").contains("key"));
        assert!(without("", "eventID").contains("eventID"));
        assert!(Change::parse(&json!("poison")).is_err() && Change::parse(&Value::Null).is_err());
    }

    proptest! {
        #[test]
        fn a_sequence_number_is_returned_unchanged(number in "[0-9]{1,40}") {
            let mut record = removal(Value::Null);
            record["dynamodb"]["SequenceNumber"] = json!(number);

            prop_assert_eq!(&Change::parse(&record).unwrap().sequence_number, &number);
            prop_assert_eq!(position(&record), Some(number));
        }

        #[test]
        fn no_record_makes_it_panic(text in ".{0,40}", at in 0..6_usize) {
            let places = ["/eventName", "/eventID", "/dynamodb/Keys", "/dynamodb/OldImage", "/dynamodb", "/userIdentity"];
            let mut record = removal(Value::Null);
            *record.pointer_mut(places[at]).unwrap() = json!(text);

            let _ = Change::parse(&record);
        }
    }
}
