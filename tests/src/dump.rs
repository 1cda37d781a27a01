//! The contents of a table, read without the `table` crate.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, SharedHttpClient},
    types::AttributeValue,
};
use serde_json::{Value, json};
use table::TableNames;

/// A client of the SDK.
pub(crate) fn raw_client(endpoint: &str, http: &SharedHttpClient) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .http_client(http.clone())
        .build();
    Client::from_conf(config)
}

/// Every item of the tables, as plain JSON.
pub(crate) async fn items(endpoint: &str, tables: &TableNames, http: &SharedHttpClient) -> Vec<Value> {
    let client = raw_client(endpoint, http);
    let mut items = Vec::new();
    for (table, _) in tables.tables() {
        let mut pages = client.scan().table_name(table).into_paginator().send();
        while let Some(page) = pages.next().await {
            items.extend(page.expect("the engine answers").items().iter().map(object));
        }
    }
    items
}

/// Deletes an item.
pub(crate) async fn delete(client: &Client, tables: &TableNames, pk: &str, sk: &str) {
    let table = tables.of_partition(pk);
    let key = |part: &str| AttributeValue::S(part.to_owned());
    let call = client.delete_item().table_name(table).key("PK", key(pk)).key("SK", key(sk)).send();
    call.await.expect("the engine answers");
}

fn object(item: &HashMap<String, AttributeValue>) -> Value {
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
