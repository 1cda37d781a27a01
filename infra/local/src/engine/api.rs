//! DynamoDB's HTTP API in front of the engine. The engine's own server is not used: it answers every web page and does
//! not expose its router, so that no check can precede it (`dynoxide::server`, dynoxide-rs 3.2).
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html>

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::any,
};
use dynoxide::{
    Database, DynoxideError,
    auth_material::{self, AuthMaterial},
};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use serde::{Serialize, de::DeserializeOwned};

/// DynamoDB's limit.
const BODY_BYTES: usize = 16 * 1024 * 1024;

const AMZ_JSON: &str = "application/x-amz-json-1.0";
const JSON: &str = "application/json";

/// The nesting of an item that exceeds DynamoDB's 32 levels, the deepest part of any request.
const TOO_DEEP: &str = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
                        supported limit";

pub fn router(database: Database) -> Router {
    Router::new()
        .route("/", any(root))
        .fallback(async || not_found())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(database)
}

async fn root(State(database): State<Database>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    match method {
        Method::POST => match content_type(&headers, &body) {
            Some(kind) => answer(kind, call(&database, &uri, &headers, &body)),
            None => not_found(),
        },
        Method::GET => (StatusCode::OK, "healthy: dynamodb.us-east-1.amazonaws.com ").into_response(),
        _ => not_found(),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "<UnknownOperationException/>\n").into_response()
}

/// The type of request and answer; DynamoDB knows two.
fn content_type(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        kind if kind.eq_ignore_ascii_case(AMZ_JSON) => Some(AMZ_JSON),
        kind if kind.eq_ignore_ascii_case(JSON) => Some(JSON),
        "" if body.is_empty() => Some(JSON),
        _ => None,
    }
}

