use std::time::Duration;

use serde_json::{Map, Value, json};
use table::keys::{Entity, Partition, SortKey};

/// How an event source mapping delivers the stream to a function, as the templates deploy it and the local stack does
/// it. <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Name of the function.
    pub function: &'static str,
    /// Maximum records in a batch, after the filter.
    pub batch_size: usize,
    /// How long records are collected for a batch that is not full.
    pub window: Duration,
    /// How often a failed batch is delivered again; splitting it does not count.
    pub retries: u32,
    /// A record older than this is not delivered any more.
    pub max_age: Duration,
    /// Whether a batch that failed as a whole is split in half.
    pub bisect: bool,
    /// Changes that are delivered; empty is all.
    pub events: &'static [EventName],
    /// Items whose changes are delivered; empty is all. Items of which neither the partition nor the beginning of the sort
    /// key differs are delivered together.
    pub entities: &'static [Entity],
}

/// What a record of the stream calls a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventName {
    Insert,
    Modify,
    Remove,
}

impl EventName {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Modify => "MODIFY",
            Self::Remove => "REMOVE",
        }
    }
}

impl Mapping {
    /// The filter criteria: a record that matches one of these patterns is delivered, and without any, every record.
    /// One for each partition, because Lambda takes [five](https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html).
    pub fn patterns(&self) -> Vec<String> {
        let mut sort_keys: Vec<(Partition, Vec<SortKey>)> = Vec::new();
        for (partition, sort_key) in self.entities.iter().map(|entity| entity.place()) {
            match sort_keys.iter_mut().find(|(known, _)| *known == partition) {
                Some((_, known)) if known.contains(&sort_key) => {}
                Some((_, known)) => known.push(sort_key),
                None => sort_keys.push((partition, vec![sort_key])),
            }
        }
        let keys: Vec<_> =
            sort_keys.into_iter().map(|(partition, sort_keys)| Some(pattern(partition, &sort_keys))).collect();
        let any = if keys.is_empty() && !self.events.is_empty() { vec![None] } else { keys };
        any.into_iter().map(|keys| self.with_events(keys).to_string()).collect()
    }

    fn with_events(&self, keys: Option<Value>) -> Value {
        let mut pattern = Map::new();
        if !self.events.is_empty() {
            let names: Vec<_> = self.events.iter().map(|event| event.as_str()).collect();
            pattern.insert("eventName".to_owned(), json!(names));
        }
        if let Some(keys) = keys {
            pattern.insert("dynamodb".to_owned(), json!({"Keys": keys}));
        }
        Value::Object(pattern)
    }
}

/// A pattern of keys.
fn pattern(partition: Partition, sort_keys: &[SortKey]) -> Value {
    let prefix = partition.prefix();
    let pk = if partition.is_single() { json!([prefix]) } else { json!([{"prefix": prefix}]) };
    let mut pattern = Map::from_iter([("PK".to_owned(), json!({"S": pk}))]);
    let rules: Option<Vec<_>> = sort_keys
        .iter()
        .map(|sort_key| match sort_key {
            SortKey::Any => None,
            SortKey::Exactly(whole) => Some(json!(whole)),
            SortKey::StartsWith(prefix) => Some(json!({"prefix": prefix})),
        })
        .collect();
    if let Some(rules) = rules {
        pattern.insert("SK".to_owned(), json!({"S": rules}));
    }
    Value::Object(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING: Mapping = Mapping {
        function: "test",
        batch_size: 1,
        window: Duration::ZERO,
        retries: 0,
        max_age: Duration::ZERO,
        bisect: false,
        events: &[],
        entities: &[],
    };

    #[test]
    fn a_mapping_that_names_nothing_delivers_everything() {
        assert_eq!(MAPPING.patterns(), [""; 0]);
    }

    #[test]
    fn items_of_one_partition_share_a_pattern() {
        let entities = &[Entity::Product, Entity::Stock, Entity::StockMove, Entity::Profile, Entity::Category];

        let patterns = Mapping { entities, ..MAPPING }.patterns();

        let expected = [
            r#"{"dynamodb":{"Keys":{"PK":{"S":[{"prefix":"PROD#"}]},"SK":{"S":[{"prefix":"META#"},{"prefix":"MOVE#"}]}}}}"#,
            r#"{"dynamodb":{"Keys":{"PK":{"S":[{"prefix":"USER#"}]},"SK":{"S":["PROFILE"]}}}}"#,
            r#"{"dynamodb":{"Keys":{"PK":{"S":[{"prefix":"CAT#"}]}}}}"#,
        ];
        assert_eq!(patterns, expected);
    }

    #[test]
    fn named_events_stand_in_every_pattern() {
        let events = &[EventName::Insert, EventName::Modify];

        let of_orders = Mapping { events, entities: &[Entity::Order], ..MAPPING }.patterns();
        let of_all = Mapping { events, ..MAPPING }.patterns();

        let read = |pattern: &String| serde_json::from_str::<Value>(pattern).unwrap();
        let keys = json!({"Keys": {"PK": {"S": [{"prefix": "ORDER#"}]}, "SK": {"S": ["STATUS"]}}});
        assert_eq!(
            of_orders.iter().map(read).collect::<Vec<_>>(),
            [json!({"eventName": ["INSERT", "MODIFY"], "dynamodb": keys})]
        );
        assert_eq!(of_all.iter().map(read).collect::<Vec<_>>(), [json!({"eventName": ["INSERT", "MODIFY"]})]);
    }
}
