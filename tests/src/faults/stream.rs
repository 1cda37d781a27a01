//! The table's stream, read to its end.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_dynamodbstreams::{
    Client,
    types::{AttributeValue, ShardIteratorType},
};
use serde_json::{Value, json};
use table::TableNames;

use super::checker::Change;

/// Every record of the tables' streams since they were made, in the order of commits: the bundled engine numbers records by
/// its clock, in microseconds, whichever table they are of.
pub async fn read(endpoint: &str, tables: &TableNames, http: &SharedHttpClient) -> Vec<Change> {
    let config = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .http_client(http.clone())
        .build();
    let client = Client::from_conf(config);
    let mut changes = Vec::new();
    for (table, _) in tables.tables() {
        changes.extend(of_table(&client, table).await);
    }
    changes.sort_by_key(|(number, _)| *number);
    changes.into_iter().map(|(_, change)| change).collect()
}

async fn of_table(client: &Client, table: &str) -> Vec<(u128, Change)> {
    let streams = client.list_streams().table_name(table).send().await.expect("the engine lists streams");
    let arn = streams.streams().first().and_then(|s| s.stream_arn()).expect("the table has a stream").to_owned();
    let stream = client.describe_stream().stream_arn(&arn).send().await.expect("the engine describes streams");
    let mut changes = Vec::new();
    for shard in stream.stream_description().map(|d| d.shards().to_vec()).unwrap_or_default() {
        let iterator = client
            .get_shard_iterator()
            .stream_arn(&arn)
            .shard_id(shard.shard_id().unwrap_or_default())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send();
        let mut iterator = iterator.await.expect("the engine reads streams").shard_iterator;
        while let Some(at) = iterator {
            let page = client.get_records().shard_iterator(at).limit(1_000).send();
            let page = page.await.expect("the engine reads streams");
            if page.records().is_empty() {
                break;
            }
            changes.extend(page.records().iter().filter_map(|r| r.dynamodb()).map(|record| {
                let number = record.sequence_number().and_then(|number| number.parse().ok());
                let change = Change {
                    pk: key(record.keys(), "PK"),
                    sk: key(record.keys(), "SK"),
                    old: record.old_image().map(object),
                    new: record.new_image().map(object),
                };
                (number.expect("the engine numbers records"), change)
            }));
            iterator = page.next_shard_iterator;
        }
    }
    changes
}

type Item = std::collections::HashMap<String, AttributeValue>;

fn key(keys: Option<&Item>, name: &str) -> String {
    keys.and_then(|k| k.get(name)).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default()
}

fn object(item: &Item) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
}

fn plain(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!(text),
        AttributeValue::N(number) => number.parse::<i64>().map_or_else(|_| json!(number), |n| json!(n)),
        AttributeValue::Bool(flag) => json!(flag),
        AttributeValue::L(list) => list.iter().map(plain).collect(),
        AttributeValue::M(map) => object(map),
        AttributeValue::Ss(set) => json!(set),
        other => json!(format!("{other:?}")),
    }
}
