//! The function that records are delivered to.

use std::{error::Error, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use stream::{Answer, Batch};
use tokio::time::timeout;

/// The longest a function may take; longer is an error of the function.
const LONGEST: Duration = Duration::from_secs(60);

/// A function in this process.
pub type Handler = Arc<dyn Fn(Batch) -> BoxFuture<'static, Answer> + Send + Sync>;

#[derive(Clone)]
pub enum Target {
    InProcess(Handler),
    Lambda(Box<Lambda>),
}

/// Functions reached over the Invoke API of Lambda, such as those under `cargo lambda watch`.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
#[derive(Clone)]
pub struct Lambda {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Without a trailing slash.
    endpoint: String,
}

/// Why a function gave no answer. All but the first are errors of the function: it may have done part of its work.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    #[error("the function could not be called")]
    NotInvoked { source: Box<dyn Error + Send + Sync> },
    #[error("the function took longer than {} seconds", LONGEST.as_secs())]
    TimedOut,
    #[error("the function panicked: {0}")]
    Panicked(String),
    #[error("the function failed with status {status}: {answer}")]
    Failed { status: u16, answer: String },
    #[error("the function's answer broke off")]
    BrokeOff(#[source] Box<dyn Error + Send + Sync>),
    #[error("the function's answer is not one of a stream's consumer")]
    Unreadable(#[source] serde_json::Error),
}

impl Target {
    /// Functions at an address such as `http://127.0.0.1:9001`.
    ///
    /// # Errors
    /// It is not such an address.
    pub fn lambda(endpoint: &str) -> Result<Self, String> {
        Ok(Target::Lambda(Box::new(Lambda::at(endpoint)?)))
    }

    pub async fn invoke(&self, function: &str, batch: Batch) -> Result<Answer, InvokeError> {
        let answer = async {
            match self {
                Target::InProcess(handler) => call(handler, batch).await,
                Target::Lambda(lambda) => lambda.invoke(function, &batch).await,
            }
        };
        timeout(LONGEST, answer).await.unwrap_or(Err(InvokeError::TimedOut))
    }
}

/// Calls a function in this process; its panic is its failure, as in Lambda.
pub async fn call(handler: &Handler, batch: Batch) -> Result<Answer, InvokeError> {
    // A handler keeps no state between calls that a panic could leave inconsistent.
    let answer = AssertUnwindSafe(async { handler(batch).await }).catch_unwind();
    answer.await.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        InvokeError::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
    })
}

impl Lambda {
    fn at(endpoint: &str) -> Result<Self, String> {
        let uri: Uri = endpoint.parse().map_err(|e| format!("{endpoint} is not a URL: {e}"))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() || uri.query().is_some() {
            return Err(format!("{endpoint} is not an address like http://127.0.0.1:9001"));
        }
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), endpoint })
    }

    async fn invoke(&self, function: &str, batch: &Batch) -> Result<Answer, InvokeError> {
        let not_invoked = |source: Box<dyn Error + Send + Sync>| InvokeError::NotInvoked { source };
        let body = serde_json::to_vec(batch).map_err(|e| not_invoked(e.into()))?;
        let request = Request::post(format!("{}/2015-03-31/functions/{function}/invocations", self.endpoint))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|e| not_invoked(e.into()))?;
        let response = self.client.request(request).await.map_err(|e| match e.is_connect() {
            true => not_invoked(e.into()),
            false => InvokeError::BrokeOff(e.into()),
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| InvokeError::BrokeOff(e.into()))?.to_bytes();
        if head.status.is_client_error() || head.status.is_server_error() || head.headers.contains_key(FUNCTION_ERROR) {
            let answer: String = String::from_utf8_lossy(&body).chars().take(500).collect();
            return Err(match head.status {
                StatusCode::TOO_MANY_REQUESTS => not_invoked(answer.into()),
                status => InvokeError::Failed { status: status.as_u16(), answer },
            });
        }
        read_answer(&body).map_err(InvokeError::Unreadable)
    }
}

/// Lambda's mark of an error in the function, whose status is 200 all the same.
pub const FUNCTION_ERROR: &str = "x-amz-function-error";

