//! What stands in a data folder survives the worst end a process can have.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use reqwest::Client;
use serde_json::{Value, json};

#[tokio::test]
async fn an_order_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let (mut stack, url) = start(&data);
    let http = Client::new();
    let token = post(&http, &format!("{url}/sessions/guest"), "", json!({})).await["token"].clone();
    let token = token.as_str().unwrap();
    post(&http, &format!("{url}/cart/items"), token, json!({"productId": "mug-blue", "quantity": 3})).await;
    let order = post(&http, &format!("{url}/orders"), token, json!({"payment": {"token": "tok_visa"}})).await;
    assert_eq!(order["state"], "confirmed");

    // `Child::kill` is SIGKILL: no handler runs, nothing is flushed.
    stack.kill().unwrap();
    stack.wait().unwrap();
    let (mut stack, url) = start(&data);

    let read = async |path: String| -> Value {
        http.get(format!("{url}{path}")).bearer_auth(token).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(read("/orders".to_owned()).await["items"][0]["orderId"], order["orderId"]);
    assert_eq!(read("/products/mug-blue".to_owned()).await["stock"]["available"], 37);
    let again = post(&http, &format!("{url}/orders"), token, json!({"payment": {"token": "tok_visa"}})).await;
    assert_eq!(again["orderId"], order["orderId"]);
    stack.kill().unwrap();
    stack.wait().unwrap();
}

/// Starts the stack as a user does, and waits for its `ready` line.
fn start(data: &Path) -> (Child, String) {
    let mut stack = Command::new(env!("CARGO_BIN_EXE_local"))
        .args(["--port", "0", "--engine-port", "0", "--s3-port", "0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(stack.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split(' ').nth(1).unwrap_or_else(|| panic!("no ready line but {line:?}")).to_owned();
    (stack, url)
}

async fn post(http: &Client, url: &str, token: &str, body: Value) -> Value {
    let request = http.post(url).header("idempotency-key", "one-and-the-same-key").json(&body);
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    let response = request.send().await.unwrap();
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert!(status.is_success(), "{status}: {body}");
    body
}