/// Why a call fails.
enum Refused {
    /// It cannot be carried out; the name of the error says why.
    Bare(&'static str),
    /// It is not signed; in DynamoDB's words.
    Unsigned(String),
    Failed(DynoxideError),
}

/// Carries a call out on this thread: the engine handles one at a time anyway.
fn call(database: &Database, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<String, Refused> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let target = text("x-amz-target").unwrap_or_default();
    let operation = ["DynamoDB_20120810.", "DynamoDBStreams_20120810."].iter().find_map(|api| target.strip_prefix(api));
    let run = operation.and_then(run).ok_or(Refused::Bare("UnknownOperationException"))?;
    let material = AuthMaterial {
        authorization: text("authorization"),
        query: uri.query().unwrap_or_default(),
        has_date_header: headers.contains_key("x-amz-date") || headers.contains_key(header::DATE),
    };
    // Checks for the presence of a signature, not its correctness.
    if let Some(unsigned) = auth_material::validate(material) {
        return Err(Refused::Unsigned(unsigned));
    }
    let body = std::str::from_utf8(body).ok().filter(|body| !body.is_empty());
    run(database, body.ok_or(Refused::Bare("SerializationException"))?)
}

type Run = fn(&Database, &str) -> Result<String, Refused>;

/// The implementation of an operation, if the engine has it.
fn run(operation: &str) -> Option<Run> {
    macro_rules! operations {
        ($($name:literal => $method:ident,)*) => {
            match operation {
                $($name => Some(|database, body| write(&database.$method(read($name, body)?)?)),)*
                _ => None,
            }
        };
    }
    operations! {
        "CreateTable" => create_table,
        "DeleteTable" => delete_table,
        "DescribeTable" => describe_table,
        "ListTables" => list_tables,
        "UpdateTable" => update_table,
        "PutItem" => put_item,
        "GetItem" => get_item,
        "DeleteItem" => delete_item,
        "UpdateItem" => update_item,
        "Query" => query,
        "Scan" => scan,
        "SearchVectors" => search_vectors,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "TransactWriteItems" => transact_write_items,
        "TransactGetItems" => transact_get_items,
        "ListStreams" => list_streams,
        "DescribeStream" => describe_stream,
        "GetShardIterator" => get_shard_iterator,
        "GetRecords" => get_records,
        "UpdateTimeToLive" => update_time_to_live,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "BatchExecuteStatement" => batch_execute_statement,
        "TagResource" => tag_resource,
        "UntagResource" => untag_resource,
        "ListTagsOfResource" => list_tags_of_resource,
    }
}

impl From<DynoxideError> for Refused {
    fn from(error: DynoxideError) -> Self {
        Self::Failed(error)
    }
}

/// Reads a request. An error of its types starts with the kind of error that DynamoDB answers with.
fn read<T: DeserializeOwned>(operation: &str, body: &str) -> Result<T, Refused> {
    let error = match serde_json::from_str(body) {
        Ok(request) => return Ok(request),
        Err(error) if error.is_syntax() || error.is_eof() => {
            return Err(match error.to_string().starts_with("recursion limit") {
                true => invalid(TOO_DEEP),
                false => Refused::Bare("SerializationException"),
            });
        }
        Err(error) => error.to_string(),
    };
    let text = error.rsplit_once(" at line ").map_or(error.as_str(), |(text, _)| text);
    let is_written_alone = matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem");
    let marked = |kinds: &[&str]| kinds.iter().find_map(|kind| text.strip_prefix(kind));
    Err(if let Some(text) = marked(&["VALIDATION_REQUEST:"]) {
        invalid(if is_written_alone { format!("1 validation error detected: {text}") } else { text.to_owned() })
    } else if let Some(text) = marked(&["VALIDATION_AS_READ:", "VALIDATION:"]) {
        invalid(text)
    } else if let Some(text) = marked(&["SERIALIZATION_AS_READ:", "SERIALIZATION:"]) {
        Refused::Failed(DynoxideError::SerializationException(text.to_owned()))
    } else if ["missing field", "unknown variant", "invalid type: null"].iter().any(|kind| text.contains(kind)) {
        invalid(text)
    } else if text.contains("empty AttributeValue") {
        invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    } else if text.contains("Supplied AttributeValue") {
        invalid(text)
    } else {
        Refused::Failed(DynoxideError::SerializationException(text.to_owned()))
    })
}

fn invalid(message: impl Into<String>) -> Refused {
    Refused::Failed(DynoxideError::ValidationException(message.into()))
}

fn write(answer: &impl Serialize) -> Result<String, Refused> {
    serde_json::to_string(answer).map_err(|e| Refused::Failed(DynoxideError::InternalServerError(e.to_string())))
}

fn answer(kind: &'static str, outcome: Result<String, Refused>) -> Response {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(Refused::Bare(error)) => {
            (StatusCode::BAD_REQUEST, format!(r#"{{"__type":"com.amazon.coral.service#{error}"}}"#))
        }
        Err(Refused::Unsigned(body)) => (StatusCode::BAD_REQUEST, body),
        Err(Refused::Failed(error)) => {
            (StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST), error.to_json())
        }
    };
    // Some SDKs compare the body with its CRC-32.
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (HeaderName::from_static("x-amzn-requestid"), uuid::Uuid::now_v7().simple().to_string().to_ascii_uppercase()),
        (HeaderName::from_static("x-amz-crc32"), crc32fast::hash(body.as_bytes()).to_string()),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use reqwest::{Client, Method, RequestBuilder};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    /// Our server and the engine's own, each with an engine of its own.
    async fn both() -> [String; 2] {
        let (ours, own) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let urls = [&ours, &own].map(|listener| format!("http://{}/", listener.local_addr().unwrap()));
        let router = router(Database::memory().unwrap());
        tokio::spawn(async move { axum::serve(ours, router).await });
        tokio::spawn(dynoxide::server::serve_on(own, Database::memory().unwrap()));
        urls
    }

    fn call(url: &str, target: &str, body: impl Into<String>) -> RequestBuilder {
        Client::new()
            .post(url)
            .header("content-type", AMZ_JSON)
            .header("x-amz-target", target)
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/x, SignedHeaders=host, Signature=0")
            .body(body.into())
    }

    /// Status, type and body, without what differs between engines.
    async fn answer_to(request: RequestBuilder) -> (u16, Option<String>, Value) {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        if let Some(crc) = headers.get("x-amz-crc32") {
            assert_eq!(crc.to_str().unwrap(), crc32fast::hash(text.as_bytes()).to_string());
        }
        let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let mut body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if let Some(table) = body.get_mut("TableDescription").and_then(Value::as_object_mut) {
            table.retain(|name, _| ["TableName", "KeySchema", "ItemCount"].contains(&name.as_str()));
        }
        (status, kind.filter(|_| status != 404 && body.is_object()), body)
    }

