//! The proxy in front of localstripe. It adds what Stripe has and localstripe lacks: idempotency keys with saved
//! answers, confirmation with a payment method, and error codes; and it can lose answers, or fail.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::SECRET_KEY;
use crate::Outcome;

/// <https://docs.stripe.com/error-low-level#idempotency>
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TIMEOUT: Duration = Duration::from_secs(30);

/// Requests whose answers can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Create,
    Confirm,
    Refund,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The request never arrived.
    Before,
    /// It was carried out.
    After,
    /// It was answered with an error of Stripe's own, and nothing was done. With a key, that is the saved answer.
    FailedBefore,
    /// As before, but it was carried out.
    FailedAfter,
}

/// Dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    pub url: String,
    imitation: Arc<Imitation>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Debug)]
struct Imitation {
    localstripe: String,
    client: Client,
    losing: Mutex<Option<(Ask, Lost)>>,
    /// Held while a request is carried out, so that two concurrent ones with the same key are one.
    answered: tokio::sync::Mutex<HashMap<String, Answered>>,
}

/// A request that had a key, and its answer.
#[derive(Debug)]
struct Answered {
    path: String,
    form: Bytes,
    answer: Answer,
}

#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    /// It was saved for an earlier request with the same key.
    replayed: bool,
    body: Value,
}

