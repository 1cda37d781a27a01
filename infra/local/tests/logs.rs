//! The logs of the program contain no personal data and no secrets, at any level.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    thread,
};

use reqwest::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use table::keys::sha256_hex;

const EMAIL: &str = "quilliam.orthogonal@example.com";
const PASSWORD: &str = "zephyr-marmalade-9041";
const NEW_PASSWORD: &str = "quartz-umbrella-7713";
const NAME: &str = "Quilliam Orthogonal";
const STREET: &str = "88 Bartholomew Crescent";
const POSTCODE: &str = "QX9 7ZZ";
const KEY: &str = "a-secret-idempotency-key";

/// Ends the program, however the test ends.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn no_level_logs_e_mails_addresses_passwords_tokens_or_hashes() {
    let folder = tempfile::tempdir().unwrap();
    for level in ["trace", "info,aws_smithy_runtime=trace,hyper=trace,dynoxide=trace,aws_smithy_http_client=trace"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
            .args(["--port", "0", "--engine-port", "0", "--s3-port", "0", "--mail"])
            .arg(folder.path().join("mail"))
            .env("RUST_LOG", level)
            .env_remove("ADMIN_EMAIL")
            .env_remove("ADMIN_PASSWORD")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).map(|_| log)
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let run = Run(child);
        let url = ready.split(' ').nth(1).unwrap().to_owned();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut secrets = runtime.block_on(shop(&url));
        kill_process(Pid::from_child(&run.0), Signal::TERM).unwrap();
        let log = log.join().unwrap().unwrap();

        secrets.extend([EMAIL, PASSWORD, NEW_PASSWORD, NAME, STREET, POSTCODE, KEY, "$argon2"].map(str::to_owned));
        secrets.extend([sha256_hex(EMAIL), EMAIL.replace('@', "%40")]);
        for line in log.lines() {
            let leaked = secrets.iter().find(|secret| line.contains(secret.as_str()));
            assert!(leaked.is_none(), "RUST_LOG={level} logs {leaked:?}: {line:.2000}");
        }
        for route in ["/users", "/orders", "/users/me/addresses"] {
            let line = |line: &str| line.contains("request") && line.contains(&format!("route=\"{route}\""));
            assert!(log.lines().any(|l| line(&plain(l))), "RUST_LOG={level} logs no request of {route}:\n{log:.4000}");
        }
    }
}

/// Without terminal colours.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// Registers, logs in, changes a password and buys. Returns the secrets that the shop issued.
async fn shop(url: &str) -> Vec<String> {
    let http = Client::new();
    let mut secrets = Vec::new();
    let mut takes = |answer: &Value| {
        let found = ["token", "deviceToken"].map(|name| answer[name].as_str().map(str::to_owned));
        secrets.extend(found.into_iter().flatten());
        answer["token"].as_str().unwrap_or_default().to_owned()
    };
    let registered = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    takes(&call(http.post(format!("{url}/users")).json(&registered)).await);
    let login = json!({"email": EMAIL, "password": PASSWORD});
    let token = takes(&call(http.post(format!("{url}/sessions")).json(&login)).await);
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    let token = takes(&call(http.patch(format!("{url}/users/me")).bearer_auth(&token).json(&change)).await);
    let address =
        json!({"recipient": NAME, "line1": STREET, "city": "Exeter", "postalCode": POSTCODE, "country": "GB"});
    let kept = call(http.post(format!("{url}/users/me/addresses")).bearer_auth(&token).json(&address)).await;
    let line = json!({"productId": "mug-blue", "quantity": 1});
    call(http.post(format!("{url}/cart/items")).bearer_auth(&token).json(&line)).await;
    let order = http.post(format!("{url}/orders")).bearer_auth(&token).header("idempotency-key", KEY);
    let order = order.json(&json!({"payment": {"token": "tok_visa"}, "shippingAddressId": kept["addressId"]}));
    assert_eq!(call(order).await["state"], "confirmed");
    let cookie = format!("__Host-sid={token}");
    call(http.get(format!("{url}/users/me")).header("cookie", cookie)).await;
    // The secret of a token, and the session's id in the table.
    let parts = secrets.clone();
    secrets.extend(
        parts.iter().filter_map(|token| token.rsplit_once('.')).flat_map(|(_, s)| [s.to_owned(), sha256_hex(s)]),
    );
    secrets
}

async fn call(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}
