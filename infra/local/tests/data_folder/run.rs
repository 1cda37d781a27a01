//! Runs the program with a data folder, with a shopper and an admin who check what it serves.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use reqwest::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

pub struct Run {
    child: Child,
    /// The first line of its standard output, once there is one; empty if it ends without one.
    ready: Receiver<String>,
    errors: PathBuf,
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(["--port", "0", "--engine-port", "0", "--s3-port", "0"]).args(arguments);
    for name in ["ADMIN_EMAIL", "ADMIN_PASSWORD", "PAYMENT_LEDGER", "MAIL_FOLDER", "TABLE_NAME", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

impl Run {
    /// Starts the stack with a folder. The standard error of all its starts is in a file beside it.
    pub fn begin(data: &Path) -> Self {
        Self::begin_with(data, &[])
    }

    pub fn begin_with(data: &Path, arguments: &[&str]) -> Self {
        let errors = data.with_extension("stderr");
        let stderr = OpenOptions::new().create(true).append(true).open(&errors).unwrap();
        let mut command = command(&["--data", data.to_str().unwrap()]);
        command.args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let (send, ready) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut line = String::new();
            if BufReader::new(stdout).read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                // The receiver has stopped waiting.
                let _ = send.send(line);
            }
        });
        Self { child, ready, errors }
    }

    /// Its address, once it serves; or its standard error, if it ended instead.
    pub fn opens(mut self) -> Result<(Self, String), String> {
        match self.ready.recv() {
            Ok(line) => {
                let url = line.split(' ').nth(1).unwrap().to_owned();
                Ok((self, url))
            }
            Err(_) => {
                assert!(!self.child.wait().unwrap().success());
                Err(fs::read_to_string(&self.errors).unwrap())
            }
        }
    }

    /// Lets it run for this long; false if it serves or ends earlier.
    pub fn starts_for(&self, time: Duration) -> bool {
        matches!(self.ready.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }

    pub fn stop(mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap()
    }
}

/// Ends a process that a failed test leaves running.
impl Drop for Run {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts with a folder, and checks that the shop is complete: the sample, an admin, checkout. Returns what is wrong.
pub fn serves(data: &Path) -> Result<(), String> {
    let (run, url) = Run::begin(data).opens()?;
    let said = fs::read_to_string(data.with_extension("stderr")).unwrap();
    let admin = said.lines().rev().find_map(|line| line.strip_prefix("admin admin@shop.example with password "));
    let admin = admin.ok_or("the admin's password was not printed")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(async {
        let http = Client::new();
        let products = call(http.get(format!("{url}/products?limit=100"))).await?;
        let count = products["items"].as_array().map_or(0, Vec::len);
        if count != 60 {
            return Err(format!("{count} products"));
        }
        call(http.get(format!("{url}/products/book-bread-slow/description"))).await?;
        let login = json!({"email": "admin@shop.example", "password": admin});
        let session = call(http.post(format!("{url}/sessions")).json(&login)).await?;
        call(
            http.get(format!("{url}/admin/orders?state=confirmed"))
                .bearer_auth(session["token"].as_str().unwrap_or_default()),
        )
        .await?;
        buy(&http, &url).await.map(drop)
    });
    let status = run.stop(Signal::TERM);
    found.and(if status.success() { Ok(()) } else { Err(status.to_string()) })
}

/// A guest buys three mugs; returns the order's id and the session's token.
pub async fn buy(http: &Client, url: &str) -> Result<(String, String), String> {
    let session = call(http.post(format!("{url}/sessions/guest")).json(&json!({}))).await?;
    let token = session["token"].as_str().unwrap_or_default().to_owned();
    let line = json!({"productId": "mug-blue", "quantity": 3});
    call(http.post(format!("{url}/cart/items")).bearer_auth(&token).json(&line)).await?;
    let order =
        http.post(format!("{url}/orders")).bearer_auth(&token).header("idempotency-key", "the-only-order-of-it");
    let checkout = json!({
        "payment": {"token": "tok_visa"},
        "contact": {"email": "guest@example.com"},
        "shippingAddress": {"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"},
    });
    let order = call(order.json(&checkout)).await?;
    match order["state"].as_str() {
        Some("confirmed") => Ok((order["orderId"].as_str().unwrap_or_default().to_owned(), token)),
        _ => Err(order.to_string()),
    }
}

pub async fn call(request: RequestBuilder) -> Result<Value, String> {
    let response = request.send().await.map_err(|e| e.to_string())?;
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await.map_err(|e| e.to_string())?;
    match status.is_success() {
        true => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
        false => Err(format!("{url}: {status}: {text}")),
    }
}
