//! Records calls: with `RECORD_CALLS` set to a file, every SDK call of a function is written there, so that it can be
//! compared with what the function's role allows.
//!
//! A line is a JSON object: the `function`, the IAM `action`, the `resource` (`table`, `table/index/<name>`, `<bucket>`,
//! `<bucket>/object`, or `<bucket>/<folder>` in the bucket that descriptions share with the index of the search), and for the
//! table the partition `key`, cut off behind its first `#`.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::config::{RuntimeComponents, SharedHttpClient, http::HttpRequest};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use serde_json::{Map, Value, json};

/// The client under the SDK, recording calls, or just `inner` if `RECORD_CALLS` is not set.
pub fn recording(inner: SharedHttpClient) -> SharedHttpClient {
    match std::env::var_os("RECORD_CALLS") {
        Some(file) => SharedHttpClient::new(Recorder { inner, file: file.into() }),
        None => inner,
    }
}

#[derive(Debug)]
struct Recorder {
    inner: SharedHttpClient,
    file: PathBuf,
}

impl HttpClient for Recorder {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Recording { inner, file: self.file.clone() })
    }
}

#[derive(Debug)]
struct Recording {
    inner: SharedHttpConnector,
    file: PathBuf,
}

impl HttpConnector for Recording {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, file, function) = (self.inner.clone(), self.file.clone(), local::function::running());
        HttpConnectorFuture::new(async move {
            let calls = calls(&request);
            let response = inner.call(request).await;
            // The calls of a test's set-up are of no function.
            if let Some(function) = function {
                calls.into_iter().for_each(|call| note(&file, function, call));
            }
            response
        })
    }
}

/// A call as IAM sees it.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    action: String,
    resource: String,
    key: Option<String>,
}

/// Everything that a request needs a permission for.
fn calls(request: &HttpRequest) -> Vec<Call> {
    let body = || request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    match request.headers().get("x-amz-target").and_then(|target| target.strip_prefix("DynamoDB_20120810.")) {
        Some(operation) => of_table(operation, &body()),
        None => of_bucket(request.method(), request.uri()).into_iter().collect(),
    }
}

/// A transaction is allowed by the actions in it, a batch by one of its own:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>
fn of_table(operation: &str, body: &Value) -> Vec<Call> {
    let call = |action: &str, key: Option<&Value>| Call {
        action: format!("dynamodb:{action}"),
        resource: "table".to_owned(),
        key: key.and_then(Value::as_str).map(prefix),
    };
    let of_each = |requests: &Value, call: &dyn Fn(&Value) -> Call| {
        requests.as_array().into_iter().flatten().map(call).collect::<Vec<_>>()
    };
    let of_each_table = |call: &dyn Fn(&Value) -> Vec<Call>| {
        body["RequestItems"].as_object().into_iter().flat_map(Map::values).flat_map(call).collect::<Vec<_>>()
    };
    match operation {
        "Query" => match body["IndexName"].as_str() {
            Some(index) => vec![Call { resource: format!("table/index/{index}"), key: None, ..call(operation, None) }],
            None => vec![call(operation, Some(&body["ExpressionAttributeValues"][":pk"]["S"]))],
        },
        "BatchGetItem" => {
            of_each_table(&|table| of_each(&table["Keys"], &|key| call(operation, Some(&key["PK"]["S"]))))
        }
        "BatchWriteItem" => of_each_table(&|table| {
            of_each(table, &|request| {
                let put = request["PutRequest"]["Item"]["PK"].get("S");
                call(operation, put.or(request["DeleteRequest"]["Key"]["PK"].get("S")))
            })
        }),
        "TransactWriteItems" => of_each(&body["TransactItems"], &|action| {
            let (kind, of) = action.as_object().and_then(|a| a.iter().next()).expect("an action is one of four");
            let action = if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
            call(&action, of["Key"]["PK"].get("S").or(of["Item"]["PK"].get("S")))
        }),
        _ => vec![call(operation, body["Key"]["PK"].get("S").or(body["Item"]["PK"].get("S")))],
    }
}

