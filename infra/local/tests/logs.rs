//! The logs of the program contain no personal data and no secrets, at any level.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use table::keys::sha256_hex;

const EMAIL: &str = "quilliam.orthogonal@example.com";
const NEW_EMAIL: &str = "quilliam.elsewhere@example.org";
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
fn no_level_logs_e_mails_addresses_passwords_tokens_hashes_or_client_secrets() {
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
        let mut secrets = runtime.block_on(shop(&url, &folder.path().join("mail")));
        kill_process(Pid::from_child(&run.0), Signal::TERM).unwrap();
        let log = log.join().unwrap().unwrap();

        secrets.extend(
            [EMAIL, NEW_EMAIL, PASSWORD, NEW_PASSWORD, NAME, STREET, POSTCODE, KEY, "$argon2"].map(str::to_owned),
        );
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

/// Registers, logs in, changes a password and buys, once with a card whose bank asks. Returns the secrets that the shop issued.
async fn shop(url: &str, mail: &Path) -> Vec<String> {
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
    // The customer's bank asks about the next one.
    call(http.post(format!("{url}/cart/items")).bearer_auth(&token).json(&line)).await;
    let order = http.post(format!("{url}/orders")).bearer_auth(&token).header("idempotency-key", format!("{KEY}-2"));
    let order = order.json(&json!({"payment": {"token": "tok_3ds"}, "shippingAddressId": kept["addressId"]}));
    let asked = call(order).await;
    let client_secret = asked["payment"]["action"]["clientSecret"].as_str().unwrap().to_owned();
    let refresh = format!("{url}/orders/{}/payment/refresh", asked["orderId"].as_str().unwrap());
    call(http.post(refresh).bearer_auth(&token)).await;
    // A mailed link is used, and two are left unused.
    let change = json!({"email": NEW_EMAIL, "currentPassword": NEW_PASSWORD});
    call(http.post(format!("{url}/users/me/email")).bearer_auth(&token).json(&change)).await;
    call(http.post(format!("{url}/passwords/reset")).json(&json!({"email": EMAIL}))).await;
    let verify = mailed(&http, url, mail, "verify-email").await;
    call(http.post(format!("{url}/users/verify")).json(&json!({"token": verify}))).await;
    let links =
        [verify, mailed(&http, url, mail, "reset-password").await, mailed(&http, url, mail, "change-email").await];
    // A guest looks at their order by the link in its mail, and asks for another.
    let token = takes(&call(http.post(format!("{url}/sessions/guest"))).await);
    call(http.post(format!("{url}/cart/items")).bearer_auth(&token).json(&line)).await;
    let order = http.post(format!("{url}/orders")).bearer_auth(&token).header("idempotency-key", format!("{KEY}-3"));
    let sent = json!({"recipient": NAME, "line1": STREET, "city": "Exeter", "postalCode": POSTCODE, "country": "GB"});
    let body = json!({"payment": {"token": "tok_visa"}, "contact": {"email": EMAIL}, "shippingAddress": sent});
    let order = call(order.json(&body)).await;
    let path = format!("orders/{}", order["orderId"].as_str().unwrap());
    let of_order = mailed(&http, url, mail, &path).await;
    let seen = call(http.get(format!("{url}/{path}")).header("order-token", &of_order)).await;
    assert_eq!(seen["state"], "confirmed");
    call(http.post(format!("{url}/orders/lookup")).json(&json!({"number": order["number"], "email": EMAIL}))).await;
    let cookie = format!("__Host-sid={token}");
    call(http.get(format!("{url}/users/me")).header("cookie", cookie)).await;
    secrets.extend(links);
    secrets.push(of_order);
    secrets.push(client_secret);
    // The secret of a token, and the session's id in the table.
    let parts = secrets.clone();
    secrets.extend(
        parts.iter().filter_map(|token| token.rsplit_once('.')).flat_map(|(_, s)| [s.to_owned(), sha256_hex(s)]),
    );
    secrets
}

/// The token of the link that was mailed last in this run. The stream is read in the background, so this asks until it
/// is there.
async fn mailed(http: &Client, url: &str, mail: &Path, action: &str) -> String {
    let (begun, marker) = (Instant::now(), format!("{}/#/{action}/", url));
    while begun.elapsed() < Duration::from_secs(60) {
        call(http.get(format!("{url}/healthz"))).await;
        for file in std::fs::read_dir(mail).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default().replace("=\r\n", "");
            if let Some((_, rest)) = text.split_once(&marker) {
                return rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
            }
        }
    }
    panic!("no mail with a link to {action}");
}

async fn call(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}
