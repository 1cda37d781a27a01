//! What a web page in a browser on this machine can do with a stack: only what CORS and a session allow.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use api::Policy;
use local::{AUDIT_BUCKET, Stack, StackOptions, Streams};
use reqwest::{Client, Method, RequestBuilder, Response, header::HeaderMap};
use serde_json::{Value, json};

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
                      Signature=0";

/// Every value a page's `Origin` can have: its own, the stack's own page's, and that of a sandboxed one.
const ORIGINS: [&str; 4] = ["https://evil.example", "http://127.0.0.1:9000", "http://localhost:8000", "null"];

async fn stack() -> Stack {
    let policy = Policy { origins: vec!["https://shop.example".to_owned()], ..Policy::default() };
    Stack::start(StackOptions { policy, streams: Streams::Off, ..StackOptions::default() }).await.unwrap()
}

/// A call of the engine as an SDK sends it, or a page that imitates one.
fn dynamodb(stack: &Stack, operation: &str, body: Value) -> RequestBuilder {
    Client::new()
        .post(&stack.dynamodb)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", SIGNED)
        .body(body.to_string())
}

fn invoke(stack: &Stack) -> RequestBuilder {
    let url = format!("{}/2015-03-31/functions/{}/invocations", stack.url(), stack.consumers[0].mapping.function);
    Client::new().post(url).header("authorization", SIGNED).body(r#"{"Records":[]}"#)
}

fn s3(stack: &Stack) -> RequestBuilder {
    Client::new().get(format!("http://{}/{AUDIT_BUCKET}?list-type=2", stack.s3))
}

/// It was refused by the check in front of the router, and no page may read the answer.
async fn assert_refused(response: Response, why: &str) {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("AccessDeniedException") && text.contains(why), "{text}");
    assert_eq!(allowed(&headers), [""; 0]);
}

fn allowed(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("access-control-allow")).collect()
}

#[tokio::test]
async fn a_port_in_use_is_reported_once() {
    let first = stack().await;

    let second = Stack::start(StackOptions { port: first.gateway.port(), ..StackOptions::default() }).await;

    let error = second.err().map(|error| local::error_chain(&error)).unwrap();
    assert!(error.starts_with(&format!("port {} for the gateway cannot be used: ", first.gateway.port())), "{error}");
    assert_eq!(error.matches("in use").count(), 1, "{error}");
    first.stop().await;
}

#[tokio::test]
async fn no_page_can_read_or_write_the_table() {
    let stack = stack().await;
    let table = stack.table.name().to_owned();
    let key = json!({"PK": {"S": "USER#victim"}, "SK": {"S": "PROFILE"}});
    let item = json!({"PK": {"S": "USER#victim"}, "SK": {"S": "PROFILE"}, "role": {"S": "customer"}});
    let put = dynamodb(&stack, "PutItem", json!({"TableName": table, "Item": item})).send().await.unwrap();
    assert_eq!(put.status(), 200, "{}", put.text().await.unwrap());
    let scan = || dynamodb(&stack, "Scan", json!({"TableName": table}));
    let promote = || {
        let values = json!({":admin": {"S": "admin"}});
        let names = json!({"#role": "role"});
        let update = json!({"TableName": table, "Key": key, "UpdateExpression": "SET #role = :admin",
            "ExpressionAttributeNames": names, "ExpressionAttributeValues": values});
        dynamodb(&stack, "UpdateItem", update)
    };

    for origin in ORIGINS {
        for call in [scan(), promote()] {
            assert_refused(call.header("origin", origin).send().await.unwrap(), "web page").await;
        }
        let preflight = Client::new()
            .request(Method::OPTIONS, &stack.dynamodb)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-amz-target");
        assert_refused(preflight.send().await.unwrap(), "web page").await;
        let unknown = Client::new().post(format!("{}/other", stack.dynamodb)).header("origin", origin);
        assert_refused(unknown.send().await.unwrap(), "web page").await;
    }
    for call in [scan(), promote()] {
        assert_refused(call.header("host", "evil.example:8000").send().await.unwrap(), "another host").await;
    }

    let read = dynamodb(&stack, "GetItem", json!({"TableName": table, "Key": key})).send().await.unwrap();
    assert_eq!(read.json::<Value>().await.unwrap()["Item"]["role"]["S"], "customer");
    stack.stop().await;
}

#[tokio::test]
async fn no_page_reaches_the_s3_or_calls_a_function() {
    let stack = stack().await;

    for origin in ORIGINS {
        assert_refused(s3(&stack).header("origin", origin).send().await.unwrap(), "web page").await;
        assert_refused(invoke(&stack).header("origin", origin).send().await.unwrap(), "web page").await;
        for url in [
            format!("http://{}/{AUDIT_BUCKET}", stack.s3),
            format!("{}/2015-03-31/functions/x/invocations", stack.url()),
        ] {
            let preflight = Client::new().request(Method::OPTIONS, url).header("origin", origin);
            let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
            assert_eq!(allowed(preflight.headers()), [""; 0]);
        }
    }
    for call in [s3(&stack), invoke(&stack)] {
        assert_refused(call.header("host", "evil.example").send().await.unwrap(), "another host").await;
    }

    assert_eq!(invoke(&stack).send().await.unwrap().status(), 200);
    // The S3's own refusal: the request is not signed.
    let unsigned = s3(&stack).send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    assert!(unsigned.text().await.unwrap().contains("<Code>AccessDenied</Code>"));
    stack.stop().await;
}

#[tokio::test]
async fn pages_reach_the_gateway_as_cors_allows_and_only_under_its_own_name() {
    let stack = stack().await;
    let products = || Client::new().get(format!("{}/products", stack.url()));

    let allowed_page = products().header("origin", "https://shop.example").send().await.unwrap();
    let other_page = products().header("origin", "https://evil.example").send().await.unwrap();

    assert_eq!((allowed_page.status().as_u16(), other_page.status().as_u16()), (200, 200));
    assert_eq!(allowed_page.headers()["access-control-allow-origin"], "https://shop.example");
    assert!(!other_page.headers().contains_key("access-control-allow-origin"));
    for path in ["/products", "/", "/openapi.json", "/nothing"] {
        let request = Client::new().get(format!("{}{path}", stack.url())).header("host", "rebound.evil.example");
        assert_refused(request.send().await.unwrap(), "another host").await;
    }
    let port = stack.gateway.port();
    for host in [format!("localhost:{port}"), "127.0.0.1".to_owned(), format!("[::1]:{port}")] {
        assert_eq!(products().header("host", host).send().await.unwrap().status(), 200);
    }
    stack.stop().await;
}