    #[tokio::test]
    async fn calls_are_answered_as_the_engines_own_server_answers_them() {
        let urls = both().await;
        let table = json!({
            "TableName": "Shop", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        });
        let put = |item: Value| json!({"TableName": "Shop", "Item": item});
        let key = json!({"pk": {"S": "a"}});
        let nested = format!(
            r#"{{"TableName":"Shop","Item":{{"pk":{{"S":"a"}},"x":{}{{"S":""}}{}}}}}"#,
            r#"{"L":["#.repeat(200),
            "]}".repeat(200)
        );
        let calls = [
            ("CreateTable", table.to_string()),
            ("CreateTable", table.to_string()),
            ("PutItem", put(json!({"pk": {"S": "a"}, "n": {"N": "1"}})).to_string()),
            ("GetItem", json!({"TableName": "Shop", "Key": key}).to_string()),
            ("GetItem", json!({"TableName": "none", "Key": key}).to_string()),
            ("UpdateItem", json!({"TableName": "Shop", "Key": key, "UpdateExpression": "SET n = n + :one", "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "ALL_NEW", "ReturnConsumedCapacity": "TOTAL"}).to_string()),
            ("UpdateItem", json!({"TableName": "Shop", "Key": key, "UpdateExpression": "SET n = :one", "ConditionExpression": "n = :one", "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}).to_string()),
            ("UpdateItem", json!({"TableName": "Shop", "Key": key, "UpdateExpression": "SET"}).to_string()),
            ("TransactWriteItems", json!({"TransactItems": [{"Put": {"TableName": "Shop", "Item": key, "ConditionExpression": "attribute_not_exists(pk)"}}]}).to_string()),
            ("BatchWriteItem", json!({"RequestItems": {"Shop": [{"PutRequest": {"Item": {"pk": {"S": "b"}}}}]}}).to_string()),
            ("BatchGetItem", json!({"RequestItems": {"Shop": {"Keys": [key, key]}}}).to_string()),
            ("Query", json!({"TableName": "Shop", "KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}).to_string()),
            ("Scan", json!({"TableName": "Shop", "Select": "COUNT"}).to_string()),
            ("ListStreams", "{}".to_owned()),
            ("ListTables", "{}".to_owned()),
            ("PutItem", put(json!({"pk": {"S": "a"}, "s": {"SS": []}})).to_string()),
            ("PutItem", put(json!({"pk": {"S": "a"}, "n": {"N": "1e999"}})).to_string()),
            ("PutItem", put(json!({"pk": {"S": "a"}, "n": {}})).to_string()),
            ("PutItem", put(json!({"pk": {"S": "a"}, "n": {"S": "a", "N": "1"}})).to_string()),
            ("PutItem", put(json!({"pk": {"S": ""}})).to_string()),
            ("PutItem", put(json!({"other": {"S": "a"}})).to_string()),
            ("PutItem", nested),
            ("GetItem", "{".to_owned()),
            ("GetItem", String::new()),
            ("Nothing", "{}".to_owned()),
        ];

        for (operation, body) in calls {
            let api = if operation.ends_with("Streams") { "DynamoDBStreams" } else { "DynamoDB" };
            let answers = urls.each_ref().map(|url| call(url, &format!("{api}_20120810.{operation}"), body.clone()));
            let [ours, own] = answers;
            let (ours, own) = (answer_to(ours).await, answer_to(own).await);

            assert_eq!(ours, own, "{operation} {}", &body[..body.len().min(200)]);
        }
    }

    #[tokio::test]
    async fn invalid_calls_are_refused_as_the_engines_own_server_refuses_them() {
        let urls = both().await;
        fn list(url: &str, kind: &str) -> RequestBuilder {
            Client::new()
                .post(url)
                .header("content-type", kind)
                .header("x-amz-target", "DynamoDB_20120810.ListTables")
                .body("{}")
        }
        type Request = fn(&str) -> RequestBuilder;
        let cases: [(&str, Request); 9] = [
            ("health", |url| Client::new().get(url)),
            ("another method", |url| Client::new().delete(url)),
            ("another path", |url| Client::new().post(format!("{url}other"))),
            ("a preflight", |url| Client::new().request(Method::OPTIONS, url)),
            ("no target", |url| Client::new().post(url).header("content-type", AMZ_JSON).body("{}")),
            ("another target", |url| call(url, "Other_20120810.ListTables", "{}")),
            ("another type", |url| list(url, "text/plain")),
            ("no signature", |url| list(url, AMZ_JSON)),
            ("no signature, in plain JSON", |url| list(url, "application/json; charset=utf-8")),
        ];

        for (case, request) in cases {
            let (ours, own) = (answer_to(request(&urls[0])).await, answer_to(request(&urls[1])).await);

            assert_eq!(ours, own, "{case}");
        }
    }
}
