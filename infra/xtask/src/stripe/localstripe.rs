//! localstripe, <https://github.com/adrienverge/localstripe>: a fake of Stripe's API that keeps everything in memory.
//! It sends an event a second after it happened, and does not repeat it.

use std::{
    fs::File,
    net::{Ipv6Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::{SECRET_KEY, WEBHOOK_SECRET};
use crate::{Outcome, process::Running, root, tools, with_sources};

const PACKAGE: &str = "localstripe==1.15.10";
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Numbers of cards: <https://docs.stripe.com/testing>.
#[derive(Debug, Clone, Copy)]
pub enum Card {
    Pays,
    /// localstripe declines this one if it is not attached to a customer; 4000000000000002 would pay.
    Declines,
    /// Requires authentication by the customer (3-D Secure).
    AsksTheCustomer,
    /// The same, and the bank declines after it.
    AsksAndDeclines,
}

impl Card {
    fn number(self) -> &'static str {
        match self {
            Self::Pays => "4242424242424242",
            Self::Declines => "4000000000000341",
            Self::AsksTheCustomer => "4000002500003155",
            Self::AsksAndDeclines => "4000008260003178",
        }
    }
}

/// Installs localstripe into `target/tools` if it is missing, and returns the Python that runs it.
pub fn install() -> Outcome<PathBuf> {
    Ok(tools::python(&[PACKAGE])?.join("python"))
}

/// A running, empty localstripe; dropping it stops it.
#[derive(Debug)]
pub struct LocalStripe {
    pub url: String,
    client: Client,
    _running: Running,
}

impl LocalStripe {
    /// Starts it, and waits until it listens.
    pub fn start(python: &Path) -> Outcome<Self> {
        // It cannot pick a port itself. It listens on IPv4 and IPv6.
        let port = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?.local_addr()?.port();
        let log = root().join("target/tools/localstripe.log");
        let output = File::create(&log)?;
        let mut running = Running::start(
            Command::new(python)
                .args(["-m", "localstripe", "--from-scratch", "--port", &port.to_string()])
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output),
        )?;
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if running.has_ended() || started.elapsed() > START_TIMEOUT {
                return Err(format!("localstripe does not become ready, see {}", log.display()).into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let client = Client::builder().timeout(START_TIMEOUT).no_proxy().build()?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), client, _running: running })
    }

    /// Sets the URL that its events are sent to.
    pub async fn set_webhook(&self, webhook: &str) -> Outcome<()> {
        let body = json!({ "url": webhook, "secret": WEBHOOK_SECRET });
        let response = self.client.post(format!("{}/_config/webhooks/shop", self.url)).json(&body).send().await?;
        Ok(response.error_for_status().map(drop)?)
    }

    /// A payment method for this card, as a storefront's form would create it.
    pub async fn method(&self, card: Card) -> Outcome<String> {
        let details = json!({ "number": card.number(), "exp_month": 12, "exp_year": 2040, "cvc": "123" });
        let body = json!({ "type": "card", "card": details });
        let method = self.ask(self.client.post(format!("{}/v1/payment_methods", self.url)).json(&body)).await?;
        Ok(method["id"].as_str().ok_or("the payment method has no id")?.to_owned())
    }

    /// The customer answers the question of their bank, which Stripe's script in a storefront would pass on. Returns the
    /// intent; `None` if localstripe refuses the answer, or the bank declines.
    pub async fn authenticate(&self, intent: &str, secret: &str, success: bool) -> Outcome<Option<Value>> {
        let body = json!({ "client_secret": secret, "success": success });
        let request = self.client.post(format!("{}/v1/payment_intents/{intent}/_authenticate", self.url)).json(&body);
        let response = request.bearer_auth(SECRET_KEY).send().await.map_err(|e| with_sources(&e))?;
        match response.status().is_success() {
            true => Ok(Some(response.json().await?)),
            false => Ok(None),
        }
    }

    /// The PaymentIntents of an order.
    pub async fn intents(&self, order: &str) -> Outcome<Vec<Value>> {
        let all = self.ask(self.client.get(format!("{}/v1/payment_intents?limit=10000", self.url))).await?;
        let all = all["data"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|intent| intent["metadata"]["order_id"] == order).collect())
    }

    /// The refunds of a PaymentIntent.
    pub async fn refunds(&self, intent: &str) -> Outcome<Vec<Value>> {
        let path = format!("{}/v1/refunds?limit=10000&payment_intent={intent}", self.url);
        let refunds = self.ask(self.client.get(path)).await?;
        Ok(refunds["data"].as_array().cloned().unwrap_or_default())
    }

    /// A refund as made in Stripe's dashboard: without any data of the shop.
    pub async fn refunds_by_hand(&self, intent: &str, cents: i64) -> Outcome<Value> {
        let body = json!({ "payment_intent": intent, "amount": cents });
        self.ask(self.client.post(format!("{}/v1/refunds", self.url)).json(&body)).await
    }

    async fn ask(&self, request: RequestBuilder) -> Outcome<Value> {
        let response = request.bearer_auth(SECRET_KEY).send().await.map_err(|e| with_sources(&e))?;
        let status = response.status();
        let body = response.text().await.map_err(|e| with_sources(&e))?;
        if !status.is_success() {
            return Err(format!("localstripe answers {status} {body}").into());
        }
        Ok(serde_json::from_str(&body)?)
    }
}
