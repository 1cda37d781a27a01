use std::error::Error;

use axum::response::{IntoResponse, Response};
use domain::Money;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use table::{DescriptionError, StoreError, error_chain};

use crate::{
    codes::{self, Code, Members, Need},
    wire::FieldError,
};

/// An error as the client sees it: RFC 9457 `application/problem+json` with a stable `code`.
///
/// The cause stays internal: it is logged once, here, and never sent.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// The members that errors of this code have.
    known: &'static Members,
    members: Map<String, Value>,
    retry_after_s: Option<i64>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    pub fn new(code: impl Into<Code>, detail: impl Into<String>) -> Self {
        let Code { status, name: code, meaning: _, members: known, retry_after } = code.into();
        let retry_after_s = retry_after.then_some(1);
        Self { status, code, detail: detail.into(), known, members: Map::new(), retry_after_s, cause: None }
    }

    /// For what does not exist or is not the caller's: an answer must not reveal which.
    pub fn not_found(what: &str) -> Self {
        Self::new(codes::NotFound, format!("there is no such {what}"))
    }

    pub fn too_many(detail: &str, retry_after_s: i64) -> Self {
        Self::new(codes::RateLimited, detail).retry_after(retry_after_s)
    }

    /// 503: the request is valid; the same one sent again continues from the current state.
    pub fn busy(detail: &str) -> Self {
        Self::new(codes::Busy, detail)
    }

    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let detail = "the server failed; read the current state before you send the request again";
        Self { cause: Some(cause.into()), ..Self::new(codes::Internal, detail) }
    }

    /// Adds a member to the answer, for programs.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        debug_assert!(self.known.all.iter().any(|m| m.name == name), "{} has no {name}: see its `codes!`", self.code);
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub fn with_money(self, name: &str, money: Money) -> Self {
        let value = json!({"amount": money.amount_minor(), "currency": money.currency().code()});
        self.with(name, value)
    }

    /// The refused fields; `field` is the first one's.
    pub fn with_errors(self, errors: Vec<FieldError>) -> Self {
        let first = errors.first().map(|error| error.field.clone());
        self.with("field", first).with("errors", json!(errors))
    }

    /// Of another status than the code has elsewhere.
    pub fn of_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Busy(_) => {
                Self::busy("the table is too busy; nothing was done; send the request again").caused_by(error)
            }
            StoreError::OutcomeUnknown(_) => {
                let detail = "the outcome is unknown; read the current state, or send the request again with the same Idempotency-Key";
                Self::new(codes::OutcomeUnknown, detail).caused_by(error)
            }
            StoreError::Unavailable(_) | StoreError::Corrupt { .. } => Self::internal(error),
        }
    }
}

impl From<DescriptionError> for Problem {
    fn from(error: DescriptionError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(code = self.code, cause = error_chain(cause.as_ref()), "request failed");
        }
        let (status, mut body) = (self.status, self.members);
        let lacks = self.known.all.iter().find(|m| m.need == Need::Always && !body.contains_key(m.name));
        debug_assert!(lacks.is_none(), "{} always has the member {lacks:?}", self.code);
        body.insert("type".to_owned(), "about:blank".into());
        body.insert("title".to_owned(), status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".to_owned(), status.as_u16().into());
        body.insert("code".to_owned(), self.code.into());
        body.insert("detail".to_owned(), self.detail.into());

        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(codes::MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