impl Proxy {
    pub async fn start(localstripe: &str) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let imitation = Arc::new(Imitation {
            localstripe: localstripe.to_owned(),
            client: Client::builder().timeout(TIMEOUT).no_proxy().build()?,
            losing: Mutex::default(),
            answered: tokio::sync::Mutex::default(),
        });
        let router = Router::new().fallback(serve).with_state(imitation.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, imitation, server })
    }

    /// Loses the answer to the next request of this kind.
    pub fn loses_next(&self, ask: Ask, lost: Lost) {
        *self.imitation.losing.lock().unwrap_or_else(PoisonError::into_inner) = Some((ask, lost));
    }

    /// Whether an answer was still to be lost. Cancels that.
    pub fn lost_nothing(&self) -> bool {
        self.imitation.losing.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    State(imitation): State<Arc<Imitation>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    form: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let losing = imitation.loses(&method, path);
    if losing == Some(Lost::Before) {
        return cut_off();
    }
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).filter(|_| method == Method::POST);
    let answer = imitation.answer(&method, path, form, key, losing).await;
    match (losing, answer) {
        (Some(Lost::Before | Lost::After), _) => cut_off(),
        (_, Ok(Answer { status, replayed: true, body })) => {
            (status, [(REPLAYED, "true")], axum::Json(body)).into_response()
        }
        (_, Ok(Answer { status, replayed: false, body })) => (status, axum::Json(body)).into_response(),
        (_, Err(error)) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// The connection breaks in the middle of the answer.
fn cut_off() -> Response {
    let broken = stream::once(async { Err::<Bytes, _>(io::Error::other("lost")) });
    Response::new(Body::from_stream(broken))
}

impl Imitation {
    /// How the answer to this request is to be lost, if it is; only one is.
    fn loses(&self, method: &Method, path: &str) -> Option<Lost> {
        let ask = match path {
            _ if method != Method::POST => return None,
            "/v1/payment_intents" => Ask::Create,
            "/v1/refunds" => Ask::Refund,
            _ if path.ends_with("/confirm") => Ask::Confirm,
            _ => return None,
        };
        let mut losing = self.losing.lock().unwrap_or_else(PoisonError::into_inner);
        losing.take_if(|(next, _)| *next == ask).map(|(_, lost)| lost)
    }

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        form: Bytes,
        key: Option<&str>,
        losing: Option<Lost>,
    ) -> reqwest::Result<Answer> {
        let mut answered = self.answered.lock().await;
        if let Some(first) = key.and_then(|key| answered.get(key)) {
            return Ok(match first.path == path && first.form == form {
                true => Answer { replayed: true, ..first.answer.clone() },
                false => refused(json!({"type": "idempotency_error", "message": "the key was used otherwise"})),
            });
        }
        let carried_out = match losing {
            Some(Lost::FailedBefore) => failed(),
            _ => self.act(method, path, form.clone()).await?,
        };
        let answer = if losing == Some(Lost::FailedAfter) { failed() } else { carried_out };
        // A request that was not carried out is not saved, but an error of Stripe's own is:
        // <https://docs.stripe.com/api/idempotent_requests>.
        let unsaved = [StatusCode::BAD_REQUEST, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS];
        if let Some(key) = key.filter(|_| !unsaved.contains(&answer.status)) {
            let first = Answered { path: path.to_owned(), form, answer: answer.clone() };
            answered.insert(key.to_owned(), first);
        }
        Ok(answer)
    }

    async fn act(&self, method: &Method, path: &str, form: Bytes) -> reqwest::Result<Answer> {
        match path.strip_prefix("/v1/payment_intents/").and_then(|rest| rest.split_once('/')) {
            Some((intent, "confirm")) => self.confirm(intent, &form).await,
            Some((_, "cancel")) => Ok(of_state(self.forward(method, path, form).await?)),
            _ => self.forward(method, path, form).await,
        }
    }

    /// localstripe confirms only with the method that the intent has, and does not check it or the state properly.
    async fn confirm(&self, intent: &str, form: &Bytes) -> reqwest::Result<Answer> {
        let path = format!("/v1/payment_intents/{intent}");
        let found = self.forward(&Method::GET, &path, Bytes::new()).await?;
        if !found.status.is_success() {
            return Ok(found);
        }
        if !matches!(found.body["status"].as_str(), Some("requires_payment_method" | "requires_confirmation")) {
            return Ok(refused(json!({ "code": UNEXPECTED_STATE, "payment_intent": found.body })));
        }
        let pairs: Vec<_> = form_urlencoded::parse(form).into_owned().collect();
        let given = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        // localstripe has no confirmation tokens, and takes no return URL.
        let token = given("confirmation_token").and_then(|token| token.strip_prefix("ctoken_"));
        if let Some(method) = token.or(given("payment_method")) {
            let known = self.forward(&Method::GET, &format!("/v1/payment_methods/{method}"), Bytes::new()).await?;
            if !known.status.is_success() {
                let param = if token.is_some() { "confirmation_token" } else { "payment_method" };
                return Ok(refused(json!({ "code": "resource_missing", "param": param })));
            }
            let form = form_urlencoded::Serializer::new(String::new()).append_pair("payment_method", method).finish();
            self.forward(&Method::POST, &path, form.into()).await?;
        }
        let mut confirmed = self.forward(&Method::POST, &format!("{path}/confirm"), Bytes::new()).await?;
        if confirmed.status == StatusCode::PAYMENT_REQUIRED {
            confirmed.body["error"]["type"] = "card_error".into();
        }
        Ok(confirmed)
    }

    async fn forward(&self, method: &Method, path: &str, form: Bytes) -> reqwest::Result<Answer> {
        let request = self.client.request(method.clone(), format!("{}{path}", self.localstripe));
        let request = request.bearer_auth(SECRET_KEY).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = request.body(form).send().await?;
        Ok(Answer { status: response.status(), replayed: false, body: response.json().await? })
    }
}

const UNEXPECTED_STATE: &str = "payment_intent_unexpected_state";

fn refused(mut error: Value) -> Answer {
    if error["type"].is_null() {
        error["type"] = "invalid_request_error".into();
    }
    Answer { status: StatusCode::BAD_REQUEST, replayed: false, body: json!({ "error": error }) }
}

fn failed() -> Answer {
    let error = json!({ "type": "api_error", "message": "something went wrong on Stripe's side" });
    Answer { status: StatusCode::INTERNAL_SERVER_ERROR, replayed: false, body: json!({ "error": error }) }
}

/// localstripe refuses to cancel what it cannot cancel, but gives no code.
fn of_state(answer: Answer) -> Answer {
    match answer.status {
        StatusCode::BAD_REQUEST => refused(json!({ "code": UNEXPECTED_STATE })),
        _ => answer,
    }
}
