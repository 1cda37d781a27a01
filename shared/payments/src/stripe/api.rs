//! Requests to Stripe's API, and what its answers mean independent of the request.

use std::{error::Error, fmt, sync::LazyLock, time::Duration};

use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::OutcomeUnknown;

/// The API version of requests and answers, whatever the account's default is. <https://docs.stripe.com/api/versioning>
const STRIPE_VERSION: &str = "2026-04-22.dahlia";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A confirmation waits for the customer's bank.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// Far more than any answer needs.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Set on an answer that Stripe saved under an idempotency key.
const REPLAYED: &str = "idempotent-replayed";

type Broken = Box<dyn Error + Send + Sync>;
type Connector = HttpsConnector<HttpConnector>;
type Form<'a> = &'a [(&'a str, &'a str)];

/// The address and the credentials of the API.
#[derive(Clone)]
pub struct Api {
    endpoint: String,
    authorization: HeaderValue,
}

/// Made when the first request is sent: a start needs none.
static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
    let mut http = HttpConnector::new();
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_nodelay(true);
    // The connector above it distinguishes HTTPS from HTTP.
    http.enforce_http(false);
    // Mozilla's roots, compiled in: reading the system's took longer than all else that a start does. They are renewed with
    // the crate; see "The roots that functions trust" in docs/operations.md.
    let tls = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(rustls::crypto::ring::default_provider());
    let tls = tls.expect("ring has the default versions of TLS");
    tls.https_or_http().enable_http1().wrap_connector(http)
});

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Why there is no usable answer.
#[derive(Debug)]
pub enum Failure {
    /// Stripe understood the request and did nothing.
    Refused(Refusal),
    /// Unknown: Stripe may have done it, or may do it later.
    Lost,
    /// An error of Stripe's own that it saved under the idempotency key: the same key gets it again for a day, whatever
    /// Stripe did. <https://docs.stripe.com/api/idempotent_requests>
    Saved,
}

/// Stripe's error object of a refused request. <https://docs.stripe.com/api/errors>
#[derive(Debug, Default, Deserialize)]
pub struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    param: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// The intent is not in a state in which the request could change it.
    pub fn is_of_state(&self) -> bool {
        self.code == "payment_intent_unexpected_state"
    }

    /// The object does not exist in this account.
    pub fn is_of_nothing(&self) -> bool {
        self.code == "resource_missing"
    }

    /// The bank declined.
    pub fn is_decline(&self) -> bool {
        self.status == StatusCode::PAYMENT_REQUIRED || self.kind == "card_error"
    }

    /// The token cannot pay, or no longer.
    pub fn is_of_token(&self) -> bool {
        // Stripe gives neither a code nor a parameter for a token that was used before.
        let used = self.status == StatusCode::BAD_REQUEST && self.message.contains("may not be used again");
        used || matches!(self.param.as_str(), "payment_method" | "confirmation_token")
    }

    /// Too little, too much, or a currency that Stripe does not accept: it never will.
    pub fn is_of_amount(&self) -> bool {
        let of_amount = matches!(self.code.as_str(), "amount_too_small" | "amount_too_large");
        of_amount || matches!(self.param.as_str(), "amount" | "currency")
    }

    /// The payment has less than this amount left to refund.
    pub fn is_of_refund(&self) -> bool {
        let codes = ["charge_already_refunded", "charge_disputed", "charge_not_refundable", "refund_disputed_payment"];
        codes.contains(&self.code.as_str()) || self.is_of_amount()
    }
}

impl Failure {
    /// For a refusal that requests of ours should never get, such as one for a wrong key. It must not cost the customer
    /// the goods held for them, so it counts as no answer, and is logged for the operator.
    pub fn lost(self) -> OutcomeUnknown {
        if let Self::Refused(refusal) = self {
            // The message may quote what was sent.
            let Refusal { status, kind, code, param, message: _ } = refusal;
            tracing::error!(%status, kind, code, param, "Stripe refuses a request because of the shop's configuration or a defect");
        }
        OutcomeUnknown
    }
}

impl Api {
    /// # Errors
    /// The key cannot be in a header.
    pub fn new(endpoint: &str, secret_key: &str) -> Result<Self, String> {
        let authorization = HeaderValue::try_from(format!("Bearer {secret_key}"));
        let mut authorization = authorization.map_err(|_| "STRIPE_SECRET_KEY is not a key")?;
        authorization.set_sensitive(true);
        Ok(Self { endpoint: endpoint.trim_end_matches('/').to_owned(), authorization })
    }

    /// For one operation, whose requests share a connection. Connections are not kept longer: after the environment was
    /// frozen one would be dead, which looks the same as a lost answer.
    pub fn connect(&self) -> Connection<'_> {
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(CONNECTOR.clone());
        Connection { api: self, client }
    }
}

/// Sends requests one after the other, each of them once.
pub struct Connection<'a> {
    api: &'a Api,
    client: Client<Connector, String>,
}

impl Connection<'_> {
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: Form<'_>) -> Result<T, Failure> {
        let query = encoded(query);
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        self.send(Method::GET, &path, String::new(), None).await
    }

    /// With an idempotency key, the first answer to it is repeated for at least 24 hours, an error of Stripe's own
    /// included: see [`Failure::Saved`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, form: Form<'_>, key: Option<&str>) -> Result<T, Failure> {
        self.send(Method::POST, path, encoded(form), key).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
        key: Option<&str>,
    ) -> Result<T, Failure> {
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("{}{path}", self.api.endpoint))
            .header(header::AUTHORIZATION, &self.api.authorization)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("stripe-version", STRIPE_VERSION);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(body).map_err(|_| Failure::Lost)?;

        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.exchange(request)).await;
        let (status, replayed, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::warn!(%method, error = chain(error.as_ref()), "no answer from Stripe");
                return Err(Failure::Lost);
            }
            Err(_) => {
                tracing::warn!(%method, "no answer from Stripe in time");
                return Err(Failure::Lost);
            }
        };
        if replayed && status.is_server_error() {
            return Err(Failure::Saved);
        }
        read(status, &body)
    }

    /// The status, whether the answer was replayed, and the body.
    async fn exchange(&self, request: Request<String>) -> Result<(StatusCode, bool, Vec<u8>), Broken> {
        let response = self.client.request(request).await?;
        let status = response.status();
        let replayed = response.headers().get(REPLAYED).is_some_and(|value| value == "true");
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?;
        Ok((status, replayed, body.to_bytes().to_vec()))
    }
}

fn encoded(form: Form<'_>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, Failure> {
    #[derive(Deserialize)]
    struct Refused {
        error: Refusal,
    }
    let lost = || {
        tracing::warn!(%status, "an unusable answer from Stripe");
        Failure::Lost
    };
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|_| lost());
    }
    // Both of these are about timing, not about the request: the same key in use concurrently, and too many requests.
    if matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS) || !status.is_client_error() {
        return Err(lost());
    }
    let Refused { error } = serde_json::from_slice(body).map_err(|_| lost())?;
    Err(Failure::Refused(Refusal { status, ..error }))
}

/// An error and its sources on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |&e| e.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}