/// An answer without failures, or an empty one, means that there are none.
fn read_answer(body: &[u8]) -> Result<Answer, serde_json::Error> {
    let body = if body.is_empty() { b"null" } else { body };
    match serde_json::from_slice(body)? {
        Value::Null => Ok(Answer::default()),
        Value::Object(members) if members.get("batchItemFailures").is_none_or(Value::is_null) => Ok(Answer::default()),
        answer => serde_json::from_value(answer),
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::InProcess(_) => f.write_str("InProcess"),
            Target::Lambda(lambda) => f.debug_tuple("Lambda").field(&lambda.endpoint).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, extract::Path, response::IntoResponse, routing::post};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    fn batch() -> Batch {
        Batch { records: vec![json!({"eventID": "1"})] }
    }

    /// A fake of Lambda whose functions answer with their own name.
    async fn lambda() -> Target {
        let functions = post(async |Path(function): Path<String>, body: String| {
            assert_eq!(body, r#"{"Records":[{"eventID":"1"}]}"#);
            match function.as_str() {
                "one" => (StatusCode::OK, r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#).into_response(),
                "none" => (StatusCode::OK, r#"{"batchItemFailures":[]}"#).into_response(),
                "null-list" => (StatusCode::OK, r#"{"batchItemFailures":null}"#).into_response(),
                "null" => (StatusCode::OK, "null").into_response(),
                "empty" => StatusCode::OK.into_response(),
                "object" => (StatusCode::OK, "{}").into_response(),
                "text" => (StatusCode::OK, "done").into_response(),
                "list" => (StatusCode::OK, "[]").into_response(),
                "throws" => ([(FUNCTION_ERROR, "Unhandled")], r#"{"errorMessage":"no"}"#).into_response(),
                "busy" => StatusCode::TOO_MANY_REQUESTS.into_response(),
                _ => (StatusCode::NOT_FOUND, "no such function").into_response(),
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/2015-03-31/functions/{name}/invocations", functions);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Target::lambda(&endpoint).unwrap()
    }

    #[tokio::test]
    async fn a_lambda_answers_over_http() {
        let lambda = lambda().await;

        let one = lambda.invoke("one", batch()).await.unwrap();
        assert_eq!(one.batch_item_failures[0].item_identifier.as_deref(), Some("7"));
        for success in ["none", "null-list", "null", "empty", "object"] {
            assert_eq!(lambda.invoke(success, batch()).await.unwrap(), Answer::default(), "{success}");
        }
        for unreadable in ["text", "list"] {
            let error = lambda.invoke(unreadable, batch()).await.unwrap_err();
            assert!(matches!(error, InvokeError::Unreadable(_)), "{unreadable}: {error}");
        }
        let thrown = lambda.invoke("throws", batch()).await.unwrap_err();
        assert_eq!(thrown.to_string(), r#"the function failed with status 200: {"errorMessage":"no"}"#);
        let unknown = lambda.invoke("unknown", batch()).await.unwrap_err();
        assert!(matches!(unknown, InvokeError::Failed { status: 404, .. }), "{unknown}");
        let busy = lambda.invoke("busy", batch()).await.unwrap_err();
        assert!(matches!(busy, InvokeError::NotInvoked { .. }), "{busy}");
    }

    #[tokio::test]
    async fn a_lambda_that_is_not_there_was_not_called() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let lambda = Target::lambda(&format!("http://{closed}")).unwrap();

        let error = lambda.invoke("one", batch()).await.unwrap_err();

        assert!(matches!(error, InvokeError::NotInvoked { .. }), "{error}");
        for endpoint in ["", "9001", "127.0.0.1:9001", "https://127.0.0.1:9001", "ftp://x", "http://x?y"] {
            assert!(Target::lambda(endpoint).is_err(), "{endpoint}");
        }
    }

    #[tokio::test]
    async fn a_panic_of_a_function_is_its_error() {
        let handler: Handler = Arc::new(|batch| {
            async move {
                assert!(batch.records.is_empty(), "there are records");
                Answer::default()
            }
            .boxed()
        });
        let target = Target::InProcess(handler);

        let error = target.invoke("any", batch()).await.unwrap_err();
        assert!(matches!(&error, InvokeError::Panicked(text) if text == "there are records"), "{error}");
        assert_eq!(target.invoke("any", Batch { records: vec![] }).await.unwrap(), Answer::default());
    }
}