fn of_bucket(method: &str, uri: &str) -> Option<Call> {
    let path = uri.split_once("://").map_or(uri, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let action = match (method, key.is_empty()) {
        ("PUT", false) => "s3:PutObject",
        // The permission to read an object is also the one to ask for its size:
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
        ("GET" | "HEAD", false) => "s3:GetObject",
        ("DELETE", false) => "s3:DeleteObject",
        ("GET", true) if query.contains("list-type=2") => "s3:ListBucket",
        _ => return None,
    };
    let folder = key.split_once('/').filter(|_| bucket == local::BUCKET).map_or("object", |(folder, _)| folder);
    let resource = if key.is_empty() { bucket.to_owned() } else { format!("{bucket}/{folder}") };
    Some(Call { action: action.to_owned(), resource, key: None })
}

/// What a policy can name of a partition key: everything to its first `#`.
fn prefix(key: &str) -> String {
    key.split_once('#').map_or_else(|| key.to_owned(), |(kind, _)| format!("{kind}#"))
}

/// Records a call unless this process has recorded it before. Several processes may write to one file.
fn note(file: &PathBuf, function: &str, call: Call) {
    static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Call { action, resource, key } = call;
    let line = json!({"function": function, "action": action, "resource": resource, "key": key}).to_string();
    if NOTED.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
        let opened = OpenOptions::new().create(true).append(true).open(file);
        let written = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|e| panic!("RECORD_CALLS={}: {e}", file.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(action: &str, resource: &str, key: Option<&str>) -> Call {
        Call { action: action.to_owned(), resource: resource.to_owned(), key: key.map(str::to_owned) }
    }

    #[test]
    fn a_transaction_needs_what_its_actions_need() {
        let body = json!({"TransactItems": [
            {"Update": {"Key": {"PK": {"S": "PROD#mug"}, "SK": {"S": "META#mug#STOCK#00"}}}},
            {"Put": {"Item": {"PK": {"S": "ORDER#1"}, "SK": {"S": "STATUS"}}}},
            {"ConditionCheck": {"Key": {"PK": {"S": "EMAIL#1"}}}},
        ]});

        let needed = of_table("TransactWriteItems", &body);

        let expected = [
            call("dynamodb:UpdateItem", "table", Some("PROD#")),
            call("dynamodb:PutItem", "table", Some("ORDER#")),
            call("dynamodb:ConditionCheckItem", "table", Some("EMAIL#")),
        ];
        assert_eq!(needed, expected);
    }

    #[test]
    fn a_query_is_of_a_partition_or_of_an_index() {
        let of_partition = json!({"ExpressionAttributeValues": {":pk": {"S": "USER#ann"}}});

        assert_eq!(of_table("Query", &of_partition), [call("dynamodb:Query", "table", Some("USER#"))]);
        assert_eq!(
            of_table("Query", &json!({"IndexName": "due-index"})),
            [call("dynamodb:Query", "table/index/due-index", None)]
        );
        assert_eq!(of_table("Scan", &json!({})), [call("dynamodb:Scan", "table", None)]);
    }

    #[test]
    fn a_batch_needs_its_own_action_for_each_key() {
        let keys = json!([{"PK": {"S": "SESSION#1"}}, {"PK": {"S": "USER#1"}}]);
        let body = json!({"RequestItems": {"EcommerceApp": {"Keys": keys}}});

        let needed = of_table("BatchGetItem", &body);

        let expected = [
            call("dynamodb:BatchGetItem", "table", Some("SESSION#")),
            call("dynamodb:BatchGetItem", "table", Some("USER#")),
        ];
        assert_eq!(needed, expected);
    }

    #[test]
    fn an_object_is_put_got_or_listed() {
        let of = |method, path| of_bucket(method, &format!("http://127.0.0.1:9090/{path}"));

        assert_eq!(of("PUT", "audit/2026/x.jsonl?x-id=PutObject"), Some(call("s3:PutObject", "audit/object", None)));
        assert_eq!(of("GET", "audit/2026/x.jsonl"), Some(call("s3:GetObject", "audit/object", None)));
        let file = format!("{}/search/files/1", local::BUCKET);
        let folder = format!("{}/search", local::BUCKET);
        assert_eq!(of("HEAD", &file), Some(call("s3:GetObject", &folder, None)));
        assert_eq!(of("GET", "audit?list-type=2"), Some(call("s3:ListBucket", "audit", None)));
        assert_eq!(of("HEAD", "audit"), None);
    }
}
