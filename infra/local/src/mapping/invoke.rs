//! The functions of this process over Lambda's Invoke API, for callers that invoke them on AWS.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::json;
use table::error_chain;

use super::{Consumer, target};

/// Lambda's limit.
const EVENT_BYTES: usize = 6 * 1024 * 1024;

/// `POST /2015-03-31/functions/<name>/invocations`. Not part of the shop's own API, so it is not in the OpenAPI
/// document.
pub fn router(consumers: &[Arc<Consumer>]) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{function}/invocations", post(invoke))
        .layer(DefaultBodyLimit::max(EVENT_BYTES))
        .with_state(consumers.to_vec())
}

async fn invoke(
    State(consumers): State<Vec<Arc<Consumer>>>,
    Path(function): Path<String>,
    headers: HeaderMap,
    event: Bytes,
) -> Response {
    // As in the engine, the signature is not verified. It is required because Lambda requires it.
    let signed = headers.get(header::AUTHORIZATION).is_some_and(|a| a.as_bytes().starts_with(b"AWS4-HMAC-SHA256"));
    if !signed {
        let message = "the request is not signed: call the function with an AWS SDK or the AWS CLI";
        return refuse(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", message);
    }
    let Some(consumer) = consumers.iter().find(|consumer| consumer.mapping.function == function) else {
        return refuse(StatusCode::NOT_FOUND, "ResourceNotFoundException", &format!("Function not found: {function}"));
    };
    let batch = match serde_json::from_slice(&event) {
        Ok(batch) => batch,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &error.to_string()),
    };
    match target::call(&consumer.handler, batch).await {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(error) => {
            let error = json!({"errorType": "Unhandled", "errorMessage": error_chain(&error)});
            ([(HeaderName::from_static(target::FUNCTION_ERROR), "Unhandled")], axum::Json(error)).into_response()
        }
    }
}

fn refuse(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let body = json!({"Type": "User", "message": message});
    (status, [(HeaderName::from_static("x-amzn-errortype"), kind)], axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Method, Request};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    fn post(function: &str, authorization: Option<&str>, event: &'static str) -> Request<Body> {
        let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"));
        let request = match authorization {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        };
        request.body(Body::from(event)).unwrap()
    }

    #[tokio::test]
    async fn a_function_is_called_only_by_a_signed_request_and_only_if_it_exists() {
        let router = router(&[super::super::tests::consumer()]);
        let status = async |request: Request<Body>| router.clone().oneshot(request).await.unwrap().status().as_u16();
        const SIGNED: Option<&str> = Some("AWS4-HMAC-SHA256 Credential=local/…");

        assert_eq!(status(post("test", None, r#"{"Records":[]}"#)).await, 403);
        assert_eq!(status(post("test", Some("Bearer token"), r#"{"Records":[]}"#)).await, 403);
        assert_eq!(status(post("other", SIGNED, r#"{"Records":[]}"#)).await, 404);
        assert_eq!(status(post("test", SIGNED, "no event")).await, 400);
        let preflight = Request::builder().method(Method::OPTIONS).uri("/2015-03-31/functions/test/invocations");
        assert_eq!(status(preflight.body(Body::empty()).unwrap()).await, 405);

        let done = router.clone().oneshot(post("test", SIGNED, r#"{"Records":[]}"#)).await.unwrap();
        assert_eq!(done.status(), 200);
        assert_eq!(done.into_body().collect().await.unwrap().to_bytes(), r#"{"batchItemFailures":[]}"#);

        let failed = router.oneshot(post("test", SIGNED, r#"{"Records":[{}]}"#)).await.unwrap();
        assert_eq!(failed.status(), 200);
        assert_eq!(failed.headers()[target::FUNCTION_ERROR], "Unhandled");
    }
}
