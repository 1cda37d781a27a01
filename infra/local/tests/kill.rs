//! A data folder survives kill -9.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::{Value, json};

/// A guest's checkout.
fn checkout(token: &str) -> Value {
    json!({
        "payment": {"token": token},
        "contact": {"email": "guest@example.com"},
        "shippingAddress": {"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"},
    })
}

#[tokio::test]
async fn an_order_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let (mut stack, url) = start(&data);
    let http = Client::new();
    let token = post(&http, &format!("{url}/sessions/guest"), "", json!({})).await["token"].clone();
    let token = token.as_str().unwrap();
    post(&http, &format!("{url}/cart/items"), token, json!({"productId": "mug-blue", "quantity": 3})).await;
    let order = post(&http, &format!("{url}/orders"), token, checkout("tok_visa")).await;
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
    let again = post(&http, &format!("{url}/orders"), token, checkout("tok_visa")).await;
    assert_eq!(again["orderId"], order["orderId"]);
    stack.kill().unwrap();
    stack.wait().unwrap();
}

#[tokio::test]
async fn an_order_whose_process_was_killed_before_it_was_projected_is_listed_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let (mut stack, url) = start(&data);
    let http = Client::new();
    let token = post(&http, &format!("{url}/sessions/guest"), "", json!({})).await["token"].clone();
    let token = token.as_str().unwrap().to_owned();
    post(&http, &format!("{url}/cart/items"), &token, json!({"productId": "mug-blue", "quantity": 3})).await;
    // The provider takes two seconds to answer; the order is committed before the call, and listed after it.
    let request = http.post(format!("{url}/orders")).bearer_auth(&token).header("idempotency-key", "killed-in-between");
    let request = request.json(&checkout("tok_slow"));
    let placed = tokio::spawn(async move { request.send().await.map(|_| ()) });
    let stock = async |url: &str| -> i64 {
        let product = http.get(format!("{url}/products/mug-blue")).send().await.unwrap();
        product.json::<Value>().await.unwrap()["stock"]["available"].as_i64().unwrap()
    };
    // A product is cached for two seconds; the cart is not, and the commit empties it.
    let cart = async || -> usize {
        let cart = http.get(format!("{url}/cart")).bearer_auth(&token).send().await.unwrap();
        cart.json::<Value>().await.unwrap()["items"].as_array().unwrap().len()
    };
    while cart().await > 0 {}

    stack.kill().unwrap();
    stack.wait().unwrap();
    assert!(placed.await.unwrap().is_err(), "the checkout was not answered");
    let (mut stack, url) = start(&data);

    let started = Instant::now();
    let listed = loop {
        let orders = http.get(format!("{url}/orders")).bearer_auth(&token).send().await.unwrap();
        let orders: Value = orders.json().await.unwrap();
        if let Some(order) = orders["items"].get(0) {
            break order.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the order is not listed");
    };
    println!("listed {} ms after the restart", started.elapsed().as_millis());
    assert_eq!(listed["state"], "pending_payment");
    assert_eq!(stock(&url).await, 37);
    stack.kill().unwrap();
    stack.wait().unwrap();
}

#[tokio::test]
async fn an_order_is_confirmed_by_mail_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("shop");
    let (mut stack, url) = start(&data);
    let http = Client::new();
    let ann = json!({"email": "ann@example.com", "password": "salt and pepper", "name": "Ann"});
    let token = post(&http, &format!("{url}/users"), "", ann).await["token"].clone();
    let token = token.as_str().unwrap();
    post(&http, &format!("{url}/cart/items"), token, json!({"productId": "mug-blue", "quantity": 3})).await;
    let mut body = checkout("tok_visa");
    // The profile's is the contact.
    body["contact"] = Value::Null;
    let order = post(&http, &format!("{url}/orders"), token, body).await;

    let (ordered, mail) =
        (Instant::now(), data.join("mail").join(format!("{}-2.eml", order["orderId"].as_str().unwrap())));
    while !mail.exists() {
        assert!(ordered.elapsed() < Duration::from_secs(30), "no mail");
    }

    let after = ordered.elapsed();
    println!("confirmed by mail {} ms after the answer", after.as_millis());
    let mail = std::fs::read_to_string(mail).unwrap();
    assert!(mail.contains("ann@example.com") && mail.contains("$26.97"), "{mail}");
    assert!(after < Duration::from_secs(2), "the mail took {after:?}");
    stack.kill().unwrap();
    stack.wait().unwrap();
}

/// Starts the stack like a user does, and waits for its `ready` line.
fn start(data: &Path) -> (Child, String) {
    let mut stack = Command::new(env!("CARGO_BIN_EXE_local"))
        .args(["--port", "0", "--engine-port", "0", "--s3-port", "0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
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
