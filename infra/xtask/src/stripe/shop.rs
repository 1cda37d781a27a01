//! The local stack with Stripe payments, and its use by customers and staff.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{SECRET_KEY, WEBHOOK_SECRET};
use crate::{Outcome, cargo, process::Running, with_sources};

/// How long a cart may show the stock of before.
const REMEMBERED: Duration = Duration::from_secs(2);

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the shop waits for a provider.
const TIMEOUT: Duration = Duration::from_secs(30);
const ADMIN: (&str, &str) = ("admin@example.com", "correct-horse-battery");
pub const PUBLISHABLE_KEY: &str = "pk_test_12345";
/// Of the storefront; the order's id follows.
pub const RETURN_URL: &str = "https://shop.example/paid?order={orderId}";
/// Units in each purchase.
pub const UNITS: i64 = 2;

/// Builds the local stack, and gets its path from cargo.
pub fn build() -> Outcome<PathBuf> {
    let arguments = ["build", "--bin", "local", "--message-format=json-render-diagnostics"];
    let output = cargo(&arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the local stack cannot be built".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.find_map(|message| {
        let path = message["executable"].as_str()?;
        (message["target"]["name"].as_str() == Some("local")).then(|| PathBuf::from(path))
    });
    program.ok_or_else(|| "cargo built no program local".into())
}

/// A running stack with the sample catalogue; dropping it stops it.
#[derive(Debug)]
pub struct Shop {
    pub url: String,
    client: Client,
    _running: Running,
}

/// An answer of the shop.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    pub fn expect(self, status: u16) -> Outcome<Value> {
        match self.status.as_u16() == status {
            true => Ok(self.body),
            false => Err(format!("expected {status}, got {} {}", self.status, self.body).into()),
        }
    }
}

/// A customer or an admin with a session.
#[derive(Debug)]
pub struct Visitor<'a> {
    shop: &'a Shop,
    token: String,
}

impl Shop {
    pub fn start(program: &Path, stripe: &str) -> Outcome<Self> {
        let mut running = Running::start(
            Command::new(program)
                .args(["--port", "0", "--engine-port", "0", "--s3-port", "0", "--data", "memory", "--seed", "sample"])
                .args(["--payments", "stripe", "--currency", "USD"])
                // It would warn about every answer that is lost on purpose.
                .env("RUST_LOG", "error")
                .envs([("STRIPE_SECRET_KEY", SECRET_KEY), ("STRIPE_ENDPOINT", stripe)])
                .envs([
                    ("STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET),
                    ("STRIPE_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
                    ("PAYMENT_RETURN_URL", RETURN_URL),
                    ("ADMIN_EMAIL", ADMIN.0),
                    ("ADMIN_PASSWORD", ADMIN.1),
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::piped()),
        )?;
        let line = running.first_line(START_TIMEOUT)?;
        let url = line.strip_prefix("ready ").and_then(|rest| rest.split(' ').next());
        let url = url.ok_or_else(|| format!("not a ready line: {line}"))?.to_owned();
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { url, client, _running: running })
    }

    pub async fn guest(&self) -> Outcome<Visitor<'_>> {
        self.session("/sessions/guest", &json!({})).await
    }

    pub async fn admin(&self) -> Outcome<Visitor<'_>> {
        self.session("/sessions", &json!({ "email": ADMIN.0, "password": ADMIN.1 })).await
    }

    async fn session(&self, path: &str, body: &Value) -> Outcome<Visitor<'_>> {
        let opened = self.send(Method::POST, path, &[], Some(body)).await?.expect(201)?;
        let token = opened["token"].as_str().ok_or("the new session has no token")?.to_owned();
        Ok(Visitor { shop: self, token })
    }

    /// A product with enough stock for every scenario.
    pub async fn product(&self) -> Outcome<String> {
        let page = self.send(Method::GET, "/products", &[], None).await?.expect(200)?;
        for card in page["items"].as_array().into_iter().flatten() {
            let Some(id) = card["productId"].as_str() else { continue };
            let found = self.send(Method::GET, &format!("/products/{id}"), &[], None).await?.expect(200)?;
            if found["stock"]["available"].as_i64() >= Some(20 * UNITS) {
                return Ok(id.to_owned());
            }
        }
        Err("no sample product has enough stock".into())
    }

    /// Sends an event as Stripe would.
    pub async fn hears(&self, event: &Value, signature: &str) -> Outcome<Answer> {
        self.send(Method::POST, "/payments/webhooks/stripe", &[("stripe-signature", signature)], Some(event)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Outcome<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| with_sources(&e))?;
        let status = response.status();
        let text = response.text().await.map_err(|e| with_sources(&e))?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }
}

impl Visitor<'_> {
    pub async fn adds(&self, product: &str) -> Outcome<()> {
        let line = json!({ "productId": product, "quantity": UNITS });
        self.posts("/cart/items", "not-needed-for-this", &line).await?.expect(200).map(drop)
    }

    /// Units in stock of the product in the cart.
    pub async fn available(&self) -> Outcome<i64> {
        tokio::time::sleep(REMEMBERED).await;
        let cart = self.gets("/cart").await?;
        cart["items"][0]["available"].as_i64().ok_or_else(|| format!("nothing in the cart {cart}").into())
    }

    pub async fn checks_out(&self, key: &str, method: &str) -> Outcome<Answer> {
        self.posts(
            "/orders",
            key,
            &json!({
                "payment": { "token": method },
                "contact": { "email": "guest@example.com" },
                "shippingAddress": { "recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB" },
            }),
        )
        .await
    }

    pub async fn cancels(&self, order: &str, key: &str) -> Outcome<Answer> {
        self.posts(&format!("/orders/{order}/cancel"), key, &json!({})).await
    }

    /// Asks the shop to look at the payment of an order.
    pub async fn refreshes(&self, order: &str) -> Outcome<Answer> {
        let headers = [("authorization", &*self.authorization())];
        self.shop.send(Method::POST, &format!("/orders/{order}/payment/refresh"), &headers, None).await
    }

    /// As an admin; without an amount it is all that is left.
    pub async fn refunds(&self, order: &str, key: &str, amount: Option<&Value>) -> Outcome<Answer> {
        let body = amount.map_or_else(|| json!({}), |amount| json!({ "amount": amount }));
        self.posts(&format!("/admin/orders/{order}/refund"), key, &body).await
    }

    pub async fn order(&self, id: &str) -> Outcome<Value> {
        self.gets(&format!("/orders/{id}")).await
    }

    async fn gets(&self, path: &str) -> Outcome<Value> {
        let headers = [("authorization", &*self.authorization())];
        self.shop.send(Method::GET, path, &headers, None).await?.expect(200)
    }

    async fn posts(&self, path: &str, key: &str, body: &Value) -> Outcome<Answer> {
        let headers = [("authorization", &*self.authorization()), ("idempotency-key", key)];
        self.shop.send(Method::POST, path, &headers, Some(body)).await
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }
}
