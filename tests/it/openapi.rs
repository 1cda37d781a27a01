//! The OpenAPI document: complete, so that a client can be made of it.

use std::collections::BTreeMap;

use e2e::Shop;
use serde_json::Value;

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_that_says_what_it_does() {
    let document = document().await;

    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (route, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        // A verb and what it is done to: a function's name alone is not enough.
        assert!(
            id.chars().any(char::is_uppercase),
            "{route}: give it an `operation_id` such as listProducts, not {id}"
        );
        named.entry(id).or_default().push(route);
    }

    for (id, routes) in named {
        assert_eq!(routes.len(), 1, "{id} is the operationId of {routes:?}");
    }
}

#[tokio::test]
async fn every_answer_parameter_and_header_is_described_and_every_error_is_a_problem() {
    let document = document().await;

    for (route, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(is_text(&parameter["description"]), "{route}: describe {}", parameter["name"]);
            // Text of a path, a query or a header is never null.
            assert_ne!(parameter["schema"]["type"][1], "null", "{route}: {}", parameter["name"]);
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(is_text(&answer["description"]), "{route}: describe {status}");
            for (name, header) in answer["headers"].as_object().into_iter().flatten() {
                assert!(is_text(&header["description"]), "{route}: {status}: describe {name}");
            }
            if status.starts_with(['4', '5']) {
                let schema = &answer["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ProblemDetails", "{route}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn whatever_is_referred_to_is_there() {
    let document = document().await;

    for name in references(&document) {
        assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name}");
    }
}

fn references(value: &Value) -> Vec<&str> {
    let mut all: Vec<&str> = value["$ref"].as_str().into_iter().collect();
    match value {
        Value::Object(members) => all.extend(members.values().flat_map(references)),
        Value::Array(items) => all.extend(items.iter().flat_map(references)),
        _ => {}
    }
    all
}

#[tokio::test]
async fn headers_are_documented_where_they_are_sent_and_taken() {
    let document = document().await;
    let sent = |route: &str, status: &str| -> Vec<String> {
        let operation = operations(&document).into_iter().find(|(of, _)| of == route).expect("a route").1;
        let headers = operation["responses"][status]["headers"].as_object();
        headers.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };

    assert_eq!(sent("GET /products/{productId}", "200"), ["ETag"]);
    assert_eq!(sent("GET /products/{productId}", "304"), ["ETag"]);
    assert_eq!(sent("POST /sessions", "201"), ["Set-Cookie"]);
    assert_eq!(sent("POST /orders", "201"), ["Idempotency-Replayed", "Location"]);
    assert_eq!(sent("POST /orders", "429"), ["Retry-After"]);
    assert_eq!(sent("POST /cart/items", "200"), ["ETag"]);
    assert_eq!(sent("POST /cart/items", "409"), ["Retry-After"]);
    assert_eq!(sent("GET /cart", "401"), ["WWW-Authenticate"]);
    assert_eq!(sent("GET /cart", "503"), ["Retry-After"]);
    let read = operations(&document).into_iter().find(|(of, _)| of == "GET /products/{productId}").expect("a route").1;
    let parameters = read["parameters"].as_array().expect("parameters");
    assert!(parameters.iter().any(|p| p["name"] == "If-None-Match" && p["required"] == false), "{parameters:?}");
}

#[tokio::test]
async fn whoever_may_send_a_token_may_send_the_cookie_instead() {
    let document = document().await;

    let cookie = &document["components"]["securitySchemes"]["cookie"];
    assert_eq!(
        (&cookie["type"], &cookie["in"], &cookie["name"]),
        (&"apiKey".into(), &"cookie".into(), &"__Host-sid".into())
    );
    for (route, operation) in operations(&document) {
        let security = operation["security"].as_array().unwrap();
        let by = |name: &str| security.iter().any(|s| s.get(name).is_some());
        assert_eq!(by("session") || by("admin"), by("cookie"), "{route}: {security:?}");
    }
}

async fn document() -> Value {
    serde_json::to_value(&*Shop::open().await.stack.openapi).unwrap()
}

/// Each operation, by its route.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().iter();
        operations.extend(methods.map(|(method, operation)| (format!("{} {path}", method.to_uppercase()), operation)));
    }
    operations
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}
